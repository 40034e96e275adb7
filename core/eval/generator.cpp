#include "core/eval/generator.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/formats/json.h"
#include "losses/scores.h"

namespace dsd {
namespace {

// One piece of text for each sequence of the cache (none for those that have ended); the head reads the last rows.
Batch batch_of(const std::vector<std::vector<std::int32_t>>& pieces) {
  std::vector<std::int32_t> ids, offsets{0}, positions, rows;
  for (const auto& piece : pieces) {
    for (std::size_t i = 0; i < piece.size(); ++i) positions.push_back(static_cast<std::int32_t>(i));
    ids.insert(ids.end(), piece.begin(), piece.end());
    offsets.push_back(static_cast<std::int32_t>(ids.size()));
    if (!piece.empty()) rows.push_back(offsets.back() - 1);
  }
  Batch batch;
  Sequences text{.ids = at::tensor(ids, at::kInt),
                 .offsets = at::tensor(offsets, at::kInt),
                 .positions = at::tensor(positions, at::kInt),
                 .segments = {},
                 .spans = {}};
  text.segments = at::zeros_like(text.ids);
  batch.streams.push_back(std::move(text));
  batch.rows.push_back(at::tensor(rows, at::kInt));
  batch.transient = true;
  return batch;
}

Tensor logits_of(const Scores& scores) {
  if (!scores.hidden.defined()) fail("this model classifies; it has no head that tells the next token");
  return tile_logits(scores, 0, row_count(scores)).to(at::kCPU, at::kFloat);
}

using Pieces = std::vector<std::vector<std::int32_t>>;

constexpr std::size_t kPiece = 1024;  // tokens of a prompt that are read at once: memory does not grow with its length

// What of each prompt is read in a round, counted down to 0: all end together.
Pieces pieces_of(const Pieces& prompts, std::size_t round) {
  Pieces pieces;
  for (const auto& prompt : prompts) {
    const auto before = [&](std::size_t rounds) {
      return prompt.end() - static_cast<std::ptrdiff_t>(std::min(prompt.size(), rounds * kPiece));
    };
    pieces.emplace_back(before(round + 1), before(round));
  }
  return pieces;
}

std::int64_t longest(const std::vector<std::vector<std::int32_t>>& prompts) {
  std::size_t most = 0;
  for (const auto& prompt : prompts) {
    if (prompt.empty()) fail("a prompt has no token; give some text, or take a tokenizer whose template begins a text");
    most = std::max(most, prompt.size());
  }
  return static_cast<std::int64_t>(most);
}

}  // namespace

std::vector<std::int32_t> end_tokens(const ModelConfig& config, const std::filesystem::path& folder) {
  const auto read = [](std::string_view text, const std::string& source) {
    std::vector<std::int32_t> tokens;
    const Json object = parse_json(text, source);
    if (!object.is_object()) fail("{}: holds no JSON object", source);
    const auto found = object.find("eos_token_id");
    if (found == object.end() || found->is_null()) return tokens;
    for (const Json& id : found->is_array() ? *found : Json::array({*found})) {
      if (!id.is_number_integer() || id < 0 || id > (1 << 30))
        fail("{}: 'eos_token_id' is {}; expected ids of tokens", source, brief(id));
      tokens.push_back(id.get<std::int32_t>());
    }
    return tokens;
  };
  const std::filesystem::path file = folder / "generation_config.json";
  if (std::filesystem::exists(file)) {
    constexpr std::size_t kMostBytes = std::size_t{1} << 20;
    if (auto tokens = read(read_text(file, kMostBytes), file.string()); !tokens.empty()) return tokens;
  }
  return config.json.empty() ? std::vector<std::int32_t>{} : read(config.json, (folder / "config.json").string());
}

std::vector<Generated> generate(Model& model, const std::vector<std::vector<std::int32_t>>& prompts,
                                const GenerationSettings& settings, std::uint32_t first, const TokenSink& sink) {
  const at::NoGradGuard no_grad;
  const std::int64_t capacity = longest(prompts) + settings.new_tokens, most = most_positions(model.config().family);
  if (capacity > most)
    fail(
        "a prompt of {} tokens and {} new ones need {} positions, and the model has {}; shorten the prompt or lower "
        "the number of new tokens",
        longest(prompts), settings.new_tokens, capacity, most);
  KvCache cache = model.make_cache(static_cast<std::int64_t>(prompts.size()), capacity);
  const Pass pass{.cache = &cache};
  std::vector<Generated> texts(prompts.size());
  for (auto round = (static_cast<std::size_t>(longest(prompts)) - 1) / kPiece; round > 0; --round)
    model.forward(batch_of(pieces_of(prompts, round)), {.heads = false}, pass);
  Pieces pieces = pieces_of(prompts, 0);
  for (std::int64_t step = 0; step < settings.new_tokens; ++step) {
    const Tensor logits = logits_of(model.forward(batch_of(pieces), {}, pass).heads.at(0));
    std::int64_t row = 0;
    bool any = false;
    for (std::size_t p = 0; p < pieces.size(); ++p) {
      if (pieces[p].empty()) continue;
      const std::span<const float> scores(logits.const_data_ptr<float>() + row++ * logits.size(1),
                                          static_cast<std::size_t>(logits.size(1)));
      const std::int32_t token = choose_token(scores, settings.sampling, first + static_cast<std::uint32_t>(p),
                                              static_cast<std::uint32_t>(step));
      pieces[p].clear();
      if (std::ranges::find(settings.end_tokens, token) != settings.end_tokens.end()) {
        texts[p].ending = Ending::end_token;
        continue;
      }
      texts[p].ids.push_back(token);
      if (sink && !sink(p, token)) {
        texts[p].ending = Ending::sink;
        continue;
      }
      pieces[p] = {token};
      any = true;
    }
    if (!any) break;
  }
  return texts;
}

}  // namespace dsd
