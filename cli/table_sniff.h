#pragma once
// What a file of examples holds: its columns, which of them is text, label or second text, the labels, the lengths. One
// pass, in memory that does not grow with the file.

#include <array>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace dsd {

inline constexpr std::size_t kMostLabels = 1000;
inline constexpr std::size_t kMostEstimate = 4096;  // tokens; longer texts count as this long

struct ColumnFacts {
  std::string name;
  std::int64_t rows = 0;     // that have it, not empty
  std::int64_t numbers = 0;  // of these, that are numbers
  std::int64_t words = 0;
  bool whole = true;                                                                 // all numbers are whole
  std::set<std::string> distinct = {};                                               // at most kMostLabels + 1 are kept
  std::vector<std::int64_t> lengths = std::vector<std::int64_t>(kMostEstimate + 1);  // rows by estimated tokens
};

struct TableFacts {
  bool jsonl = false;
  std::int64_t rows = 0;
  std::vector<ColumnFacts> columns;
  const ColumnFacts* find(std::string_view name) const;
};

// Reads all of a TSV file with a header, or a JSONL file. Throws Error with file and line.
TableFacts sniff_table(const std::filesystem::path& path);

// The columns' roles, by their names first, else by what they hold.
struct Roles {
  std::string text, label;
  std::optional<std::string> text_pair;
  bool is_regression = false;
};
Roles find_roles(const TableFacts& facts, const std::filesystem::path& path);

// The length in tokens that 95 of 100 examples stay within, special tokens included, rounded up to a multiple of 16.
std::int64_t estimate_max_length(const TableFacts& facts, const Roles& roles);

}  // namespace dsd
