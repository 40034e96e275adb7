#include <doctest/doctest.h>
#include <unistd.h>

#include <fstream>

#include "core/base/error.h"
#include "core/base/files.h"

using namespace dsd;
namespace fs = std::filesystem;

namespace {

struct Folder {
  fs::path path = fs::temp_directory_path() / fmt::format("dsd-files-{}", ::getpid());
  Folder() { fs::create_directories(path); }
  ~Folder() { fs::remove_all(path); }
};

std::size_t entries(const fs::path& folder) {
  return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
}

}  // namespace

TEST_CASE("an atomic write leaves old bytes or new ones, and nothing beside them") {
  const Folder folder;
  const auto file = folder.path / "a.txt";
  write_atomically(file, "old");
  CHECK(read_text(file) == "old");
  CHECK_THROWS_AS(write_atomically(file,
                                   [](const Sink& sink) {
                                     sink("half");
                                     fail("stopped");
                                   }),
                  Error);
  CHECK(read_text(file) == "old");
  write_atomically(file, "new");
  CHECK(read_text(file) == "new");
  CHECK(entries(folder.path) == 1);
}

TEST_CASE("a folder is there whole or not at all") {
  const Folder folder;
  const auto made = folder.path / "model";
  const auto fill = [](const std::string& text) {
    return [text](const fs::path& at) { std::ofstream(at / "x") << text; };
  };
  write_folder_atomically(made, false, fill("one"));
  CHECK_THROWS_AS(write_folder_atomically(made, false, fill("two")), Error);
  CHECK(read_text(made / "x") == "one");
  CHECK_THROWS_AS(write_folder_atomically(made, true, [](const fs::path&) { fail("stopped"); }), Error);
  CHECK(read_text(made / "x") == "one");
  write_folder_atomically(made, true, fill("two"));
  CHECK(read_text(made / "x") == "two");
  CHECK(entries(folder.path) == 1);
}

TEST_CASE("a map shows the file's bytes and outlives its object; an empty file is an empty map") {
  const Folder folder;
  write_atomically(folder.path / "a", "bytes");
  write_atomically(folder.path / "empty", "");
  std::string_view text;
  std::shared_ptr<const void> owner;
  {
    const MappedFile file(folder.path / "a");
    text = file.text(), owner = file.owner();
  }
  CHECK(text == "bytes");
  CHECK(MappedFile(folder.path / "empty").bytes().empty());
  CHECK_THROWS_WITH_AS(MappedFile(folder.path / "none"), doctest::Contains("none: cannot open"), Error);
  CHECK_THROWS_AS(MappedFile{folder.path}, Error);
}

TEST_CASE("names inside an index stay inside their folder") {
  CHECK(is_inside("model-00001-of-00002.safetensors"));
  CHECK(is_inside("sub/part"));
  for (const auto* name : {"", "/etc/passwd", "../x", "a/../../x", ".."}) CHECK_FALSE(is_inside(name));
}

TEST_CASE("a bound on size holds before the read") {
  const Folder folder;
  write_atomically(folder.path / "a", "12345");
  CHECK_THROWS_WITH_AS(read_text(folder.path / "a", 4), doctest::Contains("5 bytes, more than the 4"), Error);
}
