#pragma once
// The last stage: what stands around one text or a pair, and how a pair is cut to a length.

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace dsd {

struct TemplatePart {
  enum class Kind { first, second, special } kind;
  std::int32_t segment = 0;
  std::vector<std::int32_t> ids;  // of a special token
};

// TemplateProcessing as the file says it; BertProcessing is one of these.
struct Template {
  std::vector<TemplatePart> single, pair;
};

// Spans of tokens leave out the blanks that the tokens begin and end with (ByteLevel's and RoBERTa's `trim_offsets`).
struct TrimSpans {
  bool add_prefix_space = true;  // one blank before the first token is not the text's: nothing is left out for it
};

// Nothing around; the second text is segment 1.
Template plain_template();

std::size_t special_count(const std::vector<TemplatePart>& parts);

// Lengths that two texts keep where `budget` tokens are allowed in all: the longer one gives way first; once
// both must, the longer keeps the odd token, of equals the second. What the package does, not the loop that takes one
// token after the other: that one leaves the odd token to the first.
std::pair<std::size_t, std::size_t> longest_first(std::size_t first, std::size_t second, std::size_t budget);

}  // namespace dsd
