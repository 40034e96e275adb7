#pragma once
// The lines of a file or of standard input, read through one small buffer: a mapped file's pages would count as memory
// in use. A line ends at \n; a \r before it and a byte order mark before the first line are no part of the text.

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace dsd {

class LineReader {
 public:
  explicit LineReader(const std::filesystem::path& path);
  static LineReader standard_input();
  ~LineReader();
  LineReader(LineReader&& other) noexcept;
  LineReader& operator=(LineReader&&) = delete;

  // The next line, valid until the next call; false at the end. Error where a line is not UTF-8, naming line and byte,
  // or longer than kLongestLine.
  bool next(std::string_view& line);
  // The same without the check of UTF-8.
  bool next_unchecked(std::string_view& line);
  // Whether next() would give a line, or the end, without waiting for whoever writes to a pipe.
  bool is_ready();

  std::int64_t number() const { return number_; }  // of the line that next() gave last, from 1
  const std::string& name() const { return name_; }
  std::string place() const;  // "train.tsv:17"

  static constexpr std::size_t kLongestLine = std::size_t{1} << 24;

 private:
  LineReader(int fd, std::string name);
  bool fill();
  std::size_t find_end();

  int fd_ = -1;
  std::string name_;
  std::vector<char> buffer_;
  std::size_t begin_ = 0, end_ = 0;  // what is read and not yet given
  std::size_t scanned_ = 0;          // from begin_ on: no \n in there
  std::int64_t number_ = 0;
  bool at_end_ = false;
};

}  // namespace dsd
