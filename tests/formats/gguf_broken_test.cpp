// Files that lie: each is refused with one line that names file, byte and what is wrong there.
#include "core/formats/gguf.h"
#include "tests/formats/gguf_bytes.h"
#include "tests/formats/support.h"

using namespace dsd;
using namespace dsd::testing;

namespace {

constexpr std::uint64_t kHuge = std::uint64_t{1} << 63;

std::string reading(const std::string& bytes) {
  return error_of([&] { GgufFile::parse(as_bytes(bytes), "file"); });
}

// What the message says after the file's name.
void check(const std::string& bytes, const std::string& message) { CHECK(reading(bytes) == "file: " + message); }

const std::string kData(64, '\0');

std::string with_tensors(const std::vector<std::string>& tensors, const std::string& data = kData) {
  return gguf({}, tensors, data);
}

}  // namespace

TEST_CASE("other files, versions and byte orders") {
  check("",
        "byte 0: the mark 'GGUF' takes 4 bytes, but only 0 are left; the file is cut short or damaged, fetch it again");
  check("PK\3\4", "byte 0: does not open with 'GGUF'; not a GGUF file");
  check("version https://git-lfs.github.com/spec/v1",
        "is a Git LFS pointer, not the weights; run 'git lfs pull' in its folder");
  check(gguf({}, {}, "", 1), "byte 4: is version 1 of GGUF; versions 2 and 3 are read");
  check(gguf({}, {}, "", 4), "byte 4: is version 4 of GGUF; versions 2 and 3 are read");
  check(gguf({}, {}, "", 0x03000000),
        "byte 4: is a big-endian GGUF file; only little-endian ones are read, convert it with gguf-py's "
        "gguf-convert-endian");
}

TEST_CASE("counts and lengths beyond the file") {
  const std::string head = "GGUF" + raw<std::uint32_t>(3);
  const std::string cut = "; the file is cut short or damaged, fetch it again";
  for (const std::uint64_t count : {std::uint64_t{1}, kHuge, ~std::uint64_t{0}}) {
    check(head + raw<std::uint64_t>(0) + raw(count),
          fmt::format("byte 16: {} keys do not fit the 0 bytes that follow", count) + cut);
    check(head + raw(count) + raw<std::uint64_t>(0),
          fmt::format("byte 8: {} tensors do not fit the 0 bytes that follow", count) + cut);
  }
  check(gguf({raw(kHuge) + std::string(16, 'a')}),
        "byte 24: a key of 9223372036854775808 bytes is longer than the 65535 allowed; not a valid GGUF file");
  check(gguf({gguf_entry("k", GgufType::text, raw(kHuge))}),
        "byte 37: key 'k': a text of 9223372036854775808 bytes is longer than the 45 allowed; not a valid GGUF file");
  check(gguf({gguf_entry("k", GgufType::text, raw<std::uint64_t>(40) + "abcd")}),
        "byte 45: key 'k': a text takes 40 bytes, but only 4 are left" + cut);
  for (const GgufType item : {GgufType::u8, GgufType::f64, GgufType::text, GgufType::array})
    for (const std::uint64_t count : {std::uint64_t{5}, kHuge, ~std::uint64_t{0}})
      check(gguf({gguf_entry("k", GgufType::array, gguf_array(item, count, "abcd"))}),
            fmt::format("byte 41: key 'k': {} items do not fit the 4 bytes that follow", count) + cut);
  check(with_tensors({raw(kHuge) + std::string(64, 'a')}),
        "byte 24: a tensor's name of 9223372036854775808 bytes is longer than the 1024 allowed; not a valid GGUF file");
}

TEST_CASE("types that no file has, and values that no type has") {
  check(gguf({gguf_text("k") + raw<std::uint32_t>(13) + "abcd"}),
        "byte 33: key 'k': a value is of unknown type 13; not a valid GGUF file");
  check(gguf({gguf_entry("k", GgufType::array, raw(~std::uint32_t{0}) + raw<std::uint64_t>(0))}),
        "byte 37: key 'k': a value is of unknown type 4294967295; not a valid GGUF file");
  check(gguf({gguf_entry("k", GgufType::boolean, "\2")}),
        "byte 37: key 'k': holds 2 where 0 or 1 is expected; not a valid GGUF file");
  check(gguf({gguf_entry("", 1)}), "byte 24: a key is empty; not a valid GGUF file");
  for (const std::uint32_t type : {4u, 5u, 9u, 31u, 41u, ~0u})  // removed ones, and one of which files hold none
    check(with_tensors({gguf_tensor("w", {32}, type, 0)}),
          fmt::format("byte 45: tensor 'w': is of unknown type {}; not a valid GGUF file", type));
}

TEST_CASE("arrays in arrays are followed four deep") {
  std::string array = gguf_array(GgufType::u8, 1, "a");
  for (int depth = 2; depth <= 4; ++depth) array = gguf_array(GgufType::array, 1, array);
  CHECK(reading(gguf({gguf_entry("k", GgufType::array, array)})) == "");
  check(gguf({gguf_entry("k", GgufType::array, gguf_array(GgufType::array, 1, array))}),
        "byte 85: key 'k': arrays are nested deeper than 4 levels; not a valid GGUF file");
  std::string deep;
  for (int i = 0; i < 100'000; ++i) deep += gguf_type(GgufType::array) + raw<std::uint64_t>(1);
  CHECK(contains(reading(gguf({gguf_entry("k", GgufType::array, deep)})), "nested deeper than 4 levels"));
}

TEST_CASE("names that stand twice") {
  check(gguf({gguf_entry("k", 1), gguf_entry("l", 1), gguf_entry("k", 2)}),
        "key 'k' stands twice; not a valid GGUF file");
  check(with_tensors({gguf_tensor("w", {4}, 0, 0), gguf_tensor("w", {4}, 0, 32)}),
        "tensor 'w' stands twice; not a valid GGUF file");
  check(with_tensors({gguf_tensor("", {4}, 0, 0)}), "byte 24: a tensor has no name; not a valid GGUF file");
}

TEST_CASE("alignments") {
  for (const std::uint32_t alignment : {3u, 33u, 2147483647u})
    check(gguf({gguf_entry("general.alignment", alignment)}),
          fmt::format("'general.alignment' is {}; expected a power of two", alignment));
  for (const std::uint32_t alignment : {0u, ~0u})
    check(gguf({gguf_entry("general.alignment", alignment)}),
          fmt::format("'general.alignment' is {}; expected a whole number from 1 to 2147483648", alignment));
  check(gguf({gguf_entry("general.alignment", "32")}),
        "'general.alignment' is '32'; expected a whole number from 1 to 2147483648");
  check(
      gguf({gguf_entry("general.alignment", 1u << 31)}, {gguf_tensor("w", {4}, 0, 0)}, kData),
      "byte 90: the data should begin at byte 2147483648, but the file has only 160; it is cut short, fetch it again");
  check(with_tensors({gguf_tensor("w", {4}, 0, 16)}),
        "byte 24: tensor 'w' lies at offset 16, which is no multiple of the alignment 32; not a valid GGUF file");
}

TEST_CASE("shapes and places that do not fit the data or each other") {
  check(with_tensors({gguf_tensor("w", {1, 1, 1, 1, 1}, 0, 0)}),
        "byte 33: tensor 'w': has 5 dimensions; at most 4 are read; not a valid GGUF file");
  check(with_tensors({gguf_tensor("w", {kHuge}, 0, 0)}),
        "byte 37: tensor 'w': a dimension is 9223372036854775808, which no tensor has; not a valid GGUF file");
  check(with_tensors({gguf_tensor("w", {1u << 31, 1u << 31, 1u << 31}, 0, 0)}),
        "byte 24: tensor 'w': F32 of shape [2147483648, 2147483648, 2147483648] is no whole number of blocks, or too "
        "much; not a valid GGUF file");
  check(with_tensors({gguf_tensor("w", {33, 32}, 8, 0)}),
        "byte 24: tensor 'w': Q8_0 of shape [32, 33] is no whole number of blocks, or too much; not a valid GGUF file");
  check(with_tensors({gguf_tensor("w", {}, 2, 0)}),
        "byte 24: tensor 'w': Q4_0 of shape [] is no whole number of blocks, or too much; not a valid GGUF file");
  check(with_tensors({gguf_tensor("w", {17}, 0, 0)}),
        "byte 24: tensor 'w': 68 bytes from offset 0 on, but the data has only 64 (from byte 64 on); the file is cut "
        "short or damaged, fetch it again");
  for (const std::uint64_t offset : {std::uint64_t{96}, kHuge, ~std::uint64_t{31}})
    check(
        with_tensors({gguf_tensor("w", {4}, 0, offset)}),
        fmt::format("byte 24: tensor 'w': 16 bytes from offset {} on, but the data has only 64 (from byte 64 on); the "
                    "file is cut short or damaged, fetch it again",
                    offset));
  check(with_tensors({gguf_tensor("b", {4}, 0, 32), gguf_tensor("a", {9}, 0, 0)}),
        "byte 128: tensor 'b' overlaps tensor 'a'; not a valid GGUF file");
  CHECK(contains(reading(with_tensors({gguf_tensor("a", {4}, 0, 0), gguf_tensor("b", {4}, 0, 0)})), "overlaps tensor"));
}

TEST_CASE("every prefix and every flipped byte of a sound file is read or refused with one line") {
  const std::string sound = read_text("tests/formats/golden/gguf/dtypes.gguf");
  REQUIRE(reading(sound).empty());
  const GgufFile file = GgufFile::parse(as_bytes(sound), "file");
  const auto data = static_cast<std::size_t>(file.tensors().front().bytes.data() - as_bytes(sound).data());
  for (std::size_t i = 0; i < sound.size(); i += i < data ? 1 : 97) CHECK_FALSE(reading(sound.substr(0, i)).empty());
  for (std::size_t i = 0; i < data; ++i) {
    for (const int mask : {0x01, 0x20, 0x80}) {
      std::string flipped = sound;
      flipped[i] = static_cast<char>(flipped[i] ^ mask);
      CHECK(reading(flipped).find('\n') == std::string::npos);
    }
  }
}

TEST_CASE("a folder, a missing file") {
  const Folder folder;
  CHECK(contains(error_of([&] { GgufFile::open(folder.path()); }), folder.path().string()));
  CHECK(contains(error_of([&] { GgufFile::open(folder / "none.gguf"); }), "No such file"));
}
