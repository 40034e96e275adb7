#pragma once
// JSON from outside, read strictly: depth is bounded, a doubled key is an error, and every error names the source with
// its line and column. Included by sources only, since nlohmann's header is slow to compile.

#include <nlohmann/json.hpp>

#include <iterator>
#include <string>
#include <string_view>

namespace dsd {

using Json = nlohmann::ordered_json;

inline constexpr int kMostJsonDepth = 64;

// Objects keep the order of the file. A look-up in one walks its keys: iterate over objects that may be large.
Json parse_json(std::string_view text, const std::string& source);

// Two spaces of indent and a closing newline, as transformers writes its files.
std::string write_json(const Json& json);

std::string json_quoted(const std::string& text);  // as one JSON string

// A value for a message, cut to a readable length.
std::string brief(const Json& json);

// Runs over text and tells a SAX handler how far the lexer has read, which nlohmann's does not.
class JsonCursor {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  JsonCursor(const char* at, const char** last_read) : at_(at), last_read_(last_read) {}
  reference operator*() const { return *at_; }
  JsonCursor& operator++() {
    *last_read_ = ++at_;
    return *this;
  }
  JsonCursor operator++(int) {
    const JsonCursor before = *this;
    ++*this;
    return before;
  }
  friend bool operator==(const JsonCursor& a, const JsonCursor& b) { return a.at_ == b.at_; }
  friend bool operator!=(const JsonCursor& a, const JsonCursor& b) { return a.at_ != b.at_; }

 private:
  const char* at_;
  const char** last_read_;
};

// What nlohmann says is wrong, without its prefix, places and unprintable bytes.
std::string json_complaint(const std::string& what);

}  // namespace dsd
