#include "core/data/plan.h"

#include <algorithm>
#include <numeric>

#include "core/base/error.h"
#include "core/base/random.h"

namespace dsd {
namespace {

RandomKey order_key(std::uint64_t seed, std::int64_t epoch) {
  return {.seed = seed, .purpose = Purpose::order, .step = static_cast<std::uint32_t>(epoch)};
}

}  // namespace

Plan::Plan(const Dataset& data, std::int64_t batch, std::uint64_t seed) : data_(&data), batch_(batch), seed_(seed) {
  if (data.size() == 0) fail("there is no training example");
  if (data.size() > std::numeric_limits<std::int32_t>::max())
    fail("{} training examples are more than one run can hold; split them", data.size());
}

void Plan::follow(Curriculum curriculum) {
  if (std::ssize(curriculum.easiest_first) != data_->size())
    fail("a curriculum of {} examples for {}", curriculum.easiest_first.size(), data_->size());
  curriculum_ = std::move(curriculum);
}

std::int64_t Plan::steps_per_epoch() const { return (data_->size() + batch_ - 1) / batch_; }

void Plan::order_epoch(std::int64_t epoch) {
  const auto shuffled = permutation(data_->size(), order_key(seed_, epoch));
  order_.assign(shuffled.begin(), shuffled.end());
  epoch_ = epoch;
}

std::vector<std::int64_t> Plan::step(std::int64_t index) {
  if (curriculum_ && within_competence(*curriculum_, batch_, index) < data_->size())
    return drawn(*curriculum_, batch_, seed_, index);
  const std::int64_t epoch = index / steps_per_epoch();
  if (epoch != epoch_) order_epoch(epoch);
  const std::int64_t begin = index % steps_per_epoch() * batch_;
  const std::int64_t end = std::min(begin + batch_, data_->size());
  std::vector<std::int64_t> examples(order_.begin() + begin, order_.begin() + end);
  std::ranges::stable_sort(examples, {}, [&](std::int64_t example) { return data_->length(example); });
  return examples;
}

std::vector<std::span<const std::int64_t>> micro_batches(const Dataset& data, std::span<const std::int64_t> examples,
                                                         std::int64_t tokens, std::int64_t pool) {
  std::vector<std::span<const std::int64_t>> pieces;
  std::size_t begin = 0, size = 0;
  std::int64_t held = 0;
  for (std::size_t i = 0; i < examples.size(); i += size) {
    size = std::min(static_cast<std::size_t>(pool), examples.size() - i);
    std::int64_t length = 0;
    for (const auto example : examples.subspan(i, size)) length += data.length(example);
    if (i > begin && held + length > tokens) {
      pieces.push_back(examples.subspan(begin, i - begin));
      begin = i;
      held = 0;
    }
    held += length;
  }
  if (begin < examples.size()) pieces.push_back(examples.subspan(begin));
  return pieces;
}

std::vector<std::int64_t> pool_bounds(std::int64_t examples, std::int64_t pool) {
  std::vector<std::int64_t> bounds;
  for (std::int64_t begin = 0; begin < examples; begin += pool) bounds.push_back(begin);
  bounds.push_back(examples);
  return bounds;
}

std::vector<std::int64_t> by_length(const Dataset& data) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(data.size()));
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, std::greater<>(), [&](std::int64_t index) { return data.length(index); });
  return order;
}

}  // namespace dsd
