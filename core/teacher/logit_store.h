#pragma once
// An append-only file of logits, one record for each example that a teacher has seen. Records lie in memory too, up to
// a budget; beyond it they are read from the file. Lengths and checksums are verified before a record is believed.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "core/base/hash.h"

namespace dsd {

class LogitStore {
 public:
  struct Settings {
    std::filesystem::path path;     // empty: a temporary file without a name
    Key128 teacher;                 // of all that determines an output beside the example
    std::int64_t classes = 0;       // numbers in a record
    std::int64_t budget_bytes = 0;  // of memory, for records and their index
  };

  // Makes the file, or opens one that an earlier process of the same run has left: a record that was not finished is
  // dropped, Error when the header is another teacher's or a record's checksum differs.
  explicit LogitStore(Settings settings);
  ~LogitStore();
  LogitStore(const LogitStore&) = delete;
  LogitStore& operator=(const LogitStore&) = delete;

  std::int64_t length() const { return length_; }
  bool contains(const Key128& key) const { return index_.contains(key); }

  // `logits` is [keys.size() * classes]; none of the keys is there yet.
  void append(std::span<const Key128> keys, std::span<const float> logits);
  void read(const Key128& key, std::span<float> logits) const;

  void cut(std::int64_t length);  // drops the records from that one on
  void sync();

 private:
  struct KeyHash {
    std::size_t operator()(const Key128& key) const { return key.low; }  // uniform already
  };

  std::string header() const;
  std::int64_t record_bytes() const;
  std::int64_t place_of(std::int64_t record) const;
  void open_file();
  void read_file(std::int64_t bytes);
  void remember(const Key128& key, std::span<const float> logits);
  void check_record(std::span<const char> record, std::int64_t index) const;
  void read_at(std::int64_t place, std::span<char> bytes) const;
  void write_at(std::int64_t place, std::span<const char> bytes) const;

  Settings settings_;
  int file_ = -1;
  std::int64_t length_ = 0;  // records
  bool synced_ = true;
  std::int64_t in_memory_ = 0;  // the first so many records
  std::int64_t most_in_memory_ = 0;
  std::vector<std::vector<float>> blocks_;  // of kBlock records each: grows without a second copy
  std::unordered_map<Key128, std::int64_t, KeyHash> index_;
};

}  // namespace dsd
