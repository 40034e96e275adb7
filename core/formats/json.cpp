#include "core/formats/json.h"

#include <algorithm>
#include <unordered_set>
#include <vector>

#include "core/base/error.h"

namespace dsd {
namespace {

constexpr std::size_t kLongestQuote = 100;

std::string place_of(std::string_view text, std::size_t byte) {
  const std::string_view before = text.substr(0, std::min(byte, text.size()));
  const auto line = 1 + std::count(before.begin(), before.end(), '\n');
  const std::size_t start = before.rfind('\n') + 1;  // npos + 1 is 0
  return fmt::format("{}:{}", line, std::max<std::size_t>(before.size() - start, 1));
}

// Builds the document. Containers that are open stand on a stack; a key's uniqueness is kept beside its object, since
// ordered_json would walk all keys for each new one.
class Builder {
 public:
  Builder(std::string_view text, const std::string& source) : text_(text), source_(source), read_(text.data()) {}

  Json build() {
    const JsonCursor first(text_.data(), &read_);
    const JsonCursor last(text_.data() + text_.size(), &read_);
    Json::sax_parse(first, last, this);
    return std::move(root_);
  }

  bool null() { return add(nullptr); }
  bool boolean(bool value) { return add(value); }
  bool number_integer(Json::number_integer_t value) { return add(value); }
  bool number_unsigned(Json::number_unsigned_t value) { return add(value); }
  bool number_float(Json::number_float_t value, const std::string&) { return add(value); }
  bool string(std::string& value) { return add(std::move(value)); }
  bool binary(Json::binary_t&) { return false; }  // no such thing in text
  bool start_object(std::size_t) { return open(Json::object()); }
  bool start_array(std::size_t) { return open(Json::array()); }
  bool end_object() { return close(); }
  bool end_array() { return close(); }

  bool key(std::string& name) {
    if (!open_.back().keys.insert(name).second)
      fail("{}:{}: key '{}' stands twice in one object; remove one", source_, place(), brief(name));
    key_ = std::move(name);
    return true;
  }

  bool parse_error(std::size_t byte, const std::string&, const nlohmann::detail::exception& error) {
    fail("{}:{}: not valid JSON: {}", source_, place_of(text_, byte), json_complaint(error.what()));
  }

 private:
  struct Open {
    Json* value;
    std::unordered_set<std::string> keys;
  };

  std::string place() const { return place_of(text_, static_cast<std::size_t>(read_ - text_.data())); }

  bool add(Json value) {
    place_value(std::move(value));
    return true;
  }

  Json* place_value(Json value) {
    if (open_.empty()) {
      root_ = std::move(value);
      return &root_;
    }
    Json& parent = *open_.back().value;
    if (parent.is_array()) {
      parent.push_back(std::move(value));
      return &parent.back();
    }
    auto& members = parent.get_ref<Json::object_t&>();
    members.emplace_back(std::move(key_), std::move(value));
    return &members.back().second;
  }

  bool open(Json container) {
    if (open_.size() >= kMostJsonDepth)
      fail("{}:{}: nested deeper than {} levels; such a file is not read", source_, place(), kMostJsonDepth);
    open_.push_back({place_value(std::move(container)), {}});
    return true;
  }

  bool close() {
    open_.pop_back();
    return true;
  }

  std::string_view text_;
  const std::string& source_;
  const char* read_;
  Json root_;
  std::vector<Open> open_;
  std::string key_;
};

}  // namespace

Json parse_json(std::string_view text, const std::string& source) { return Builder(text, source).build(); }

std::string write_json(const Json& json) {
  try {
    return json.dump(2) + "\n";
  } catch (const Json::exception& error) {
    fail("cannot write JSON: {}", json_complaint(error.what()));
  }
}

std::string json_quoted(const std::string& text) {
  try {
    return Json(text).dump();
  } catch (const Json::exception& error) {
    fail("cannot write '{}' as JSON: {}", brief(text), json_complaint(error.what()));
  }
}

std::string brief(const Json& json) {
  std::string text =
      json.is_string() ? json.get_ref<const std::string&>() : json.dump(-1, ' ', true, Json::error_handler_t::replace);
  if (text.size() > kLongestQuote) text = text.substr(0, kLongestQuote) + "...";
  for (char& c : text)
    if (static_cast<unsigned char>(c) < 0x20) c = ' ';
  return text;
}

std::string json_complaint(const std::string& what) {
  const std::size_t prefix =
      what.find("] ");  // "[json.exception.parse_error.101] parse error at line 1, column 2: ..."
  std::string text = prefix == std::string::npos ? what : what.substr(prefix + 2);
  if (text.starts_with("parse error"))
    if (const std::size_t colon = text.find(": "); colon != std::string::npos) text = text.substr(colon + 2);
  if (text.size() > 2 * kLongestQuote) text = text.substr(0, 2 * kLongestQuote) + "...";
  for (char& c : text)
    if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) > 0x7e) c = '?';
  return text;
}

}  // namespace dsd
