#include "core/data/spill_file.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>

#include "core/base/error.h"

namespace dsd {
namespace {

constexpr std::size_t kBufferBytes = std::size_t{1} << 16;

std::string folder() {
  const char* chosen = std::getenv("TMPDIR");
  return chosen != nullptr && *chosen != '\0' ? chosen : "/tmp";
}

int open_unlinked() {
  const std::string in = folder();
  const int nameless = ::open(in.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (nameless >= 0) return nameless;
  std::string name = in + "/dsdistill.XXXXXX";  // not every file system has nameless files
  const int fd = ::mkostemp(name.data(), O_CLOEXEC);
  if (fd < 0) fail("{}: cannot make a temporary file: {}; set TMPDIR to a folder with room", in, std::strerror(errno));
  ::unlink(name.c_str());
  return fd;
}

}  // namespace

SpillFile::SpillFile() : fd_(open_unlinked()) { buffer_.reserve(kBufferBytes); }

SpillFile::~SpillFile() { ::close(fd_); }

void SpillFile::append(std::span<const std::byte> bytes) {
  buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
  if (buffer_.size() >= kBufferBytes) flush();
}

void SpillFile::flush() {
  std::size_t done = 0;
  while (done < buffer_.size()) {
    const ssize_t n = ::pwrite(fd_, buffer_.data() + done, buffer_.size() - done, static_cast<off_t>(flushed_ + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0)
      fail("{}: cannot write token ids to a temporary file: {}; set TMPDIR to a folder with room", folder(),
           std::strerror(errno));
    done += static_cast<std::size_t>(n);
  }
  flushed_ += buffer_.size();
  buffer_.clear();
}

void SpillFile::read(std::uint64_t offset, std::span<std::byte> bytes) const {
  while (!bytes.empty()) {
    const ssize_t n = ::pread(fd_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0)
      fail("{}: cannot read token ids back from a temporary file: {}", folder(),
           n == 0 ? "it is cut short" : std::strerror(errno));
    bytes = bytes.subspan(static_cast<std::size_t>(n));
    offset += static_cast<std::uint64_t>(n);
  }
}

}  // namespace dsd
