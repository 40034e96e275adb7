#include "core/data/lines.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "core/base/error.h"
#include "core/text/utf8.h"

namespace dsd {
namespace {

constexpr std::size_t kBufferBytes = std::size_t{1} << 16;
constexpr std::size_t kNone = std::string_view::npos;
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

int open_file(const std::filesystem::path& path) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) fail("{}: is a folder; name a file", path.string());
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) fail("{}: cannot open: {}", path.string(), std::strerror(errno));
  return fd;
}

}  // namespace

LineReader::LineReader(const std::filesystem::path& path) : LineReader(open_file(path), path.string()) {}

LineReader::LineReader(int fd, std::string name) : fd_(fd), name_(std::move(name)), buffer_(kBufferBytes) {}

LineReader LineReader::standard_input() { return LineReader(STDIN_FILENO, "standard input"); }

LineReader::~LineReader() {
  if (fd_ > STDIN_FILENO) ::close(fd_);
}

LineReader::LineReader(LineReader&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      name_(std::move(other.name_)),
      buffer_(std::move(other.buffer_)),
      begin_(other.begin_),
      end_(other.end_),
      scanned_(other.scanned_),
      number_(other.number_),
      at_end_(other.at_end_) {}

std::string LineReader::place() const { return fmt::format("{}:{}", name_, number_); }

// Reads once more; false at the end of the file.
bool LineReader::fill() {
  if (at_end_) return false;
  if (begin_ > 0) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  if (end_ == buffer_.size()) {
    if (end_ >= kLongestLine)
      fail("{}:{}: a line longer than {} MiB; is this a text file?", name_, number_ + 1, kLongestLine >> 20);
    buffer_.resize(buffer_.size() * 2);
  }
  for (;;) {
    const ssize_t n = ::read(fd_, buffer_.data() + end_, buffer_.size() - end_);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail("{}: cannot read: {}", name_, std::strerror(errno));
    at_end_ = n == 0;
    end_ += static_cast<std::size_t>(n);
    return n > 0;
  }
}

// Where the next \n stands, counted from begin_, in what is read so far.
std::size_t LineReader::find_end() {
  const void* found = std::memchr(buffer_.data() + begin_ + scanned_, '\n', end_ - begin_ - scanned_);
  if (found != nullptr) return static_cast<std::size_t>(static_cast<const char*>(found) - buffer_.data()) - begin_;
  scanned_ = end_ - begin_;
  return kNone;
}

bool LineReader::next_unchecked(std::string_view& line) {
  std::size_t length = find_end();
  while (length == kNone && fill()) length = find_end();
  if (length == kNone && begin_ == end_) return false;
  const bool ended = length != kNone;
  line = std::string_view(buffer_.data() + begin_, ended ? length : end_ - begin_);
  begin_ += line.size() + (ended ? 1 : 0);
  scanned_ = 0;
  if (++number_ == 1 && line.starts_with(kByteOrderMark)) line.remove_prefix(kByteOrderMark.size());
  if (line.ends_with('\r')) line.remove_suffix(1);
  return true;
}

bool LineReader::next(std::string_view& line) {
  if (!next_unchecked(line)) return false;
  if (const auto bad = check_utf8(line))
    fail("{}: byte {} of the line is not valid UTF-8; convert the file to UTF-8", place(), *bad + 1);
  return true;
}

bool LineReader::is_ready() {
  if (find_end() != kNone || at_end_) return true;
  pollfd waiting{.fd = fd_, .events = POLLIN, .revents = 0};
  return ::poll(&waiting, 1, 0) > 0;
}

}  // namespace dsd
