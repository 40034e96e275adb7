// The maps of layers, by the papers' examples.
#include "losses/layer_map.h"

#include "core/base/error.h"
#include "tests/check.h"

using namespace dsd;

namespace {

// "1-3 2-6": the student's layer and the teacher's.
std::string text(const std::vector<LayerPair>& pairs) {
  std::string all;
  for (const auto& [student, teacher] : pairs) all += fmt::format("{}{}-{}", all.empty() ? "" : " ", student, teacher);
  return all;
}

std::string pairs(LayerMap map, std::int64_t student, std::int64_t teacher) {
  return text(layer_pairs({.layers = map}, LayerMap::uniform, student, teacher, "hidden"));
}

}  // namespace

TEST_CASE("maps of layers") {
  CHECK(pairs(LayerMap::uniform, 4, 12) == "1-3 2-6 3-9 4-12");  // TinyBERT's 3m
  CHECK(pairs(LayerMap::uniform, 6, 12) == "1-2 2-4 3-6 4-8 5-10 6-12");
  CHECK(pairs(LayerMap::uniform, 4, 6) == "1-2 2-3 3-5 4-6");
  CHECK(pairs(LayerMap::uniform, 6, 2) == "1-1 2-1 3-1 4-1 5-2 6-2");
  CHECK(pairs(LayerMap::endpoints, 3, 12) == "1-1 2-7 3-12");
  CHECK(pairs(LayerMap::endpoints, 1, 12) == "1-12");
  CHECK(pairs(LayerMap::last, 6, 12) == "1-7 2-8 3-9 4-10 5-11 6-12");  // PKD-last
  CHECK(pairs(LayerMap::first, 2, 12) == "1-1 2-2");
  CHECK(pairs(LayerMap::middle, 4, 12) == "2-6");
  CHECK(pairs(LayerMap::middle, 1, 12) == "1-12");
  CHECK(pairs(LayerMap::top, 4, 12) == "4-12");
}

TEST_CASE("one pair of a map alone, for a stage that matches a layer at a time") {
  CHECK(text(layer_pairs({.layers = LayerMap::uniform, .only = 2}, LayerMap::top, 4, 12, "hidden")) == "2-6");
  CHECK(text(layer_pairs({.only = 1}, LayerMap::uniform, 2, 6, "hidden")) == "1-3");
  CHECK_THROWS_WITH_AS(layer_pairs({.only = 5}, LayerMap::uniform, 4, 12, "hidden"), doctest::Contains("layer 5"),
                       Error);
}

TEST_CASE("explicit pairs take a map's place, and layers must exist") {
  CHECK(text(layer_pairs({.pairs = {{2, 5}, {0, 0}}}, LayerMap::uniform, 2, 6, "hidden")) == "0-0 2-5");
  CHECK(text(layer_pairs({}, LayerMap::top, 2, 6, "minilm")) == "2-6");
  CHECK_THROWS_WITH_AS(layer_pairs({.pairs = {{2, 7}}}, LayerMap::uniform, 2, 6, "hidden"),
                       "losses.features: hidden names layer 7 of the teacher, which has 6", Error);
  CHECK_THROWS_WITH_AS(pairs(LayerMap::last, 4, 2), doctest::Contains("take 'layers: uniform'"), Error);
}
