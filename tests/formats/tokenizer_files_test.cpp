#include "core/formats/tokenizer_files.h"

#include "tests/formats/support.h"

using namespace dsd;
using namespace dsd::testing;

TEST_CASE("a tokenizer's files are carried along byte for byte, and nothing else") {
  const Folder from, to;
  const std::string bytes("{\"a\": \"\xc3\xa9\"}\r\n\0", 15);
  from.write("blob", bytes);
  fs::create_symlink("blob", from / "tokenizer.json");
  from.write("tokenizer_config.json", "{}");
  from.write("model.safetensors", "weights");
  copy_tokenizer_files(from.path(), to.path());
  CHECK(read_text(to / "tokenizer.json") == bytes);
  CHECK_FALSE(fs::is_symlink(to / "tokenizer.json"));
  CHECK(read_text(to / "tokenizer_config.json") == "{}");
  CHECK(std::distance(fs::directory_iterator(to.path()), fs::directory_iterator()) == 2);
}

TEST_CASE("a folder without a vocabulary is named") {
  const Folder from, to;
  from.write("tokenizer_config.json", "{}");
  CHECK(error_of([&] { copy_tokenizer_files(from.path(), to.path()); }) ==
        from.path().string() + ": has no tokenizer; expected tokenizer.json or vocab.txt beside config.json");
}
