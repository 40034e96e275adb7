#include "core/teacher/logit_store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "core/base/error.h"
#include "core/base/version.h"
#include "core/formats/json.h"

namespace dsd {
namespace {

constexpr FileFormat kFormat{.name = "dsdistill teacher store", .version = 1};
constexpr std::int64_t kHeaderBytes = 512;
constexpr std::int64_t kBlock = 1024;
constexpr std::int64_t kIndexBytes = 64;  // about what an entry of the index takes
constexpr std::int64_t kReadRecords = 4096;

// A record: key, logits, the low half of the hash of both.
constexpr std::int64_t kKeyBytes = sizeof(Key128);
constexpr std::int64_t kChecksumBytes = sizeof(std::uint64_t);

std::uint64_t checksum_of(std::span<const char> bytes) { return Hasher().bytes(bytes.data(), bytes.size()).key().low; }

std::size_t size(std::int64_t count) { return static_cast<std::size_t>(count); }

}  // namespace

LogitStore::LogitStore(Settings settings) : settings_(std::move(settings)) {
  if (settings_.classes < 1) fail("{}: a teacher without logits cannot be remembered", settings_.path.string());
  most_in_memory_ = settings_.budget_bytes / (settings_.classes * std::int64_t{sizeof(float)} + kIndexBytes);
  try {
    open_file();
  } catch (...) {
    ::close(file_);
    throw;
  }
}

LogitStore::~LogitStore() { ::close(file_); }

std::int64_t LogitStore::record_bytes() const {
  return kKeyBytes + settings_.classes * std::int64_t{sizeof(float)} + kChecksumBytes;
}

std::int64_t LogitStore::place_of(std::int64_t record) const { return kHeaderBytes + record * record_bytes(); }

std::string LogitStore::header() const {
  std::string text = Json{{"name", kFormat.name},
                          {"version", kFormat.version},
                          {"writer", writer_name()},
                          {"teacher", settings_.teacher.hex()},
                          {"classes", settings_.classes}}
                         .dump();
  text.resize(kHeaderBytes - 1, ' ');
  return text + "\n";
}

void LogitStore::open_file() {
  const bool named = !settings_.path.empty();
  if (!named) settings_.path = std::filesystem::temp_directory_path();
  file_ = ::open(settings_.path.c_str(), O_RDWR | O_CLOEXEC | (named ? O_CREAT : O_TMPFILE), 0644);
  struct stat info {};
  if (file_ < 0 || ::fstat(file_, &info) != 0)
    fail("{}: cannot open: {}", settings_.path.string(), std::strerror(errno));
  if (info.st_size == 0) write_at(0, header());
  else read_file(info.st_size);
}

void LogitStore::read_file(std::int64_t bytes) {
  const std::string name = settings_.path.string();
  std::string found(size(std::min(bytes, kHeaderBytes)), '\0');
  read_at(0, found);
  const Json json = Json::parse(found, nullptr, false);
  try {
    if (bytes < kHeaderBytes || json.is_discarded())
      fail("{}: is not a teacher store; remove it and start the run anew", name);
    check_format(kFormat, name, json.at("name").get<std::string>(), json.at("version").get<std::int64_t>(),
                 json.at("writer").get<std::string>());
    if (json.at("teacher") != settings_.teacher.hex() || json.at("classes") != settings_.classes)
      fail("{}: holds the outputs of another teacher; start a new run, or remove this one's folder", name);
  } catch (const Json::exception&) {
    fail("{}: its header is damaged; start the run anew", name);
  }
  const std::int64_t records = (bytes - kHeaderBytes) / record_bytes();
  std::vector<char> some;
  std::vector<float> logits(size(settings_.classes));
  while (length_ < records) {
    some.resize(size(std::min(kReadRecords, records - length_) * record_bytes()));
    read_at(place_of(length_), some);
    for (std::size_t at = 0; at < some.size(); at += size(record_bytes())) {
      const std::span<const char> record(some.data() + at, size(record_bytes()));
      check_record(record, length_);
      Key128 key;
      std::memcpy(&key, record.data(), kKeyBytes);
      std::memcpy(logits.data(), record.data() + kKeyBytes, logits.size() * sizeof(float));
      remember(key, logits);
    }
  }
  if (place_of(length_) != bytes) cut(length_);
}

void LogitStore::check_record(std::span<const char> record, std::int64_t index) const {
  std::uint64_t checksum = 0;
  const auto body = record.first(size(record_bytes() - kChecksumBytes));
  std::memcpy(&checksum, record.data() + body.size(), kChecksumBytes);
  if (checksum != checksum_of(body))
    fail("{}: record {} at byte {} is damaged; start the run anew", settings_.path.string(), index, place_of(index));
}

void LogitStore::remember(const Key128& key, std::span<const float> logits) {
  if (!index_.emplace(key, length_).second)
    fail("{}: two records are of one example; start the run anew", settings_.path.string());
  if (length_ == in_memory_ && in_memory_ < most_in_memory_) {
    if (in_memory_ % kBlock == 0) blocks_.emplace_back().reserve(size(kBlock * settings_.classes));
    blocks_.back().insert(blocks_.back().end(), logits.begin(), logits.end());
    ++in_memory_;
  }
  ++length_;
}

void LogitStore::append(std::span<const Key128> keys, std::span<const float> logits) {
  const std::size_t classes = size(settings_.classes);
  std::vector<char> records(keys.size() * size(record_bytes()));
  for (std::size_t i = 0; i < keys.size(); ++i) {
    char* record = records.data() + i * size(record_bytes());
    std::memcpy(record, &keys[i], kKeyBytes);
    std::memcpy(record + kKeyBytes, logits.data() + i * classes, classes * sizeof(float));
    const std::uint64_t checksum = checksum_of({record, size(record_bytes() - kChecksumBytes)});
    std::memcpy(record + record_bytes() - kChecksumBytes, &checksum, kChecksumBytes);
  }
  write_at(place_of(length_), records);
  synced_ = false;
  for (std::size_t i = 0; i < keys.size(); ++i) remember(keys[i], logits.subspan(i * classes, classes));
}

void LogitStore::read(const Key128& key, std::span<float> logits) const {
  const std::int64_t record = index_.at(key);
  if (record < in_memory_) {
    const float* from = blocks_[size(record / kBlock)].data() + record % kBlock * settings_.classes;
    std::copy_n(from, logits.size(), logits.begin());
    return;
  }
  std::vector<char> bytes(size(record_bytes()));
  read_at(place_of(record), bytes);
  check_record(bytes, record);
  std::memcpy(logits.data(), bytes.data() + kKeyBytes, logits.size_bytes());
}

void LogitStore::cut(std::int64_t length) {
  if (length < 0 || length > length_)
    fail("{}: holds {} records, but the checkpoint was made with {}; start the run anew", settings_.path.string(),
         length_, length);
  if (::ftruncate(file_, place_of(length)) != 0)
    fail("{}: cannot cut it: {}", settings_.path.string(), std::strerror(errno));
  std::erase_if(index_, [&](const auto& entry) { return entry.second >= length; });
  length_ = length;
  in_memory_ = std::min(in_memory_, length);
  blocks_.resize(size((in_memory_ + kBlock - 1) / kBlock));
  if (in_memory_ % kBlock != 0) blocks_.back().resize(size(in_memory_ % kBlock * settings_.classes));
  synced_ = false;
}

void LogitStore::sync() {
  if (synced_) return;
  if (::fdatasync(file_) != 0) fail("{}: cannot sync: {}", settings_.path.string(), std::strerror(errno));
  synced_ = true;
}

void LogitStore::read_at(std::int64_t place, std::span<char> bytes) const {
  while (!bytes.empty()) {
    const ssize_t n = ::pread(file_, bytes.data(), bytes.size(), place);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail("{}: cannot read at byte {}: {}", settings_.path.string(), place, std::strerror(errno));
    if (n == 0)
      fail("{}: ends at byte {}, in the middle of a record; start the run anew", settings_.path.string(), place);
    place += n;
    bytes = bytes.subspan(size(n));
  }
}

void LogitStore::write_at(std::int64_t place, std::span<const char> bytes) const {
  while (!bytes.empty()) {
    const ssize_t n = ::pwrite(file_, bytes.data(), bytes.size(), place);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0)
      fail("{}: cannot write: {}; make room and go on with --resume", settings_.path.string(), std::strerror(errno));
    place += n;
    bytes = bytes.subspan(size(n));
  }
}

}  // namespace dsd
