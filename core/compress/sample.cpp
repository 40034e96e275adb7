#include "core/compress/sample.h"

#include <memory>
#include <span>

#include "core/data/plan.h"

namespace dsd {
namespace {

constexpr std::int64_t kTokens = 2048;

}  // namespace

std::vector<std::int64_t> spread_over(std::int64_t size, std::int64_t count) {
  if (count > size) count = size;
  std::vector<std::int64_t> places;
  for (std::int64_t i = 0; i < count; ++i) places.push_back(i * size / count);
  return places;
}

std::function<std::optional<Batch>()> batches_of(const Dataset& data, std::vector<std::int64_t> examples,
                                                 TaskKind kind) {
  struct State {
    std::vector<std::int64_t> examples;
    std::vector<std::span<const std::int64_t>> pieces;
    std::size_t next = 0;
  };
  const auto state = std::make_shared<State>();
  state->examples = std::move(examples);
  state->pieces = micro_batches(data, state->examples, kTokens);
  return [state, &data, kind]() -> std::optional<Batch> {
    if (state->next == state->pieces.size()) return std::nullopt;
    return make_batch(data, state->pieces[state->next++], kind, 0);
  };
}

}  // namespace dsd
