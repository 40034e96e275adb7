#include "core/formats/json.h"

#include "tests/formats/support.h"

using namespace dsd;
using namespace dsd::testing;

namespace {
std::string reading(const std::string& text) {
  return error_of([&] { parse_json(text, "x.json"); });
}
}  // namespace

TEST_CASE("the order of keys and the kinds of values are kept") {
  const std::string text =
      "{\n  \"z\": 1,\n  \"a\": [\n    -2,\n    0.1,\n    1e-12,\n    true,\n    null\n  ],\n"
      "  \"é\": {},\n  \"m\": \"\\u0001\\n\"\n}\n";
  CHECK(write_json(parse_json(text, "x.json")) == text);
  CHECK(parse_json("18446744073709551615", "x.json").get<std::uint64_t>() == 18446744073709551615u);
}

TEST_CASE("what is wrong is told with line and column") {
  CHECK(contains(reading("{\"a\": 1,\n  \"b\": }"), "x.json:2:8: not valid JSON: "));
  CHECK(contains(reading(""), "x.json:1:1: not valid JSON: "));
  CHECK(contains(reading("[1] 2"), "x.json:1:5: not valid JSON: "));
  CHECK(contains(reading("[NaN]"), "x.json:1:2: not valid JSON: "));
  CHECK(contains(reading("[1e999]"), "number overflow"));
  CHECK(contains(reading("\"\xc3(\""), "ill-formed UTF-8"));
  CHECK(reading("{\"a\": {\"b\": 1,\n\"b\": 2}}") == "x.json:2:3: key 'b' stands twice in one object; remove one");
  CHECK(reading("{\"a\": {\"b\": 1}, \"b\": {\"b\": 2}}").empty());
}

TEST_CASE("depth is bounded") {
  const auto nested = [](std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  CHECK(reading(nested(64)).empty());
  CHECK(reading(nested(65)) == "x.json:1:65: nested deeper than 64 levels; such a file is not read");
  CHECK(contains(reading(std::string(1'000'000, '[')), "nested deeper"));
}

TEST_CASE("an object of many keys is read in linear time") {
  std::string text = "{";
  for (int i = 0; i < 200'000; ++i) text += fmt::format("{}\"k{}\":{}", i == 0 ? "" : ",", i, i);
  CHECK(parse_json(text + "}", "x.json").size() == 200'000);
}
