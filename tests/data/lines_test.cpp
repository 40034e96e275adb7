#include "core/data/lines.h"

#include "tests/data/support.h"

#include "tests/check.h"

namespace dsd {
namespace {

using testing::error_of;
using testing::Folder;

std::vector<std::string> lines_of(const Folder& folder, std::string_view bytes) {
  LineReader reader(folder.write("lines", bytes));
  std::vector<std::string> lines;
  std::string_view line;
  while (reader.next(line)) lines.emplace_back(line);
  return lines;
}

using Lines = std::vector<std::string>;

TEST_CASE("a line ends at \\n, with \\r before it or not, and the last one needs no end") {
  const Folder folder;
  CHECK(lines_of(folder, "") == Lines{});
  CHECK(lines_of(folder, "a") == Lines{"a"});
  CHECK(lines_of(folder, "a\n\nb\n") == Lines{"a", "", "b"});
  CHECK(lines_of(folder, "a\r\nb\r\n") == Lines{"a", "b"});
  CHECK(lines_of(folder, "a\rb\n") == Lines{"a\rb"});
  CHECK(lines_of(folder, "a\x0b\x0c\xc2\x85\xe2\x80\xa8z\n") == Lines{"a\x0b\x0c\xc2\x85\xe2\x80\xa8z"});
}

TEST_CASE("a byte order mark counts at the start of the file alone") {
  const Folder folder;
  CHECK(lines_of(folder, "\xEF\xBB\xBFQuality\n\xEF\xBB\xBFx\n") == Lines{"Quality", "\xEF\xBB\xBFx"});
  CHECK(lines_of(folder, "\xEF\xBB\xBF") == Lines{""});
}

TEST_CASE("lines of every length come whole through the buffer of 64 KiB") {
  const Folder folder;
  std::string bytes;
  Lines expected;
  for (const std::size_t length : {0, 1, 65534, 65535, 65536, 65537, 200000, 3}) {
    expected.push_back(std::string(length, static_cast<char>('a' + expected.size())));
    bytes += expected.back() + "\n";
  }
  CHECK(lines_of(folder, bytes) == expected);
}

TEST_CASE("what is no text is named with its line and byte") {
  const Folder folder;
  const auto file = (folder.path() / "lines").string();
  CHECK(error_of([&] { lines_of(folder, "good\nb\xffxx\n"); }) ==
        file + ":2: byte 2 of the line is not valid UTF-8; convert the file to UTF-8");
  CHECK(error_of([&] { lines_of(folder, std::string((1 << 24) + (1 << 17), 'x')); }) ==
        file + ":1: a line longer than 16 MiB; is this a text file?");
  CHECK(error_of([&] { LineReader(folder.path()); }) == folder.text() + ": is a folder; name a file");
  CHECK(error_of([&] { LineReader(folder.path() / "nowhere"); }) ==
        (folder.path() / "nowhere").string() + ": cannot open: No such file or directory");
}

}  // namespace
}  // namespace dsd
