#include "core/text/json_part.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <unordered_set>

#include "core/base/error.h"
#include "core/base/files.h"

namespace dsd {
namespace {

using nlohmann::json;

constexpr std::size_t kMostDepth = 64;
constexpr std::size_t kLongestQuote = 60;

// nlohmann's sentence without its exception's name and number; the byte is told by us.
std::string complaint(std::string_view what) {
  const std::size_t bracket = what.find("] ");
  if (bracket != std::string_view::npos) what = what.substr(bracket + 2);
  const std::size_t place = what.find(": ");
  if (what.starts_with("parse error at") && place != std::string_view::npos) what = what.substr(place + 2);
  std::string text(what.substr(0, 3 * kLongestQuote));
  for (char& c : text)
    if (c < 0x20 || c > 0x7E) c = '?';
  return text;
}

// Follows the parser: bounds the depth and sees to it that no object has a key twice.
class Watch {
 public:
  explicit Watch(const std::filesystem::path& path) : path_(path) {}

  bool operator()(int, json::parse_event_t event, json& value) {
    if (event == json::parse_event_t::object_start || event == json::parse_event_t::array_start) {
      if (keys_.size() >= kMostDepth)
        fail("{}: nested deeper than {} levels; such a file is not read", path_.string(), kMostDepth);
      keys_.emplace_back();
    } else if (event == json::parse_event_t::object_end || event == json::parse_event_t::array_end) {
      keys_.pop_back();
    } else if (event == json::parse_event_t::key) {
      const auto& key = value.get_ref<const std::string&>();
      if (!keys_.back().insert(key).second)
        fail("{}: key '{}' stands twice in one object; remove one", path_.string(), printable(key));
    }
    return true;
  }

 private:
  const std::filesystem::path& path_;
  std::vector<std::unordered_set<std::string>> keys_;  // of each open object
};

}  // namespace

std::string printable(std::string_view text) {
  std::string shown(text.substr(0, kLongestQuote));
  while (shown.size() < text.size() && !shown.empty() &&
         (static_cast<unsigned char>(text[shown.size()]) & 0xC0) == 0x80)
    shown.pop_back();  // never half a character
  for (char& c : shown)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = '?';
  return shown.size() < text.size() ? shown + "..." : shown;
}

nlohmann::json read_json_file(const std::filesystem::path& path) {
  return parse_json_part(read_text(path, kMostJsonBytes), path);
}

nlohmann::json parse_json_part(std::string_view text, const std::filesystem::path& file) {
  Watch watch(file);
  try {
    return json::parse(text,
                       [&](int depth, json::parse_event_t event, json& value) { return watch(depth, event, value); });
  } catch (const json::exception& error) {
    const auto* parse_error = dynamic_cast<const json::parse_error*>(&error);
    fail("{}: byte {}: not valid JSON: {}", file.string(), parse_error != nullptr ? parse_error->byte : 0,
         complaint(error.what()));
  }
}

bool JsonPart::has(std::string_view key) const {
  if (!value_->is_object()) wrong(fmt::format("expected an object, found {}", value_->type_name()));
  const auto found = value_->find(key);
  return found != value_->end() && !found->is_null();
}

const std::string& JsonPart::text() const {
  if (!value_->is_string()) wrong(fmt::format("expected a text, found {}", value_->type_name()));
  return value_->get_ref<const std::string&>();
}

bool JsonPart::boolean() const {
  if (!value_->is_boolean()) wrong(fmt::format("expected true or false, found {}", value_->type_name()));
  return value_->get<bool>();
}

std::int64_t JsonPart::integer(std::int64_t least, std::int64_t most) const {
  if (!value_->is_number_integer()) wrong(fmt::format("expected a whole number, found {}", value_->type_name()));
  const bool huge = value_->is_number_unsigned() && value_->get<std::uint64_t>() > static_cast<std::uint64_t>(most);
  if (huge || value_->get<std::int64_t>() < least)
    wrong(fmt::format("{} is out of range ({} to {})", value_->dump(), least, most));
  return value_->get<std::int64_t>();
}

std::vector<JsonPart> JsonPart::items() const {
  if (!value_->is_array()) wrong(fmt::format("expected a list, found {}", value_->type_name()));
  std::vector<JsonPart> parts;
  for (const json& item : *value_) parts.push_back(JsonPart(item, fmt::format("{}[{}]", place_, parts.size()), false));
  return parts;
}

JsonPart JsonPart::operator[](std::string_view key) const {
  if (!value_->is_object()) wrong(fmt::format("expected an object, found {}", value_->type_name()));
  const auto found = value_->find(key);
  if (found == value_->end()) wrong(fmt::format("'{}' is missing", key));
  return JsonPart(*found, place_of(key), false);
}

std::string JsonPart::place_of(std::string_view key) const {
  return fmt::format("{}{}{}", place_, is_root_ ? ": " : ".", printable(key));
}

bool JsonPart::boolean_or(std::string_view key, bool silent) const {
  return has(key) ? (*this)[key].boolean() : silent;
}

void JsonPart::allow(std::initializer_list<std::string_view> keys) const {
  if (!value_->is_object()) wrong(fmt::format("expected an object, found {}", value_->type_name()));
  for (const auto& [key, unused] : value_->items())
    if (std::find(keys.begin(), keys.end(), key) == keys.end())
      wrong(fmt::format("'{}' is not supported (known: {})", printable(key), fmt::join(keys, ", ")));
}

void JsonPart::unsupported_type(std::string_view type_name, std::string_view supported) const {
  fail("{} type '{}' is not supported (supported: {})", place_, printable(type_name), supported);
}

void JsonPart::wrong(const std::string& complaint) const { fail("{}: {}", place_, complaint); }

}  // namespace dsd
