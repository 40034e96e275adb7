#pragma once
// An unlinked temporary file in TMPDIR (or /tmp) that is written at its end and read anywhere: bytes that would be too
// many for memory. It goes with the process, however that ends.

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace dsd {

class SpillFile {
 public:
  SpillFile();
  ~SpillFile();
  SpillFile(const SpillFile&) = delete;
  SpillFile& operator=(const SpillFile&) = delete;

  void append(std::span<const std::byte> bytes);
  void flush();
  // Any number of threads may read what has been flushed.
  void read(std::uint64_t offset, std::span<std::byte> bytes) const;

  std::uint64_t size() const { return flushed_ + buffer_.size(); }
  std::uint64_t flushed() const { return flushed_; }

 private:
  int fd_ = -1;
  std::uint64_t flushed_ = 0;
  std::vector<std::byte> buffer_;
};

}  // namespace dsd
