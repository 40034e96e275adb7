// JSONL: one object a line, its texts and label by key.
#include "core/base/error.h"
#include "core/base/nearest.h"
#include "core/data/row_readers.h"
#include "core/formats/json.h"

namespace dsd {
namespace {

// The parser counts lines within the text it is given, which is one line here.
Json parse_line(std::string_view line, const std::string& place) {
  try {
    return parse_json(line, place);
  } catch (const Error& error) {
    const std::string text = error.what();
    const std::string prefix = place + ":1:";
    if (!text.starts_with(prefix)) throw;
    throw Error(error.code(), place + ":" + text.substr(prefix.size()));
  }
}

// A scalar as it would stand in a TSV file.
std::optional<std::string> as_text(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_boolean() || value.is_number()) return value.dump();
  return std::nullopt;
}

class JsonlReader final : public RowReader {
 public:
  JsonlReader(const std::filesystem::path& path, RowLayout layout) : RowReader(path), layout_(std::move(layout)) {}

  bool next(Row& row) override {
    std::string_view line;
    do {
      if (!lines_.next(line)) {
        if (rows_ == 0) fail("{}: is empty; expected one JSON object a line", lines_.name());
        return false;
      }
    } while (line.find_first_not_of(" \t") == std::string_view::npos);
    ++rows_;
    if (rows_ == 1 && line == "[") refuse_array();
    const Json object = parse_line(line, place());
    if (object.is_array() && !object.empty() && object.front().is_object()) refuse_array();
    if (!object.is_object()) fail("{}: a JSON object is expected, with the key '{}'", place(), layout_.text);
    text_ = text_at(object, layout_.text);
    row = {.text = text_, .pair = std::nullopt, .label = std::nullopt, .input = std::nullopt};
    if (layout_.pair) row.pair = pair_ = text_at(object, *layout_.pair);
    if (layout_.label) row.label = label_ = label_at(object, *layout_.label);
    if (layout_.input && object.contains(*layout_.input) && !object[*layout_.input].is_null())
      row.input = input_ = text_at(object, *layout_.input);
    return true;
  }

 private:
  [[noreturn]] void refuse_array() const {
    fail("{}: the file is one JSON array; write an object a line: jq -c '.[]' FILE.json > FILE.jsonl", place());
  }

  const Json& at(const Json& object, const std::string& key) const {
    const auto found = object.find(key);
    if (found != object.end()) return *found;
    std::vector<std::string_view> known;
    for (const auto& item : object.items()) known.push_back(item.key());
    const auto close = nearest(key, known);
    fail("{}: no key '{}'{}; {}", place(), key, close ? fmt::format("; '{}' is near", *close) : "", layout_.advice);
  }

  std::string text_at(const Json& object, const std::string& key) const {
    const Json& value = at(object, key);
    if (!value.is_string()) fail("{}: key '{}' is {}, not text", place(), key, brief(value));
    return value.get<std::string>();
  }

  std::string label_at(const Json& object, const std::string& key) const {
    const Json& value = at(object, key);
    if (auto text = as_text(value)) return *text;
    fail("{}: key '{}' is {}, not a label; rows without labels belong in a file of data.unlabelled", place(), key,
         brief(value));
  }

  RowLayout layout_;
  std::string text_, pair_, label_, input_;
  std::int64_t rows_ = 0;
};

}  // namespace

std::unique_ptr<RowReader> open_jsonl(const std::filesystem::path& path, RowLayout layout) {
  return std::make_unique<JsonlReader>(path, std::move(layout));
}

bool has_column(const std::filesystem::path& path, TextFormat format, std::string_view name) {
  LineReader lines(path);
  std::string_view line;
  if (!lines.next(line)) fail("{}: is empty", path.string());
  switch (format_of(path, format)) {
    case TextFormat::tsv:
      return std::ranges::count(split_tabs(line), name) > 0;
    case TextFormat::jsonl: {
      const Json first = parse_line(line, lines.place());
      return first.is_object() && first.contains(name);
    }
    default:
      return false;
  }
}

}  // namespace dsd
