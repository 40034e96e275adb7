#pragma once
// A text as code points, each with the bytes that it comes from: what normalisation beyond ASCII works on.

#include <string>
#include <string_view>
#include <vector>

#include "core/text/span.h"

namespace dsd {

struct CodePoints {
  std::u32string codes;
  std::vector<ByteSpan> origin;  // one for each code, or empty
};

// `origin` has one entry for each byte of `text`, or none.
CodePoints read_code_points(std::string_view text, const std::vector<ByteSpan>& origin);
// `origin` gets one entry a byte, or none.
void write_code_points(const CodePoints& points, std::string& text, std::vector<ByteSpan>& origin);

void clean_bert_text(CodePoints& points);       // drops control characters, makes white space a plain blank
void set_ideographs_apart(CodePoints& points);  // a blank before and after each
void remove_nonspacing_marks(CodePoints& points);
void remove_marks(CodePoints& points);
void lower_all(CodePoints& points);
void strip_white_space(CodePoints& points, bool left, bool right);
void decompose_all(CodePoints& points, bool compatible);  // in canonical order
void compose_all(CodePoints& points);                     // of decomposed text

}  // namespace dsd
