#include "core/config/path.h"

#include <doctest/doctest.h>

namespace dsd {
namespace {

TEST_CASE("paths are taken apart") {
  const auto parts = split_path("a.b[2][0].c");
  REQUIRE(parts.size() == 5);
  CHECK(parts[1].key == "b");
  CHECK(parts[2].index == 2);
  CHECK(parts[3].index == 0);
  CHECK(parts[4].key == "c");
}

TEST_CASE("a number between points is an index too") {
  const auto parts = split_path("a.2.b.0x");
  REQUIRE(parts.size() == 4);
  CHECK(parts[1].index == 2);
  CHECK(parts[1].key.empty());
  CHECK(parts[3].key == "0x");
}

TEST_CASE("what is no path gives nothing") {
  for (const char* bad :
       {"", ".", "a.", ".a", "a..b", "a[", "a[]", "a[x]", "a[-1]", "a[1]b", "[1]", "a[99999999999999999999]"})
    CHECK(split_path(bad).empty());
}

TEST_CASE("paths are joined") {
  CHECK(join_path("", "a") == "a");
  CHECK(join_path("a", "b") == "a.b");
}

}  // namespace
}  // namespace dsd
