#include "core/text/code_points.h"

#include <algorithm>
#include <array>
#include <cstddef>

#include "core/text/unicode.h"
#include "core/text/utf8.h"

namespace dsd {
namespace {

// Collects the outcome of a step; what a code point becomes has its origin.
class Rewritten {
 public:
  explicit Rewritten(const CodePoints& from) : from_(from) {
    to_.codes.reserve(from.codes.size() + from.codes.size() / 8);
    to_.origin.reserve(from.origin.empty() ? 0 : to_.codes.capacity());
  }
  void add(char32_t code, std::size_t source) {
    to_.codes.push_back(code);
    if (!from_.origin.empty()) to_.origin.push_back(from_.origin[source]);
  }
  void replace(CodePoints& points) { points = std::move(to_); }

 private:
  const CodePoints& from_;
  CodePoints to_;
};

template <class Drop>
void remove_where(CodePoints& points, Drop drop) {
  std::size_t kept = 0;
  for (std::size_t i = 0; i < points.codes.size(); ++i) {
    if (drop(points.codes[i])) continue;
    points.codes[kept] = points.codes[i];
    if (!points.origin.empty()) points.origin[kept] = points.origin[i];
    ++kept;
  }
  points.codes.resize(kept);
  if (!points.origin.empty()) points.origin.resize(kept);
}

// Sorts the marks in [first, last) by combining class; what is equal keeps its order.
void order_marks(CodePoints& points, std::size_t first, std::size_t last) {
  struct Mark {
    std::uint8_t combining;
    char32_t code;
    ByteSpan origin;
  };
  std::vector<Mark> marks;
  for (std::size_t i = first; i < last; ++i)
    marks.push_back(
        {combining_class(points.codes[i]), points.codes[i], points.origin.empty() ? ByteSpan{} : points.origin[i]});
  std::stable_sort(marks.begin(), marks.end(), [](const Mark& a, const Mark& b) { return a.combining < b.combining; });
  for (std::size_t i = first; i < last; ++i) {
    points.codes[i] = marks[i - first].code;
    if (!points.origin.empty()) points.origin[i] = marks[i - first].origin;
  }
}

}  // namespace

CodePoints read_code_points(std::string_view text, const std::vector<ByteSpan>& origin) {
  CodePoints points;
  points.codes.reserve(text.size());
  points.origin.reserve(origin.size());
  for (std::size_t at = 0; at < text.size();) {
    if (!origin.empty()) points.origin.push_back(origin[at]);
    points.codes.push_back(next_code_point(text, at));
  }
  return points;
}

void write_code_points(const CodePoints& points, std::string& text, std::vector<ByteSpan>& origin) {
  text.clear();
  origin.clear();
  for (std::size_t i = 0; i < points.codes.size(); ++i) {
    const std::size_t before = text.size();
    append_utf8(text, points.codes[i]);
    if (!points.origin.empty()) origin.insert(origin.end(), text.size() - before, points.origin[i]);
  }
}

void clean_bert_text(CodePoints& points) {
  remove_where(points, is_removed_control);
  for (char32_t& code : points.codes)
    if (is_white_space(code)) code = U' ';
}

void set_ideographs_apart(CodePoints& points) {
  if (std::none_of(points.codes.begin(), points.codes.end(), is_bert_ideograph)) return;
  Rewritten out(points);
  for (std::size_t i = 0; i < points.codes.size(); ++i) {
    const bool apart = is_bert_ideograph(points.codes[i]);
    if (apart) out.add(U' ', i);
    out.add(points.codes[i], i);
    if (apart) out.add(U' ', i);
  }
  out.replace(points);
}

void remove_nonspacing_marks(CodePoints& points) { remove_where(points, is_nonspacing_mark); }

void remove_marks(CodePoints& points) { remove_where(points, is_mark); }

void lower_all(CodePoints& points) {
  constexpr char32_t kGrows = 0x130;  // the one code point whose small form is two
  if (points.codes.find(kGrows) == std::u32string::npos) {
    for (char32_t& code : points.codes) code = to_lower(code)[0];
    return;
  }
  Rewritten out(points);
  for (std::size_t i = 0; i < points.codes.size(); ++i) {
    const std::array<char32_t, 2> small = to_lower(points.codes[i]);
    out.add(small[0], i);
    if (small[1] != 0) out.add(small[1], i);
  }
  out.replace(points);
}

void strip_white_space(CodePoints& points, bool left, bool right) {
  std::size_t first = 0, last = points.codes.size();
  while (left && first < last && is_white_space(points.codes[first])) ++first;
  while (right && first < last && is_white_space(points.codes[last - 1])) --last;
  points.codes = points.codes.substr(first, last - first);
  if (points.origin.empty()) return;
  points.origin.erase(points.origin.begin() + static_cast<std::ptrdiff_t>(last), points.origin.end());
  points.origin.erase(points.origin.begin(), points.origin.begin() + static_cast<std::ptrdiff_t>(first));
}

void decompose_all(CodePoints& points, bool compatible) {
  Rewritten out(points);
  char32_t parts[kLongestDecomposition];
  for (std::size_t i = 0; i < points.codes.size(); ++i) {
    const int count = decompose(points.codes[i], compatible, parts);
    if (count == 0) out.add(points.codes[i], i);
    for (int part = 0; part < count; ++part) out.add(parts[part], i);
  }
  out.replace(points);

  const std::size_t size = points.codes.size();
  for (std::size_t first = 0; first < size; ++first) {
    std::size_t last = first;
    while (last < size && combining_class(points.codes[last]) != 0) ++last;
    if (last - first > 1) order_marks(points, first, last);
    first = last;  // a starter, or the end
  }
}

void compose_all(CodePoints& points) {
  constexpr std::size_t kNone = static_cast<std::size_t>(-1);
  std::size_t starter = kNone, kept = 0;
  std::uint8_t last_class = 0;  // of what was kept after the starter
  for (std::size_t i = 0; i < points.codes.size(); ++i) {
    const char32_t code = points.codes[i];
    const std::uint8_t this_class = combining_class(code);
    const bool adjacent = starter != kNone && starter + 1 == kept;
    if (starter != kNone && (adjacent || (last_class != 0 && last_class < this_class)))
      if (const auto whole = compose(points.codes[starter], code)) {
        points.codes[starter] = *whole;
        if (!points.origin.empty()) points.origin[starter].second = points.origin[i].second;
        continue;
      }
    if (this_class == 0) starter = kept;
    last_class = this_class;
    points.codes[kept] = code;
    if (!points.origin.empty()) points.origin[kept] = points.origin[i];
    ++kept;
  }
  points.codes.resize(kept);
  if (!points.origin.empty()) points.origin.resize(kept);
}

}  // namespace dsd
