// Vectors of MurmurHash3_x64_128 with seed 0, made with the `mmh3` package.
#include <doctest/doctest.h>

#include "core/base/hash.h"

using dsd::Hasher;

TEST_CASE("the hash is MurmurHash3 x64 128") {
  CHECK(Hasher().key().hex() == "00000000000000000000000000000000");
  CHECK(Hasher().bytes("hello", 5).key().hex() == "cbd8a7b341bd9b025b1e906a48ae1d19");
  const std::string fox = "The quick brown fox jumps over the lazy dog";
  CHECK(Hasher().bytes(fox.data(), fox.size()).key().hex() == "e34bbc7bbc071b6c7a433ca9c49a9347");
}

TEST_CASE("pieces hash as the whole does") {
  const std::string text(1000, 'x');
  const auto whole = Hasher().bytes(text.data(), text.size()).key();
  for (const std::size_t cut : {1u, 15u, 16u, 17u, 500u, 999u}) {
    Hasher pieces;
    pieces.bytes(text.data(), cut).bytes(text.data() + cut, text.size() - cut);
    CHECK(pieces.key() == whole);
  }
}

TEST_CASE("lengths keep texts apart") {
  CHECK(Hasher().text("ab").text("c").key() != Hasher().text("a").text("bc").key());
}
