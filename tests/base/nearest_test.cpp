#include <doctest/doctest.h>

#include <array>

#include "core/base/nearest.h"

using namespace dsd;

TEST_CASE("a swap of neighbours is one edit") {
  CHECK(edit_distance("bf61", "bf16") == 1);
  CHECK(edit_distance("kitten", "sitting") == 3);
  CHECK(edit_distance("", "abc") == 3);
}

TEST_CASE("a far guess is not made") {
  constexpr std::array<std::string_view, 3> keys{"lr", "weight_decay", "clip_norm"};
  CHECK(suggestion("weigth_decay", keys) == "; did you mean 'weight_decay'?");
  CHECK(suggestion("wd", keys) == "; expected one of: lr, weight_decay, clip_norm");
}
