#include <doctest/doctest.h>

#include "core/base/thousands.h"

using namespace dsd;

TEST_CASE("large numbers in groups of three digits") {
  CHECK(thousands(0) == "0");
  CHECK(thousands(999) == "999");
  CHECK(thousands(1000) == "1,000");
  CHECK(thousands(175126041600.0) == "175,126,041,600");
  CHECK(thousands(1234.6) == "1,235");
}
