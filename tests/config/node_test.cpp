#include "core/config/node.h"

#include <doctest/doctest.h>

#include <array>
#include <random>

namespace dsd {
namespace {

std::string fault_of(std::string_view text) {
  Diagnostics faults("bad.yaml");
  const auto tree = parse_yaml(text, 0, faults);
  CHECK(tree.has_value() == faults.empty());
  const auto lines = faults.lines();
  return lines.empty() ? "" : lines[0];
}

TEST_CASE("places, quotes, doubled keys and kinds are kept") {
  Diagnostics faults("a.yaml");
  const auto tree = *parse_yaml("a: 1\nb:\n  - 'x'\n  - y\na: null\nc: {d: ~}\n", 0, faults);
  REQUIRE(tree.entries.size() == 4);
  CHECK(tree.entries[2].key == "a");
  CHECK(tree.entries[2].mark == Mark{0, 5, 1});
  CHECK(tree.entries[2].value.kind == Node::Kind::null);
  CHECK(tree.entries[1].value.items[0].quoted);
  CHECK(!tree.entries[1].value.items[1].quoted);
  CHECK(tree.entries[1].value.items[1].mark == Mark{0, 4, 5});
  CHECK(tree.find("c")->find("d")->kind == Node::Kind::null);
  CHECK(tree.find("e") == nullptr);
}

TEST_CASE("an alias gives a copy of its anchor") {
  Diagnostics faults("a.yaml");
  const auto tree = *parse_yaml("a: &x {b: [1, 2]}\nc: *x\nd: &y hi\ne: *y\n", 0, faults);
  CHECK(tree.find("c")->find("b")->items.at(1).scalar == "2");
  CHECK(tree.find("e")->scalar == "hi");
}

TEST_CASE("hostile files are refused before they grow") {
  std::string laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 10; ++i) {
    const std::string before = "*a" + std::to_string(i - 1);
    laughs += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [";
    for (int j = 0; j < 10; ++j) laughs += (j ? ", " : "") + before;
    laughs += "]\n";
  }
  CHECK(fault_of(laughs).find("aliases expand to too much") != std::string::npos);
  CHECK(fault_of("a: &a [*a]\n") == "bad.yaml:1:8: error: this alias stands inside what it refers to");
  const std::string big(100000, 'x');
  std::string big_scalar = "a: &a " + big + "\nb: [";
  for (int i = 0; i < 10000; ++i) big_scalar += "*a, ";
  CHECK(fault_of(big_scalar + "]\n").find("aliases expand to too much") != std::string::npos);

  const std::string nested = "a: " + std::string(30, '[') + std::string(30, ']');
  CHECK(fault_of(nested) == "bad.yaml:1:27: error: nested more than 24 levels deep");
  CHECK(fault_of("a: " + std::string(100000, '[')) == "bad.yaml:1:5: error: a key must be a word");
  CHECK(fault_of(std::string(100000, '{')).find("error:") != std::string::npos);
  std::string deep = "a0: &a0 [x]\n";
  for (int i = 1; i < 40; ++i)
    deep += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [*a" + std::to_string(i - 1) + "]\n";
  CHECK(fault_of(deep).find("nested more than 24 levels deep") != std::string::npos);
  CHECK(fault_of(std::string(300000, 'a')).find("300000 bytes, more than the 262144 read") != std::string::npos);
}

TEST_CASE("what is not plain YAML is named with its place") {
  CHECK(fault_of("a: 1\n---\nb: 2\n").find("bad.yaml:2:1: error: a second document begins here") == 0);
  CHECK(fault_of("a: !!python/object x\n").find("bad.yaml:1:4: error: the tag") == 0);
  CHECK(fault_of("a: 1\n[b]: 2\n") == "bad.yaml:2:1: error: a key must be a word");
  CHECK(fault_of("a: 1\n{b: c}: 2\n") == "bad.yaml:2:1: error: a key must be a word");
  CHECK(fault_of("a: 1\n~: 2\n") == "bad.yaml:2:1: error: a key must be a word");
  CHECK(fault_of("a: [1, 2\nb: 3\n").find("error: not YAML:") != std::string::npos);
  CHECK(fault_of("a: *nothing\n").find("error: not YAML:") != std::string::npos);
  CHECK(fault_of("a: 1\n\tb: 2\n").find("error: not YAML:") != std::string::npos);
}

TEST_CASE("bytes that the parser would take for something else are refused") {
  CHECK(fault_of("a: 1\nb\x04: 2\n") == "bad.yaml:2:2: error: the control character 0x04 may not stand here");
  CHECK(fault_of(std::string_view("a: \0b\n", 6)) ==
        "bad.yaml:1:4: error: the control character 0x00 may not stand here");
  CHECK(fault_of("a: \xff\xfe\n") == "bad.yaml:1:4: error: byte 0xff is not UTF-8; save the file as UTF-8");
  for (const char* bad : {"\xC0\x80", "\xE0\x80\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xC3",
                          "\xE2\x82", "\x80"}) {
    CHECK(fault_of(std::string("a: ") + bad + "\n").find("is not UTF-8") != std::string::npos);
  }
  CHECK(fault_of("\xEF\xBB\xBF"
                 "a: \xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80\n") == "");
  CHECK(fault_of("a: 1\r\nb: 2\r\n") == "");
}

TEST_CASE("random bytes and random YAML pieces: a tree or a fault, never more") {
  std::mt19937 rng(7);
  const std::array<std::string_view, 30> pieces{"a",  ":",   " ",   "\n", "- ", "{",  "}",  "[", "]", ",",
                                                "&x", "*x",  "'",   "\"", "|",  ">",  "#",  "!", "%", "@",
                                                "?",  "---", "...", "~",  "<<", "  ", "\t", "1", "&", "*"};
  int trees = 0, refused = 0;
  for (int i = 0; i < 20000; ++i) {
    std::string text;
    const auto length = rng() % 40;
    for (unsigned j = 0; j < length; ++j)
      if (i % 2) text += static_cast<char>(rng() % 256);
      else text += pieces[rng() % pieces.size()];
    Diagnostics faults("x");
    parse_yaml(text, 0, faults) ? ++trees : ++refused;
  }
  CHECK(trees > 0);
  CHECK(refused > 0);
}

}  // namespace
}  // namespace dsd
