#include "core/data/documents.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "core/base/error.h"
#include "core/text/utf8.h"

namespace dsd {
namespace {

constexpr std::size_t kReadBytes = std::size_t{1} << 16;
constexpr std::size_t kPieceBytes = std::size_t{1} << 16;
constexpr std::size_t kLongestHeading = 4096;
constexpr std::size_t kHeadingReach = 2 * kLongestHeading;  // a heading and the blank line after it
constexpr std::size_t kBehind = 256;                        // bytes kept for the blank line before a heading
constexpr std::size_t kMostLineBreaks = std::size_t{1} << 24;
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
constexpr std::string_view kLineBreaks = "\r\n", kBlank = " \t\r\n";

bool is_blank(std::string_view text) { return text.find_first_not_of(kBlank) == std::string_view::npos; }

std::FILE* open_text_file(const std::filesystem::path& path) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) fail("{}: is a folder; name a file", path.string());
  std::FILE* file = std::fopen(path.c_str(), "rb");
  if (file == nullptr) fail("{}: cannot open: {}", path.string(), std::strerror(errno));
  return file;
}

}  // namespace

DocumentReader::DocumentReader(const std::filesystem::path& path, DocumentRules rules)
    : file_(open_text_file(path)), name_(path.string()), rules_(std::move(rules)) {
  fill();
  if (!std::string_view(buffer_).starts_with(kByteOrderMark)) return;
  begin_ = kByteOrderMark.size();
}

// Reads once more; false at the end of the file.
bool DocumentReader::fill() {
  if (at_end_) return false;
  if (begin_ > kBehind + kPieceBytes) {
    const std::size_t given = begin_ - kBehind;
    buffer_.erase(0, given);
    begin_ -= given;
    checked_ -= given;
  }
  const std::size_t before = buffer_.size();
  buffer_.resize(before + kReadBytes);
  const std::size_t count = std::fread(buffer_.data() + before, 1, kReadBytes, file_.get());
  buffer_.resize(before + count);
  if (count < kReadBytes && std::ferror(file_.get()) != 0) fail("{}: cannot read: {}", name_, std::strerror(errno));
  at_end_ = count < kReadBytes;
  check_characters();
  return count > 0;
}

// A character that the buffer's end cuts waits for the rest of it.
void DocumentReader::check_characters() {
  const std::string_view fresh = std::string_view(buffer_).substr(checked_);
  const auto bad = check_utf8(fresh);
  const std::size_t good = bad.value_or(fresh.size());
  for (const char c : fresh.substr(0, good)) {
    if (c == '\n') ++line_, line_bytes_ = 0;
    else ++line_bytes_;
  }
  checked_ += good;
  if (bad && (at_end_ || fresh.size() - good >= 4))
    fail("{}:{}: byte {} of the line is not valid UTF-8; convert the file to UTF-8", name_, line_, line_bytes_ + 1);
}

std::size_t DocumentReader::character_at(std::size_t place) const {
  while (place > begin_ && place < buffer_.size() && (static_cast<unsigned char>(buffer_[place]) & 0xC0) == 0x80)
    --place;
  return place;
}

DocumentReader::Stretch DocumentReader::find_separator() const {
  const std::string_view text = std::string_view(buffer_).substr(0, checked_);
  const std::string& separator = *rules_.separator;
  Stretch found{.begin = begin_, .end = checked_, .next = checked_, .complete = at_end_};
  if (const std::size_t place = text.find(separator, begin_); place != std::string_view::npos) {
    found = {.begin = begin_, .end = place, .next = place + separator.size(), .complete = true};
  } else if (!at_end_) {
    const std::size_t waits = std::min(separator.size() - 1, checked_ - begin_);
    found.end = found.next = character_at(checked_ - waits);
  }
  if (!found.complete && checked_ - begin_ > kMostLineBreaks) return found;
  const auto breaks = [&](std::size_t place) { return kLineBreaks.find(text[place]) != std::string_view::npos; };
  while (fresh_ && found.begin < found.end && breaks(found.begin)) ++found.begin;
  while (found.begin < found.end && breaks(found.end - 1)) --found.end;
  if (!found.complete) found.next = found.end;
  return found;
}

// Whether a heading stands after the line break there: ` = Title = `, with blank lines (or the file's ends) around it.
bool DocumentReader::is_heading(std::size_t line_break) const {
  const std::string_view text = std::string_view(buffer_).substr(0, checked_);
  std::size_t before = line_break;
  while (before > 0 && (text[before - 1] == ' ' || text[before - 1] == '\r')) --before;
  if (before > 0 && text[before - 1] != '\n') return false;
  const std::size_t begin = line_break + 1, end = std::min(text.find('\n', begin), text.size());
  std::string_view line = text.substr(begin, end - begin);
  line = line.substr(0, line.find_last_not_of(kBlank) + 1);
  if (line.size() > kLongestHeading || line.size() < 6 || !line.ends_with(" =") || line.starts_with(" = ="))
    return false;
  const std::size_t after = std::min(end + 1, text.size());
  return is_blank(text.substr(after, std::min(text.find('\n', after), text.size()) - after));
}

DocumentReader::Stretch DocumentReader::find_heading() const {
  const std::string_view text = std::string_view(buffer_).substr(0, checked_);
  std::size_t reach = checked_;
  if (!at_end_) reach = character_at(checked_ - std::min(kHeadingReach, checked_ - begin_));
  for (std::size_t at = begin_; (at = text.find("\n = ", at)) < reach; ++at)
    if (is_heading(at)) return {.begin = begin_, .end = at + 1, .next = at + 1, .complete = true};
  return {.begin = begin_, .end = reach, .next = reach, .complete = at_end_};
}

// A part of the document at hand that is worth its while, or its end.
DocumentReader::Stretch DocumentReader::read() {
  for (;;) {
    Stretch found{.begin = begin_, .end = checked_, .next = checked_, .complete = at_end_};
    if (rules_.separator) found = find_separator();
    else if (rules_.articles) found = find_heading();
    if (found.complete || found.end - found.begin >= kPieceBytes) return found;
    fill();
  }
}

std::string_view DocumentReader::take(const Stretch& stretch) {
  begin_ = stretch.next;
  ended_ = stretch.complete;
  fresh_ = fresh_ && stretch.begin == stretch.end;
  return std::string_view(buffer_).substr(stretch.begin, stretch.end - stretch.begin);
}

bool DocumentReader::next() {
  while (!ended_) piece();
  while (begin_ < checked_ || !at_end_) {
    fresh_ = true;
    ended_ = false;
    const Stretch first = read();
    const auto text = std::string_view(buffer_).substr(first.begin, first.end - first.begin);
    // White space alone between two separators is no document; a file without any is one.
    const bool is_none = rules_.separator || rules_.articles ? first.complete && is_blank(text) : text.empty();
    if (!is_none) {
      ahead_ = first;
      return true;
    }
    take(first);
  }
  ended_ = true;
  return false;
}

std::string_view DocumentReader::piece() {
  if (ahead_) {
    const Stretch stretch = *ahead_;
    ahead_.reset();
    return take(stretch);
  }
  return ended_ ? std::string_view() : take(read());
}

}  // namespace dsd
