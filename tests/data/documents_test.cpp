// Documents of a text file: whole, between separators, by headings; whatever the pieces that they come in.
#include "core/data/documents.h"

#include "tests/data/support.h"

#include "tests/check.h"

namespace dsd {
namespace {

using testing::error_of;
using testing::Folder;
namespace fs = std::filesystem;
using Texts = std::vector<std::string>;

Texts documents_of(const fs::path& path, const DocumentRules& rules) {
  DocumentReader reader(path, rules);
  Texts texts;
  while (reader.next()) {
    texts.emplace_back();
    for (auto piece = reader.piece(); !piece.empty(); piece = reader.piece()) texts.back() += piece;
  }
  return texts;
}

Texts documents_in(std::string_view bytes, const DocumentRules& rules) {
  const Folder folder;
  return documents_of(folder.write("a.txt", bytes), rules);
}

TEST_CASE("a file without a separator is one document, byte for byte, without its byte order mark") {
  CHECK(documents_in("\xEF\xBB\xBF\r\n a\r\n\n", {}) == Texts{"\r\n a\r\n\n"});
  CHECK(documents_in("", {}).empty());
}

TEST_CASE("a separator stands between documents, whose line breaks at the ends go") {
  const DocumentRules rules{.separator = "<|end|>"};
  CHECK(documents_in("\none\n\ntwo\n<|end|>\r\nthree\n<|end|>\n <|end|><|end|>", rules) ==
        Texts{"one\n\ntwo", "three"});
  CHECK(documents_in("a<|end|", rules) == Texts{"a<|end|"});
  CHECK(documents_in("one\r\n\ntwo\n", {.separator = "\n"}) == Texts{"one", "two"});
  CHECK(documents_in("\n \n", rules).empty());
}

TEST_CASE("a heading between blank lines begins an article") {
  const std::string bytes =
      " \n = One = \n \n text = b \n = not one = \n more \n \n = = Part = = \n \n x \n \n = Two = \n \n y \n";
  CHECK(
      documents_in(bytes, {.articles = true}) ==
      Texts{" = One = \n \n text = b \n = not one = \n more \n \n = = Part = = \n \n x \n \n", " = Two = \n \n y \n"});
}

// Documents around the sizes in which the file is read and given.
TEST_CASE("what is read does not depend on where pieces are cut") {
  const std::string word = "\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80 word \n\n";  // characters of 2, 3 and 4 bytes
  for (const std::size_t length : {0UL, 1UL, 65530UL, 65536UL, 65541UL, 131072UL, 300001UL}) {
    CAPTURE(length);
    std::string body = "x";
    while (body.size() < length) body += word;
    body += "end";
    CHECK(documents_in(body, {}) == Texts{body});
    CHECK(documents_in(body + "<|end|>" + body + "<|end|>\n", {.separator = "<|end|>"}) == Texts{body, body});
    const std::string article = " = Title = \n\n" + body + "\n\n";
    CHECK(documents_in(article + article, {.articles = true}) == Texts{article, article});
  }
}

TEST_CASE("a byte that is no UTF-8 is named by line and place, wherever it stands") {
  const Folder folder;
  const auto fault = [&](const std::string& bytes) {
    const auto file = folder.write("a.txt", bytes);
    return error_of([&] { documents_of(file, {}); }).substr(file.string().size());
  };
  CHECK(fault("a\nb\xFF") == ":2: byte 2 of the line is not valid UTF-8; convert the file to UTF-8");
  CHECK(fault("a\n\xE2\x82") == ":2: byte 1 of the line is not valid UTF-8; convert the file to UTF-8");
  std::string large;
  for (int i = 0; i < 20000; ++i) large += "line " + std::to_string(i) + "\n";
  CHECK(fault(large + "ab\xC3(") == ":20001: byte 3 of the line is not valid UTF-8; convert the file to UTF-8");
  CHECK(error_of([&] {
          DocumentReader(folder.path() / "none.txt", {});
        }).ends_with("cannot open: No such file or directory"));
}

TEST_CASE("WikiText's articles: the headings of its test split") {
  const fs::path file = "../shared/data/lm/wikitext-2/test.txt";
  if (!fs::exists(file)) {
    MESSAGE("skipped: no " << file.string());
    return;
  }
  CHECK(documents_of(file, {.articles = true}).size() == 60);  // 62 lines look like one; two stand inside a paragraph
}

}  // namespace
}  // namespace dsd
