#include "core/teacher/word_neighbours.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "core/base/error.h"
#include "core/base/unit_interval.h"
#include "core/data/dataset.h"
#include "core/data/typing_slips.h"
#include "core/data/words.h"
#include "losses/scores.h"

namespace dsd {
namespace {

constexpr std::size_t kLeastLetters = 3;

// A letter first, then letters and digits.
bool of_letters(std::string_view word) {
  const auto letter = [](char c) {
    return static_cast<unsigned char>(c) >= 0x80u || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  };
  return word.size() >= kLeastLetters && letter(word[0]) &&
         std::ranges::all_of(word, [&](char c) { return letter(c) || (c >= '0' && c <= '9'); });
}

at::Tensor of_length_one(const at::Tensor& rows) { return rows / rows.norm(2, -1, true).clamp_min(1e-12); }

}  // namespace

WordNeighbours::WordNeighbours(const Tokenizer& tokenizer, at::Tensor embeddings, std::shared_ptr<Model> masked,
                               const AugmentConfig& config)
    : tokenizer_(tokenizer), masked_(std::move(masked)), config_(config), table_(std::move(embeddings)) {
  if (masked_ && !tokenizer.special_ids().mask)
    fail("{}: has no mask token, so that no model can fill one in", tokenizer.file().string());
  const std::int64_t tokens = std::min(tokenizer.vocab_size(), table_.size(0));
  is_word_ = at::full({table_.size(0)}, -std::numeric_limits<float>::infinity());
  std::vector<std::int64_t> ids;
  for (std::int32_t id = 0; id < tokens; ++id) {
    std::string text;
    if (!stands_alone(id, &text)) continue;
    word_of_id_.emplace(id, words_.size());
    words_.push_back({id, std::move(text)});
    ids.push_back(id);
  }
  if (words_.empty())
    fail("{}: no token of it is a whole word, so that none can stand in for another", tokenizer.file().string());
  const at::Tensor index = at::tensor(ids, at::kLong);
  is_word_.index_fill_(0, index, 0);
  rows_ = of_length_one(table_.index_select(0, index));
}

bool WordNeighbours::stands_alone(std::int32_t id, std::string* text) const {
  const std::int32_t one[] = {id};
  std::string word = tokenizer_.decode(one);
  word.erase(0, word.find_first_not_of(' '));
  if (!of_letters(word) || pieces(word) != std::vector{id}) return false;
  *text = std::move(word);
  return true;
}

// As the word stands within a text: after a blank, where the tokenizer tells the two apart.
std::vector<std::int32_t> WordNeighbours::pieces(std::string_view word) const {
  return tokenizer_.encode(fmt::format(" {}", word), {.special_tokens = false}).ids;
}

const std::vector<std::string>& WordNeighbours::nearest(const std::string& word) {
  const auto [found, is_new] = known_.try_emplace(word);
  if (!is_new) return found->second;
  const at::NoGradGuard no_grad;
  const auto ids = pieces(word);
  if (ids.empty()) return found->second;
  const at::Tensor own = table_.index_select(0, at::tensor(ids, at::kInt)).mean(0);
  const at::Tensor cosines = at::mv(rows_, of_length_one(own));
  const std::int64_t wanted = std::min<std::int64_t>(config_.candidates + 1, rows_.size(0));
  const at::Tensor best = std::get<1>(cosines.topk(wanted)).contiguous();
  for (std::int64_t i = 0; i < wanted; ++i) {
    const Word& other = words_[static_cast<std::size_t>(best.const_data_ptr<std::int64_t>()[i])];
    const bool itself = ids.size() == 1 && other.id == ids[0];
    if (!itself && std::ssize(found->second) < config_.candidates) found->second.push_back(other.text);
  }
  return found->second;
}

// What the masked model holds likeliest where the bytes begin ... end stand, `own` left out.
std::vector<std::string> WordNeighbours::likeliest(std::string_view text, std::size_t begin, std::size_t end,
                                                   std::int32_t own) {
  const at::NoGradGuard no_grad;
  const std::int64_t room = most_positions(masked_->config().family);
  Encoding encoding = tokenizer_.encode(text, {.max_length = room, .spans = true});
  for (std::size_t t = 0; t < encoding.ids.size(); ++t) {
    const auto [from, to] = encoding.spans[t];
    if (encoding.ids[t] != own || std::cmp_less_equal(to, begin) || std::cmp_greater_equal(from, end)) continue;
    Example example{.ids = encoding.ids};
    example.ids[t] = *tokenizer_.special_ids().mask;
    example.second_begins = static_cast<std::int32_t>(example.ids.size());
    Batch batch = make_batch(std::span(&example, 1));
    batch.rows = {at::tensor({static_cast<std::int32_t>(t)}, at::kInt)};
    const Outputs outputs = masked_->forward(batch, Wanted{}, Pass{});
    at::Tensor logits = tile_logits(outputs.heads.at(0), 0, 1).squeeze(0).cpu();
    const std::int64_t shared = std::min(logits.size(0), is_word_.size(0));
    logits = logits.narrow(0, 0, shared) + is_word_.narrow(0, 0, shared);
    logits[own] = -std::numeric_limits<float>::infinity();
    const at::Tensor best = std::get<1>(logits.topk(std::min<std::int64_t>(config_.candidates, shared))).contiguous();
    std::vector<std::string> words;
    for (std::int64_t i = 0; i < best.numel(); ++i)
      if (const auto word = word_of_id_.find(static_cast<std::int32_t>(best.const_data_ptr<std::int64_t>()[i]));
          word != word_of_id_.end())
        words.push_back(words_[word->second].text);
    return words;
  }
  return {};  // cut off, or written as another token here
}

std::string WordNeighbours::changed(std::string_view text, const RandomKey& key, std::uint64_t row) {
  const auto words = philox_key(key);
  const auto spans = words_of(text);
  const std::string replaced =
      with_words(text, [&](std::string_view word, std::size_t index) -> std::optional<std::string> {
        const auto random = philox({static_cast<std::uint32_t>(row), static_cast<std::uint32_t>(row >> 32),
                                    static_cast<std::uint32_t>(index), 4},
                                   words);
        if (!of_letters(word) || unit_interval(random[0]) >= config_.words) return std::nullopt;
        std::vector<std::string> filled;
        if (const auto ids = pieces(word); masked_ && ids.size() == 1)
          filled = likeliest(text, spans[index].begin, spans[index].end, ids[0]);
        const auto& candidates = filled.empty() ? nearest(std::string(word)) : filled;
        if (candidates.empty()) return std::nullopt;
        return candidates[random[1] % candidates.size()];
      });
  if (config_.characters == 0) return replaced;
  RandomKey slips = key;
  ++slips.pass;
  return with_slips(replaced, config_.characters, slips, row);
}

at::Tensor word_embeddings(Model& model) {
  for (const Parameter& parameter : model.parameters())
    if (parameter.name == "embeddings.words.weight")
      return (parameter.weight->master.defined() ? parameter.weight->master : parameter.weight->shadow)
          .detach()
          .to(at::kCPU, at::kFloat);
  fail("the model has no word embeddings");
}

}  // namespace dsd
