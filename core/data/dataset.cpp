#include "core/data/dataset.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <functional>
#include <span>
#include <unordered_map>

#include "core/base/error.h"
#include "core/base/nearest.h"
#include "core/data/compact_integers.h"
#include "core/data/language_model.h"
#include "core/data/rows.h"
#include "core/data/spill_file.h"

namespace dsd {
namespace {

constexpr std::size_t kBlock = 64;                 // examples for each offset that is kept
constexpr std::int64_t kNarrowVocabulary = 65536;  // ids below fit in 16 bits
constexpr std::size_t kMostHints = 12;             // labels named in a message

struct TextHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
};

// From labels as written to what an example holds.
class LabelReader {
 public:
  explicit LabelReader(const Task& task) : task_(task) {
    for (std::size_t i = 0; i < task.labels.size(); ++i) classes_.emplace(task.labels[i], static_cast<std::int32_t>(i));
  }

  void read(std::string_view label, Example& example, const RowReader& rows) const {
    if (task_.kind == TaskKind::values) example.value = value_of(label, rows);
    else example.label = class_of(label, rows);
  }

 private:
  std::int32_t class_of(std::string_view label, const RowReader& rows) const {
    if (const auto found = classes_.find(label); found != classes_.end()) return found->second;
    if (label.empty())
      fail("{}: the label is empty; rows without labels belong in a file of data.unlabelled", rows.place());
    std::vector<std::string_view> known(task_.labels.begin(), task_.labels.end());
    const auto close = nearest(label, known);
    if (!close && known.size() > kMostHints) {
      fail("{}: unknown label '{}'; task '{}' has {} labels, from '{}' to '{}'", rows.place(), label, task_.name,
           known.size(), known.front(), known.back());
    }
    fail("{}: unknown label '{}'{}", rows.place(), label, suggestion(label, known));
  }

  float value_of(std::string_view text, const RowReader& rows) const {
    float value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value))
      fail("{}: '{}' is not a number, as the labels of task '{}' are", rows.place(), text, task_.name);
    return value;
  }

  const Task& task_;
  std::unordered_map<std::string, std::int32_t, TextHash, std::equal_to<>> classes_;
};

}  // namespace

// An example in the file: second_begins (or first_target) in four bytes, then its ids in two or four bytes each.
struct Dataset::Store {
  SpillFile file;
  bool wide = true;        // ids in four bytes
  bool documents = false;  // a language model's pieces
  CompactIntegers lengths;
  CompactIntegers labels;              // class index + 1
  std::vector<float> values;           // filled from the first one on
  std::vector<std::uint64_t> offsets;  // of examples 0, kBlock, 2 kBlock ...
  std::vector<DatasetPart> parts;
  std::vector<std::string> notes;
  std::int64_t tokens = 0, labelled = 0, targets = 0;
  std::vector<std::int64_t> target_counts;  // by id
  Hasher hasher;
  std::vector<std::byte> record;  // reused

  std::size_t bytes_of(std::size_t index) const { return 4 + lengths[index] * (wide ? 4U : 2U); }

  std::uint64_t offset_of(std::size_t index) const {
    std::uint64_t offset = offsets[index / kBlock];
    for (std::size_t i = index / kBlock * kBlock; i < index; ++i) offset += bytes_of(i);
    return offset;
  }
};

Dataset::Dataset() : store_(std::make_unique<Store>()) {}
Dataset::~Dataset() = default;
Dataset::Dataset(Dataset&&) noexcept = default;
Dataset& Dataset::operator=(Dataset&&) noexcept = default;

void Dataset::append(const Task& task, const DataConfig& data, const SplitFile& file, const Tokenizer& tokenizer,
                     std::int64_t limit, const RowChange& change) {
  if (size() == 0) store_->wide = tokenizer.vocab_size() > kNarrowVocabulary;
  if (task.kind == TaskKind::next_token) return append_documents(data, file, tokenizer, limit);
  const auto rows = open_rows(task, data, file);
  const LabelReader labels(task);
  const std::int64_t begin = size();
  Row row;
  while ((limit == 0 || size() - begin < limit) && rows->next(row)) {
    if (change) change(row, size() - begin);
    Example example = tokenised(tokenizer, row.text, row.pair, data.max_length);
    if (row.label) labels.read(*row.label, example, *rows);
    store(example);
  }
  if (size() == begin) fail("{}: no row of it can be used", file.path.string());
  store_->file.flush();
  store_->parts.push_back({.name = file.part, .begin = begin, .end = size()});
  for (auto& note : rows->notes()) store_->notes.push_back(std::move(note));
}

void Dataset::append_documents(const DataConfig& data, const SplitFile& file, const Tokenizer& tokenizer,
                               std::int64_t limit) {
  const std::int64_t begin = size();
  store_->target_counts.resize(static_cast<std::size_t>(tokenizer.vocab_size()));
  ReadDocuments read = read_documents(data, file.path, tokenizer, limit, [&](const Example& piece) { store(piece); });
  store_->file.flush();
  store_->parts.push_back({.name = file.part, .begin = begin, .end = size(), .text_bytes = read.text_bytes});
  for (auto& note : read.notes) store_->notes.push_back(std::move(note));
}

void Dataset::append(const Example& example) {
  store(example);
  store_->file.flush();
  if (store_->parts.empty()) store_->parts.push_back({});
  store_->parts.back().end = size();
}

void Dataset::store(const Example& example) {
  Store& s = *store_;
  const auto index = static_cast<std::size_t>(size());
  if (index % kBlock == 0) s.offsets.push_back(s.file.size());
  const bool is_piece = example.first_target > 0;
  TORCH_CHECK(index == 0 || is_piece == s.documents, "a dataset holds examples of one kind");
  s.documents = is_piece;
  const auto second = static_cast<std::uint32_t>(is_piece ? example.first_target : example.second_begins);
  s.record.resize(4 + example.ids.size() * (s.wide ? 4 : 2));
  std::memcpy(s.record.data(), &second, 4);
  if (s.wide) {
    std::ranges::copy(std::as_bytes(std::span(example.ids)), reinterpret_cast<std::byte*>(s.record.data()) + 4);
  } else {
    for (std::size_t i = 0; i < example.ids.size(); ++i) {
      const auto id = static_cast<std::uint16_t>(example.ids[i]);
      std::memcpy(s.record.data() + 4 + i * 2, &id, 2);
    }
  }
  s.file.append(s.record);
  s.lengths.push_back(static_cast<std::uint32_t>(example.ids.size()));
  s.labels.push_back(static_cast<std::uint32_t>(example.label + 1));
  const bool has_value = !std::isnan(example.value);
  if (has_value && s.values.empty()) s.values.assign(index, std::numeric_limits<float>::quiet_NaN());
  if (has_value || !s.values.empty()) s.values.push_back(example.value);
  s.tokens += example.inputs();
  s.labelled += example.label >= 0 || has_value || is_piece ? 1 : 0;
  s.targets += example.targets();
  for (std::size_t t = is_piece ? second : example.ids.size(); t < example.ids.size(); ++t) {
    const auto id = static_cast<std::size_t>(example.ids[t]);
    if (id >= s.target_counts.size()) s.target_counts.resize(id + 1);
    ++s.target_counts[id];
  }
  s.hasher.bytes(s.record.data(), s.record.size());
  s.hasher.number(s.lengths[index]).number(static_cast<std::uint64_t>(example.label + 1));
  s.hasher.bytes(&example.value, has_value ? sizeof example.value : 0);
}

std::int64_t Dataset::size() const { return static_cast<std::int64_t>(store_->lengths.size()); }
std::int64_t Dataset::tokens() const { return store_->tokens; }
std::int64_t Dataset::labelled() const { return store_->labelled; }
std::int64_t Dataset::targets() const { return store_->targets; }
std::span<const std::int64_t> Dataset::target_counts() const { return store_->target_counts; }
std::span<const DatasetPart> Dataset::parts() const { return store_->parts; }
std::span<const std::string> Dataset::notes() const { return store_->notes; }
Key128 Dataset::fingerprint() const { return store_->hasher.key(); }

std::int64_t Dataset::length(std::int64_t index) const {
  return store_->lengths[static_cast<std::size_t>(index)] - (store_->documents ? 1 : 0);
}

std::int32_t Dataset::label(std::int64_t index) const {
  return static_cast<std::int32_t>(store_->labels[static_cast<std::size_t>(index)]) - 1;
}

float Dataset::value(std::int64_t index) const {
  const auto& values = store_->values;
  return values.empty() ? std::numeric_limits<float>::quiet_NaN() : values[static_cast<std::size_t>(index)];
}

Example Dataset::read(std::int64_t index) const {
  const Store& s = *store_;
  const auto at = static_cast<std::size_t>(index);
  std::vector<std::byte> record(s.bytes_of(at));
  s.file.read(s.offset_of(at), record);
  Example example{.ids = std::vector<std::int32_t>(s.lengths[at]), .label = label(index), .value = value(index)};
  std::memcpy(s.documents ? &example.first_target : &example.second_begins, record.data(), 4);
  if (s.wide) {
    std::ranges::copy(std::span(record).subspan(4), std::as_writable_bytes(std::span(example.ids)).begin());
    return example;
  }
  for (std::size_t i = 0; i < example.ids.size(); ++i) {
    std::uint16_t id = 0;
    std::memcpy(&id, record.data() + 4 + i * 2, 2);
    example.ids[i] = id;
  }
  return example;
}

Example tokenised(const Tokenizer& tokenizer, std::string_view text, std::optional<std::string_view> pair,
                  std::int64_t max_length) {
  const EncodeOptions options{.max_length = max_length};
  Encoding encoding = pair ? tokenizer.encode_pair(text, *pair, options) : tokenizer.encode(text, options);
  const auto second = std::ranges::find(encoding.segments, 1);
  return {.ids = std::move(encoding.ids),
          .second_begins = static_cast<std::int32_t>(second - encoding.segments.begin())};
}

Key128 key_of(const Example& example) {
  Hasher hasher;
  hasher.values(std::span<const std::int32_t>(example.ids).first(static_cast<std::size_t>(example.inputs())));
  if (example.first_target > 0) hasher.text("rows from").number(static_cast<std::uint64_t>(example.first_target));
  else hasher.number(static_cast<std::uint64_t>(example.second_begins));
  return hasher.key();
}

}  // namespace dsd
