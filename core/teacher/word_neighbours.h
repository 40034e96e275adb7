#pragma once
// Words that may stand in for others, for changed copies of training examples (Jiao et al. 2020, "TinyBERT",
// arXiv:1909.10351, section 3.2): a word that the tokenizer has as one token gives way to what a masked language model
// holds likely in its place, or to its nearest by the teacher's own word embeddings; a rarer word, of several tokens,
// to the words nearest to the mean of theirs. The candidates are words that are one token themselves, of letters and
// digits.

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/base/random.h"
#include "core/model/model.h"
#include "core/recipe/text_configs.h"
#include "core/text/tokenizer.h"

namespace dsd {

class WordNeighbours {
 public:
  // `embeddings` [V, H], of the tokenizer's ids; both are read as long as this lives. `masked`: null, or a model with a
  // head over masked tokens whose ids are the tokenizer's; Error where the tokenizer has no mask token.
  WordNeighbours(const Tokenizer& tokenizer, at::Tensor embeddings, std::shared_ptr<Model> masked,
                 const AugmentConfig& config);

  // The text with each word of three letters or digits or more replaced with probability `config.words` by one of its
  // candidates, each as likely; then slips of typing. A pure function of the key and the row.
  std::string changed(std::string_view text, const RandomKey& key, std::uint64_t row);

  // By cosine of embeddings, nearest first, the word itself left out, at most config.candidates. Letters' case is the
  // tokenizer's business.
  const std::vector<std::string>& nearest(const std::string& word);

 private:
  struct Word {
    std::int32_t id;
    std::string text;
  };
  std::vector<std::int32_t> pieces(std::string_view word) const;
  bool stands_alone(std::int32_t id, std::string* text) const;
  std::vector<std::string> likeliest(std::string_view text, std::size_t begin, std::size_t end, std::int32_t own);

  const Tokenizer& tokenizer_;
  std::shared_ptr<Model> masked_;
  AugmentConfig config_;
  std::vector<Word> words_;
  at::Tensor rows_;     // [words, H], of length 1
  at::Tensor table_;    // [V, H]
  at::Tensor is_word_;  // [V] float: 0 of a word, -infinity of another token
  std::unordered_map<std::int32_t, std::size_t> word_of_id_;
  std::unordered_map<std::string, std::vector<std::string>> known_;
};

// The word embeddings of a model, [V, H] fp32.
at::Tensor word_embeddings(Model& model);

}  // namespace dsd
