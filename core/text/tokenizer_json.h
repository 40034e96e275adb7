#pragma once
// The parts of tokenizer.json, each read into its struct. What is not supported is an error that names it.
// Included by sources only (json_part.h).

#include <vector>

#include "core/text/json_part.h"
#include "core/text/tokenizer_parts.h"

namespace dsd {

std::vector<NormalizerStep> read_normalizer(const JsonPart& part);
std::vector<PreTokenizerStep> read_pre_tokenizer(const JsonPart& part);
Template read_post_processor(const JsonPart& part, std::int64_t rows);
Decoder read_decoder(const JsonPart& part);
AddedToken read_added_token(const JsonPart& part, std::int32_t id);

// [CLS] A [SEP], and [CLS] A [SEP] B [SEP] with B and its end in segment 1.
Template bert_template(std::int32_t cls, std::int32_t sep);

}  // namespace dsd
