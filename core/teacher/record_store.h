#pragma once
// An append-only file of records by key, of any length each: what a teacher has given for an example. The first ones
// lie in memory too, up to a budget; beyond it they are read from the file. Lengths and checksums are verified before a
// record is believed.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/base/hash.h"

namespace dsd {

struct Record {
  Key128 key;
  std::span<const char> bytes;
};

class RecordStore {
 public:
  struct Settings {
    std::filesystem::path path;     // empty: a temporary file without a name
    Key128 teacher;                 // of all that determines an output beside the example
    std::string form;               // of a record: "hidden float 64"
    std::int64_t budget_bytes = 0;  // of memory, for records and their index
  };

  // Makes the file, or opens one that an earlier process has left: a record that was not finished is dropped, Error
  // when the header is another teacher's, when a length's checksum differs, or while another process has it open.
  explicit RecordStore(Settings settings);
  ~RecordStore();
  RecordStore(const RecordStore&) = delete;
  RecordStore& operator=(const RecordStore&) = delete;

  std::int64_t length() const { return std::ssize(places_) - 1; }  // records
  bool contains(const Key128& key) const { return index_.contains(key); }

  // None of the keys is there yet.
  void append(std::span<const Record> records);
  // Error where the record is not of that many bytes.
  void read(const Key128& key, std::span<char> bytes) const;

  void cut(std::int64_t length);  // drops the records from that one on
  void sync();

 private:
  struct KeyHash {
    std::size_t operator()(const Key128& key) const { return key.low; }  // uniform already
  };
  using Block = std::vector<char>;

  std::string header() const;
  void open_file();
  void check_header(std::int64_t bytes) const;
  void read_file(std::int64_t bytes);
  void index(const Key128& key, std::int64_t end);
  bool fits_memory(std::int64_t record_bytes) const;
  void remember(std::span<const char> bytes);
  void recall(std::int64_t place, std::span<char> bytes) const;
  void check_record(std::span<const char> record, std::int64_t number) const;
  std::int64_t bytes_of(std::int64_t number) const;
  [[noreturn]] void fail_damaged(std::int64_t number) const;
  void read_at(std::int64_t place, std::span<char> bytes) const;
  void write_at(std::int64_t place, std::span<const char> bytes) const;

  Settings settings_;
  int file_ = -1;
  bool synced_ = true;
  std::vector<std::int64_t> places_;  // in the file, of each record and of the end
  std::int64_t in_memory_ = 0;        // the file's first so many bytes after the header are in `blocks_`
  std::vector<Block> blocks_;         // of kBlockBytes each: grows without a second copy
  std::unordered_map<Key128, std::int64_t, KeyHash> index_;
};

}  // namespace dsd
