#include "core/teacher/record_store.h"

#include <fcntl.h>
#include <sys/file.h>
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

constexpr FileFormat kFormat{.name = "dsdistill teacher store", .version = 2};
constexpr std::int64_t kHeaderBytes = 512;
constexpr std::int64_t kBlockBytes = 1 << 20;
constexpr std::int64_t kIndexBytes = 72;  // about what an entry of the index takes

// A record: key, number of bytes, the low half of the hash of both; the bytes; the low half of the hash of all before.
// Its front has a checksum of its own, so that a file is indexed without reading what the records hold.
constexpr std::int64_t kKeyBytes = sizeof(Key128);
constexpr std::int64_t kFrontBytes = kKeyBytes + 2 * std::int64_t{sizeof(std::uint64_t)};
constexpr std::int64_t kChecksumBytes = sizeof(std::uint64_t);

std::uint64_t checksum_of(std::span<const char> bytes) { return Hasher().bytes(bytes.data(), bytes.size()).key().low; }

std::size_t size(std::int64_t count) { return static_cast<std::size_t>(count); }

void put(std::vector<char>& out, const void* data, std::size_t bytes) {
  const auto* from = static_cast<const char*>(data);
  out.insert(out.end(), from, from + bytes);
}

void put_record(std::vector<char>& out, const Record& record) {
  const std::size_t begin = out.size();
  const auto put_checksum = [&] {
    const std::uint64_t checksum = checksum_of(std::span<const char>(out).subspan(begin));
    put(out, &checksum, sizeof checksum);
  };
  const std::uint64_t count = record.bytes.size();
  put(out, &record.key, sizeof record.key);
  put(out, &count, sizeof count);
  put_checksum();
  put(out, record.bytes.data(), record.bytes.size());
  put_checksum();
}

}  // namespace

RecordStore::RecordStore(Settings settings) : settings_(std::move(settings)), places_{kHeaderBytes} {
  try {
    open_file();
  } catch (...) {
    if (file_ >= 0) ::close(file_);
    throw;
  }
}

RecordStore::~RecordStore() { ::close(file_); }

std::string RecordStore::header() const {
  std::string text = Json{
      {"name", kFormat.name},
      {"version", kFormat.version},
      {"writer", writer_name()},
      {"teacher", settings_.teacher.hex()},
      {"form",
       settings_.form}}.dump();
  text.resize(kHeaderBytes - 1, ' ');
  return text + "\n";
}

void RecordStore::open_file() {
  const bool named = !settings_.path.empty();
  if (!named) settings_.path = std::filesystem::temp_directory_path();
  file_ = ::open(settings_.path.c_str(), O_RDWR | O_CLOEXEC | (named ? O_CREAT : O_TMPFILE), 0644);
  struct stat info {};
  if (file_ < 0 || ::fstat(file_, &info) != 0)
    fail("{}: cannot open: {}", settings_.path.string(), std::strerror(errno));
  if (::flock(file_, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
    fail("{}: another run has it open; wait for it, or name another teacher.store", settings_.path.string());
  if (info.st_size == 0) {
    write_at(0, header());
    return;
  }
  check_header(info.st_size);
  read_file(info.st_size);
}

void RecordStore::check_header(std::int64_t bytes) const {
  const std::string name = settings_.path.string();
  std::string found(size(std::min(bytes, kHeaderBytes)), '\0');
  read_at(0, found);
  const Json json = Json::parse(found, nullptr, false);
  try {
    if (bytes < kHeaderBytes || json.is_discarded())
      fail("{}: is not a teacher store; remove it and start the run anew", name);
    const auto version = json.at("version").get<std::int64_t>();
    check_format(kFormat, name, json.at("name").get<std::string>(), version, json.at("writer").get<std::string>());
    if (version != kFormat.version)
      fail("{}: was written by {}, in a form of before; start the run anew", name,
           json.at("writer").get<std::string>());
    if (json.at("teacher") != settings_.teacher.hex())
      fail("{}: holds the outputs of another teacher; start a new run, or remove the file", name);
    if (json.at("form") != settings_.form)
      fail("{}: holds '{}', and '{}' is asked for; start a new run, or remove the file", name,
           json.at("form").get<std::string>(), settings_.form);
  } catch (const Json::exception&) {
    fail("{}: its header is damaged; start the run anew", name);
  }
}

void RecordStore::read_file(std::int64_t bytes) {
  std::vector<char> record;
  while (places_.back() + kFrontBytes <= bytes) {
    const std::int64_t place = places_.back();
    record.resize(size(kFrontBytes));
    read_at(place, record);
    Key128 key;
    std::uint64_t count = 0, checksum = 0;
    std::memcpy(&key, record.data(), sizeof key);
    std::memcpy(&count, record.data() + kKeyBytes, sizeof count);
    std::memcpy(&checksum, record.data() + kKeyBytes + sizeof count, sizeof checksum);
    if (checksum != checksum_of(std::span<const char>(record).first(size(kKeyBytes) + sizeof count)))
      fail_damaged(length());
    const std::int64_t rest = bytes - place - kFrontBytes - kChecksumBytes;
    if (rest < 0 || count > static_cast<std::uint64_t>(rest)) break;  // not finished
    const std::int64_t whole = kFrontBytes + static_cast<std::int64_t>(count) + kChecksumBytes;
    if (fits_memory(whole)) {
      record.resize(size(whole));
      read_at(place, record);
      check_record(record, length());
      remember(record);
    }
    index(key, place + whole);
  }
  if (places_.back() != bytes) cut(length());
}

void RecordStore::index(const Key128& key, std::int64_t end) {
  if (!index_.emplace(key, length()).second)
    fail("{}: two records are of one example; start the run anew", settings_.path.string());
  places_.push_back(end);
}

// The records in memory are the file's first ones, without a gap.
bool RecordStore::fits_memory(std::int64_t record_bytes) const {
  return kHeaderBytes + in_memory_ == places_.back() &&
         in_memory_ + record_bytes + kIndexBytes * (length() + 1) <= settings_.budget_bytes;
}

void RecordStore::remember(std::span<const char> bytes) {
  while (!bytes.empty()) {
    const std::int64_t inside = in_memory_ % kBlockBytes;
    if (inside == 0) blocks_.emplace_back().reserve(size(kBlockBytes));
    const auto part = bytes.first(std::min(bytes.size(), size(kBlockBytes - inside)));
    blocks_.back().insert(blocks_.back().end(), part.begin(), part.end());
    in_memory_ += std::ssize(part);
    bytes = bytes.subspan(part.size());
  }
}

void RecordStore::recall(std::int64_t place, std::span<char> bytes) const {
  std::int64_t at = place - kHeaderBytes;
  while (!bytes.empty()) {
    const std::int64_t inside = at % kBlockBytes;
    const std::size_t count = std::min(bytes.size(), size(kBlockBytes - inside));
    std::copy_n(blocks_[size(at / kBlockBytes)].begin() + inside, count, bytes.begin());
    at += static_cast<std::int64_t>(count);
    bytes = bytes.subspan(count);
  }
}

std::int64_t RecordStore::bytes_of(std::int64_t number) const {
  return places_[size(number + 1)] - places_[size(number)] - kFrontBytes - kChecksumBytes;
}

void RecordStore::fail_damaged(std::int64_t number) const {
  fail("{}: record {} at byte {} is damaged; remove the file and start the run anew", settings_.path.string(), number,
       places_[size(number)]);
}

void RecordStore::check_record(std::span<const char> record, std::int64_t number) const {
  std::uint64_t checksum = 0;
  const auto body = record.first(record.size() - sizeof checksum);
  std::memcpy(&checksum, record.data() + body.size(), sizeof checksum);
  if (checksum != checksum_of(body)) fail_damaged(number);
}

void RecordStore::append(std::span<const Record> records) {
  std::vector<char> whole;
  for (const Record& record : records) {
    whole.clear();
    put_record(whole, record);
    write_at(places_.back(), whole);
    synced_ = false;
    if (fits_memory(std::ssize(whole))) remember(whole);
    index(record.key, places_.back() + std::ssize(whole));
  }
}

void RecordStore::read(const Key128& key, std::span<char> bytes) const {
  const std::int64_t number = index_.at(key);
  if (bytes_of(number) != std::ssize(bytes))
    fail("{}: record {} has {} bytes, and {} are expected; remove the file and start the run anew",
         settings_.path.string(), number, bytes_of(number), bytes.size());
  const std::int64_t place = places_[size(number)];
  if (places_[size(number + 1)] <= kHeaderBytes + in_memory_) return recall(place + kFrontBytes, bytes);
  std::vector<char> record(size(kFrontBytes + kChecksumBytes) + bytes.size());
  read_at(place, record);
  check_record(record, number);
  std::copy_n(record.begin() + kFrontBytes, bytes.size(), bytes.begin());
}

void RecordStore::cut(std::int64_t length) {
  if (length < 0 || length > this->length())
    fail("{}: holds {} records, but the checkpoint was made with {}; start the run anew", settings_.path.string(),
         this->length(), length);
  places_.resize(size(length + 1));
  if (::ftruncate(file_, places_.back()) != 0)
    fail("{}: cannot cut it: {}", settings_.path.string(), std::strerror(errno));
  std::erase_if(index_, [&](const auto& entry) { return entry.second >= length; });
  in_memory_ = std::min(in_memory_, places_.back() - kHeaderBytes);
  blocks_.resize(size((in_memory_ + kBlockBytes - 1) / kBlockBytes));
  if (in_memory_ % kBlockBytes != 0) blocks_.back().resize(size(in_memory_ % kBlockBytes));
  synced_ = false;
}

void RecordStore::sync() {
  if (synced_) return;
  if (::fdatasync(file_) != 0) fail("{}: cannot sync: {}", settings_.path.string(), std::strerror(errno));
  synced_ = true;
}

void RecordStore::read_at(std::int64_t place, std::span<char> bytes) const {
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

void RecordStore::write_at(std::int64_t place, std::span<const char> bytes) const {
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
