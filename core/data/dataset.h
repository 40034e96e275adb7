#pragma once
// A split, tokenised once. Token ids lie in an unlinked temporary file and are read by pread, so that memory holds a
// few bytes an example whatever the length of the text: ten times the rows raise the peak by under 20 MiB.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/hash.h"
#include "core/data/task.h"
#include "core/text/tokenizer.h"
#include "core/types/batch.h"

namespace dsd {

// What is done to a row of a file, counted from 0, before it is tokenised: views of it may be replaced by others that
// hold until the next call.
struct Row;
using RowChange = std::function<void(Row& row, std::int64_t index)>;

struct Example {
  std::vector<std::int32_t> ids;
  std::int32_t second_begins = 0;  // first token of segment 1; ids.size() when there is none
  // Above 0 for a piece of a language model's document: ids[first_target ...] are told from those before them, and the
  // last of them is no input.
  std::int32_t first_target = 0;
  std::int32_t label = -1;                                // class index, -1 none
  float value = std::numeric_limits<float>::quiet_NaN();  // NaN none

  std::int64_t inputs() const { return std::ssize(ids) - (first_target > 0 ? 1 : 0); }
  std::int64_t targets() const { return first_target > 0 ? std::ssize(ids) - first_target : 0; }
};

// Consecutive examples of one file: MNLI's dev split is two of them.
struct DatasetPart {
  std::string name;
  std::int64_t begin = 0, end = 0;
  std::int64_t text_bytes = 0;  // of a language model's: UTF-8 that its targets stand for
};

class Dataset {
 public:
  Dataset();
  ~Dataset();
  Dataset(Dataset&&) noexcept;
  Dataset& operator=(Dataset&&) noexcept;

  // Reads and tokenises one file and appends its rows, at most `limit` of them (0: all), changed where a change is
  // given (not to a language model's documents). Errors name file and line.
  void append(const Task& task, const DataConfig& data, const SplitFile& file, const Tokenizer& tokenizer,
              std::int64_t limit, const RowChange& change = {});
  // One example from outside a file (`predict`).
  void append(const Example& example);

  std::int64_t size() const;
  std::int64_t tokens() const;  // that a model reads
  std::int64_t labelled() const;
  std::int64_t length(std::int64_t index) const;  // tokens that a model reads
  std::int32_t label(std::int64_t index) const;   // class index, -1 none
  float value(std::int64_t index) const;          // NaN none
  // Examples may be read from any thread while nobody appends.
  Example read(std::int64_t index) const;
  std::span<const DatasetPart> parts() const;  // one for each file
  std::span<const std::string> notes() const;  // rows that were passed over, for people
  Key128 fingerprint() const;                  // of ids, segments, labels and order

  // A language model's: how many tokens are to be told, and how often each id is one of them.
  std::int64_t targets() const;
  std::span<const std::int64_t> target_counts() const;

 private:
  struct Store;
  void append_documents(const DataConfig& data, const SplitFile& file, const Tokenizer& tokenizer, std::int64_t limit);
  void store(const Example& example);

  std::unique_ptr<Store> store_;
};

// The ids of one or two texts, cut to `max_length`, without a label.
Example tokenised(const Tokenizer& tokenizer, std::string_view text, std::optional<std::string_view> pair,
                  std::int64_t max_length);

// The key of what is remembered for an example: all that its tensors depend on, which of its rows count included.
Key128 key_of(const Example& example);

// Packs examples into one Batch: ids, offsets, positions, segments, keys, labels by the task's kind, the head
// reading the row of each sequence that is its own choice. Of a language model's pieces it reads every row whose next
// token is a target. `first` is the place in the step of examples[0].
Batch make_batch(const Dataset& data, std::span<const std::int64_t> examples, TaskKind kind, std::int64_t first);

// The same for examples at hand, without labels.
Batch make_batch(std::span<const Example> examples);

}  // namespace dsd
