#pragma once
// The keys of a config.json as the readers of families take them: each checked for type and range.

#include <cmath>
#include <cstdint>
#include <optional>
#include <string>

#include "core/base/error.h"
#include "core/formats/json.h"

namespace dsd {

inline constexpr std::int64_t kMostCount = std::int64_t{1} << 24;  // of anything that a config counts
inline constexpr std::int64_t kMostLayers = 10'000;

// Members of one object, each checked for type and range. A key that is null counts as absent.
class ConfigKeys {
 public:
  ConfigKeys(const Json& object, const std::string& source) : object_(object), source_(source) {}

  const Json* find(const char* key) const {
    const auto found = object_.find(key);
    return found == object_.end() || found->is_null() ? nullptr : &*found;
  }
  const Json& at(const char* key) const { return object_.at(key); }
  bool states(const char* key) const { return object_.contains(key); }

  std::int64_t integer(const char* key, std::int64_t least, std::int64_t most,
                       std::optional<std::int64_t> fallback = std::nullopt) const {
    const std::string expected = fmt::format("a whole number from {} to {}", least, most);
    const Json* value = find(key);
    if (value == nullptr) return or_missing(key, fallback, expected);
    if (!value->is_number_integer() || *value < least || *value > most) wrong(key, expected);
    return value->get<std::int64_t>();
  }

  double number(const char* key, double least, double below, double fallback) const {
    const Json* value = find(key);
    if (value == nullptr) return fallback;
    const double result = value->is_number() ? value->get<double>() : std::nan("");
    if (!(result >= least && result < below))
      wrong(key, fmt::format("a number of at least {} and below {}", least, below));
    return result;
  }

  bool boolean(const char* key, bool fallback) const {
    const Json* value = find(key);
    if (value == nullptr) return fallback;
    if (!value->is_boolean()) wrong(key, "true or false");
    return value->get<bool>();
  }

  std::string text(const char* key, std::optional<std::string> fallback = std::nullopt) const {
    const Json* value = find(key);
    if (value == nullptr) return or_missing(key, fallback, "a text");
    if (!value->is_string()) wrong(key, "a text");
    return value->get<std::string>();
  }

  [[noreturn]] void wrong(const char* key, const std::string& expected) const {
    fail("{}: '{}' is {}; expected {}", source_, key, object_.at(key).dump(-1, ' ', true).substr(0, 80), expected);
  }

  const std::string& source() const { return source_; }

 private:
  template <class T>
  T or_missing(const char* key, const std::optional<T>& fallback, const std::string& expected) const {
    if (!fallback) fail("{}: '{}' is missing; expected {}", source_, key, expected);
    return *fallback;
  }

  const Json& object_;
  const std::string& source_;
};

}  // namespace dsd
