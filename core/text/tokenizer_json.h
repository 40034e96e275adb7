#pragma once
// The parts of tokenizer.json, each read into its struct. What is not supported is an error that names it.
// Included by sources only (json_part.h).

#include <fmt/format.h>

#include <memory>
#include <vector>

#include "core/text/json_part.h"
#include "core/text/merges.h"
#include "core/text/tokenizer_parts.h"

namespace dsd {

std::vector<NormalizerStep> read_normalizer(const JsonPart& part);
std::vector<PreTokenizerStep> read_pre_tokenizer(const JsonPart& part);
// Into `around` and `trim_spans`.
void read_post_processor(const JsonPart& part, std::int64_t rows, TokenizerParts& parts);
std::vector<DecoderStep> read_decoder(const JsonPart& part);
// {"String": ...} or {"Regex": ...}.
std::shared_ptr<const Pattern> read_pattern(const JsonPart& part);
std::pair<Vocabulary, TokenizerModel> read_model(const JsonPart& part);
Vocabulary read_vocabulary(const JsonPart& part);
AddedToken read_added_token(const JsonPart& part, std::int32_t id);

Metaspace read_metaspace(const JsonPart& part);
std::string read_character(const JsonPart& part);  // a text of one

// The steps of a list, each read by `read_one`, one after another.
template <class Step, class ReadOne>
std::vector<Step> read_steps(const JsonPart& list, ReadOne read_one) {
  constexpr std::size_t kMostSteps = 64;
  std::vector<Step> steps;
  for (const JsonPart& item : list.items()) {
    for (Step& step : read_one(item)) steps.push_back(std::move(step));
    if (steps.size() > kMostSteps) list.wrong(fmt::format("more than {} steps are not supported", kMostSteps));
  }
  return steps;
}

// [CLS] A [SEP], and [CLS] A [SEP] B [SEP] with B and its end in segment 1.
Template bert_template(std::int32_t cls, std::int32_t sep);

}  // namespace dsd
