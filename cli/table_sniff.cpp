#include "cli/table_sniff.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "core/base/error.h"

namespace dsd {
namespace {

namespace fs = std::filesystem;
constexpr std::size_t kMostColumns = 256;

// About what WordPiece makes of it: 1.4 tokens a word of ASCII letters, one for each other character (Chinese, say).
std::int64_t estimate_tokens(std::string_view text, std::int64_t words) {
  const auto others = std::ranges::count_if(text, [](char c) { return (c & 0xC0) == 0xC0; });  // first bytes
  return static_cast<std::int64_t>(std::ceil(1.4 * static_cast<double>(words))) + others;
}

std::int64_t count_words(std::string_view text) {
  std::int64_t words = 0;
  bool inside = false;
  for (const char c : text) {
    const bool space = c == ' ' || c == '\t' || c == '\r';
    words += !space && !inside;
    inside = !space;
  }
  return words;
}

void note(ColumnFacts& column, std::string_view cell) {
  if (cell.empty()) return;
  ++column.rows;
  double number = 0;
  const auto [end, error] = std::from_chars(cell.data(), cell.data() + cell.size(), number);
  if (error == std::errc{} && end == cell.data() + cell.size() && std::isfinite(number)) {
    ++column.numbers;
    column.whole = column.whole && number == std::floor(number);
  }
  const std::int64_t words = count_words(cell);
  column.words += words;
  const auto tokens = std::min<std::int64_t>(estimate_tokens(cell, words), kMostEstimate);
  ++column.lengths[static_cast<std::size_t>(tokens)];
  if (column.distinct.size() <= kMostLabels) column.distinct.emplace(cell.substr(0, 256));
}

std::vector<std::string_view> split_tabs(std::string_view line) {
  std::vector<std::string_view> cells;
  while (true) {
    const auto tab = line.find('\t');
    cells.push_back(line.substr(0, tab));
    if (tab == std::string_view::npos) return cells;
    line.remove_prefix(tab + 1);
  }
}

void read_header(std::string_view line, const fs::path& path, TableFacts& facts) {
  for (const auto cell : split_tabs(line)) {
    if (cell.empty() || count_words(cell) > 3 || facts.find(cell))
      fail("{}:1: '{}' is no name of a column; the first line must name the columns, for example text<TAB>label",
           path.string(), cell.substr(0, 60));
    facts.columns.push_back({.name = std::string(cell)});
  }
  if (facts.columns.size() < 2 || facts.columns.size() > kMostColumns)
    fail("{}:1: {} column(s); a text and a label, parted by a tab, are needed", path.string(), facts.columns.size());
}

void note_tsv(std::string_view line, std::int64_t number, const fs::path& path, TableFacts& facts) {
  if (number == 1) return read_header(line, path, facts);
  const auto cells = split_tabs(line);
  if (cells.size() != facts.columns.size())
    fail("{}:{}: {} columns, but the first line names {}; mend the line", path.string(), number, cells.size(),
         facts.columns.size());
  ++facts.rows;
  for (std::size_t i = 0; i < cells.size(); ++i) note(facts.columns[i], cells[i]);
}

void note_jsonl(std::string_view line, std::int64_t number, const fs::path& path, TableFacts& facts) {
  const auto object = nlohmann::json::parse(line, nullptr, false);
  if (!object.is_object()) fail("{}:{}: is not a JSON object; each line must be one", path.string(), number);
  ++facts.rows;
  for (const auto& [key, value] : object.items()) {
    if (!value.is_primitive() || value.is_null()) continue;
    auto found = std::ranges::find(facts.columns, key, &ColumnFacts::name);
    if (found == facts.columns.end()) {
      if (facts.columns.size() == kMostColumns) fail("{}:{}: more than {} keys", path.string(), number, kMostColumns);
      found = facts.columns.insert(found, {.name = key});
    }
    note(*found, value.is_string() ? value.get_ref<const std::string&>() : value.dump());
  }
}

bool is_jsonl(const fs::path& path) {
  const auto ending = path.extension();
  if (ending == ".jsonl" || ending == ".json") return true;
  if (ending == ".tsv" || ending == ".txt") return false;
  fail("{}: neither .tsv nor .jsonl; rename it to what it is", path.string());
}

std::string lower(std::string_view name) {
  std::string out(name);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

const ColumnFacts* named(const TableFacts& facts, std::initializer_list<std::string_view> names) {
  for (const auto name : names)
    for (const auto& column : facts.columns)
      if (lower(column.name) == name) return &column;
  return nullptr;
}

std::string all_names(const TableFacts& facts) {
  std::vector<std::string_view> names;
  for (const auto& column : facts.columns) names.push_back(column.name);
  return fmt::format("{}", fmt::join(names, ", "));
}

// Fewest different values, but at least two, and each seen ten times on average.
const ColumnFacts* label_by_values(const TableFacts& facts) {
  const ColumnFacts* best = nullptr;
  for (const auto& column : facts.columns) {
    const auto different = static_cast<std::int64_t>(column.distinct.size());
    const bool fits = different >= 2 && different * 10 <= column.rows && column.rows == facts.rows;
    if (fits && (!best || column.distinct.size() < best->distinct.size())) best = &column;
  }
  return best;
}

const ColumnFacts* longest_but(const TableFacts& facts, const ColumnFacts* label) {
  const ColumnFacts* best = nullptr;
  for (const auto& column : facts.columns)
    if (&column != label && column.numbers < column.rows && (!best || column.words > best->words)) best = &column;
  return best;
}

}  // namespace

const ColumnFacts* TableFacts::find(std::string_view name) const {
  const auto found = std::ranges::find(columns, name, &ColumnFacts::name);
  return found == columns.end() ? nullptr : &*found;
}

TableFacts sniff_table(const fs::path& path) {
  TableFacts facts;
  facts.jsonl = is_jsonl(path);
  std::ifstream file(path, std::ios::binary);
  if (!file || fs::is_directory(path)) fail("{}: cannot open it; give the file of training examples", path.string());
  std::string line;
  for (std::int64_t number = 1; std::getline(file, line); ++number) {
    if (line.ends_with('\r')) line.pop_back();
    if (line.empty()) continue;
    if (facts.jsonl) note_jsonl(line, number, path, facts);
    else note_tsv(line, number, path, facts);
  }
  if (facts.rows == 0) fail("{}: holds no example", path.string());
  return facts;
}

Roles find_roles(const TableFacts& facts, const fs::path& path) {
  const auto* label = named(facts, {"label", "labels", "gold_label", "class", "category", "target", "score",
                                    "similarity", "sentiment", "intent", "topic", "y"});
  if (!label) label = label_by_values(facts);
  if (!label) fail("{}: no column looks like labels ({}); name it 'label'", path.string(), all_names(facts));
  const auto* text = named(facts, {"text", "sentence", "sentence1", "text1", "text_a", "premise", "question1",
                                   "question", "query", "review", "content", "document", "body"});
  if (!text || text == label) text = longest_but(facts, label);
  if (!text) fail("{}: no column looks like text ({}); name it 'text'", path.string(), all_names(facts));
  const auto* pair = named(facts, {"text_pair", "sentence2", "text2", "text_b", "hypothesis", "question2", "answer"});

  Roles roles{.text = text->name, .label = label->name, .text_pair = {}, .is_regression = false};
  if (pair && pair != text && pair != label) roles.text_pair = pair->name;
  const auto different = label->distinct.size();
  const bool numbers = label->numbers == label->rows && label->rows > 0;
  roles.is_regression = numbers && (!label->whole || different > 20);
  if (!roles.is_regression && different > kMostLabels)
    fail("{}: column '{}' has more than {} different values; these are no labels", path.string(), label->name,
         kMostLabels);
  if (!roles.is_regression && different < 2)
    fail("{}: column '{}' has {} different value(s); two labels or more are needed", path.string(), label->name,
         different);
  return roles;
}

std::int64_t estimate_max_length(const TableFacts& facts, const Roles& roles) {
  const auto within = [&](const std::string& name) {
    const auto& column = *facts.find(name);
    std::int64_t seen = 0, length = 0;
    while (seen * 100 < column.rows * 95) seen += column.lengths[static_cast<std::size_t>(length++)];
    return length - 1;
  };
  const std::int64_t tokens = within(roles.text) + (roles.text_pair ? within(*roles.text_pair) + 3 : 2);
  return std::clamp<std::int64_t>((tokens + 15) / 16 * 16, 16, 512);
}

}  // namespace dsd
