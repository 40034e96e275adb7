#pragma once
// The faults of a recipe's text, a line each, for tests.

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/recipe/load.h"

template <>
struct doctest::StringMaker<std::vector<std::string>> {
  static String convert(const std::vector<std::string>& lines) {
    std::string text;
    for (const auto& line : lines) text += "\n    " + line;
    return text.c_str();
  }
};

namespace dsd {

inline std::vector<std::string> faults_of(std::string_view text, const std::vector<std::string>& overrides = {}) {
  std::vector<std::string> lines;
  try {
    parse_recipe(text, "r.yaml", overrides);
  } catch (const Error& error) {
    CHECK(error.code() == ExitCode::bad_input);
    const std::string all = std::string(error.what()) + "\n";
    for (std::size_t begin = 0; begin < all.size(); begin = all.find('\n', begin) + 1)
      lines.push_back(all.substr(begin, all.find('\n', begin) - begin));
  }
  return lines;
}

}  // namespace dsd
