#include "core/text/pattern_syntax.h"

#include <algorithm>

#include "core/base/error.h"
#include "core/text/code_class.h"
#include "core/text/pattern_class.h"
#include "core/text/pattern_reader.h"

namespace dsd {
namespace {

using Kind = PatternNode::Kind;

constexpr std::size_t kMostRepeats = 1000;

PatternNode node_of(Kind kind) {
  PatternNode node;
  node.kind = kind;
  return node;
}

class Parser {
 public:
  explicit Parser(std::string_view source) : reader_(source) {}

  PatternNode whole() {
    PatternNode node = alternatives(false);
    if (!reader_.at_end()) reader_.unsupported("a ')' without its '('");
    return node;
  }

 private:
  PatternNode alternatives(bool any_case) {
    const PatternReader::Depth depth(reader_);
    PatternNode node = node_of(Kind::alternatives);
    do node.parts.push_back(sequence(any_case));
    while (reader_.take('|'));
    if (node.parts.size() == 1) return std::move(node.parts[0]);
    return node;
  }

  PatternNode sequence(bool any_case) {
    PatternNode node = node_of(Kind::sequence);
    std::u32string run;  // of single characters whose case is ignored, for those that fold together
    while (!reader_.at_end() && !reader_.sees('|') && !reader_.sees(')')) {
      const bool is_character = character_next();
      PatternNode part = item(any_case);
      if (any_case && is_character) extend_run(run, part.set.ranges()[0].first);
      else run.clear();
      node.parts.push_back(repeated(std::move(part)));
    }
    return node;
  }

  bool character_next() const {
    constexpr std::string_view kOther = "[(.^$", kEscapes = "AzsSdDwWpP";
    if (reader_.peek() == '\\') return kEscapes.find(reader_.peek(1)) == std::string_view::npos;
    return kOther.find(reader_.peek()) == std::string_view::npos;
  }

  // Several code points that ignore case may be one code point as well, as "ss" is U+00DF: that is not done here.
  void extend_run(std::u32string& run, char32_t code) {
    constexpr std::size_t kLongestForm = 3;
    run += code;
    for (std::size_t size = 2; size <= std::min(run.size(), kLongestForm); ++size)
      if (has_one_form_without_case(std::u32string_view(run).substr(run.size() - size)))
        reader_.unsupported("(?i) over letters that are also one letter");
  }

  PatternNode item(bool any_case) {
    if (reader_.take('(')) return group(any_case);
    if (reader_.take('^')) return node_of(Kind::line_begin);
    if (reader_.take('$')) return node_of(Kind::line_end);
    if (reader_.take("\\A")) return node_of(Kind::text_begin);
    if (reader_.take("\\z")) return node_of(Kind::text_end);
    PatternNode node = node_of(Kind::set);
    if (reader_.take('.')) node.set = CodeSet(U'\n', U'\n').others();
    else node.set = parse_class(reader_, any_case);
    return node;
  }

  PatternNode group(bool any_case) {
    PatternNode node;
    if (!reader_.take('?')) {
      node = alternatives(any_case);  // what a group has caught is never asked for
    } else if (reader_.take(':')) {
      node = alternatives(any_case);
    } else if (reader_.take("i:")) {
      node = alternatives(true);
    } else if (reader_.take("-i:")) {
      node = alternatives(false);
    } else {
      node = look(any_case);
    }
    if (!reader_.take(')')) reader_.unsupported("a '(' without its ')'");
    return node;
  }

  PatternNode look(bool any_case) {
    PatternNode node = node_of(Kind::look);
    node.behind = reader_.take('<');
    node.negative = reader_.take('!');
    if (!node.negative && !reader_.take('=')) reader_.unsupported("a group of this kind");
    node.parts.push_back(alternatives(any_case));
    const PatternLength length = length_of(node.parts[0]);
    if (node.behind && length.least != length.most) reader_.unsupported("(?<) over texts of several lengths");
    return node;
  }

  PatternNode repeated(PatternNode part) {
    PatternNode node = node_of(Kind::repeat);
    if (reader_.take('?')) node.most = 1;
    else if (reader_.take('+')) node.least = 1;
    else if (reader_.sees('{')) read_counts(node);
    else if (!reader_.take('*')) return part;
    const bool counted = reader_.before() == '}';
    if (reader_.sees('?')) reader_.unsupported("a repeat that takes as little as it can");
    if (reader_.sees('+') && counted) reader_.unsupported("a repeat of a repeat");
    node.possessive = reader_.take('+');
    if (reader_.sees('?') || reader_.sees('+') || reader_.sees('*') || reader_.sees('{'))
      reader_.unsupported("a repeat of a repeat");
    if (part.kind != Kind::set) {
      if (node.possessive) reader_.unsupported("a group that gives nothing back");
      if (length_of(part).least == 0) reader_.unsupported("a repeat of what may match nothing");
    }
    node.parts.push_back(std::move(part));
    return node;
  }

  void read_counts(PatternNode& node) {
    reader_.take('{');
    const auto least = reader_.number(kMostRepeats);
    node.least = least.value_or(0);
    node.most = node.least;
    if (reader_.take(',')) {
      const auto most = reader_.number(kMostRepeats);
      node.most = most.value_or(PatternNode::kNoEnd);
      if (!least && !most) reader_.unsupported("'{,}'");
    } else if (!least) {
      reader_.unsupported("a '{' that counts nothing");
    }
    if (!reader_.take('}')) reader_.unsupported("a '{' without its '}'");
    if (node.most < node.least) reader_.unsupported("a repeat whose most is below its least");
  }

  PatternReader reader_;
};

std::size_t sum(std::size_t a, std::size_t b) { return a > PatternNode::kNoEnd - b ? PatternNode::kNoEnd : a + b; }

std::size_t product(std::size_t a, std::size_t b) {
  return b != 0 && a > PatternNode::kNoEnd / b ? PatternNode::kNoEnd : a * b;
}

}  // namespace

PatternLength length_of(const PatternNode& node) {
  PatternLength length{0, 0};
  switch (node.kind) {
    case Kind::set:
      return {1, 1};
    case Kind::sequence:
      for (const PatternNode& part : node.parts) {
        const PatternLength one = length_of(part);
        length = {sum(length.least, one.least), sum(length.most, one.most)};
      }
      return length;
    case Kind::alternatives:
      length.least = PatternNode::kNoEnd;
      for (const PatternNode& part : node.parts) {
        const PatternLength one = length_of(part);
        length = {std::min(length.least, one.least), std::max(length.most, one.most)};
      }
      return length;
    case Kind::repeat: {
      const PatternLength one = length_of(node.parts[0]);
      return {product(one.least, node.least), product(one.most, node.most)};
    }
    default:
      return length;
  }
}

PatternNode parse_pattern(std::string_view source) { return Parser(source).whole(); }

}  // namespace dsd
