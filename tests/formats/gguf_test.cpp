#include "core/formats/gguf.h"

#include <bit>
#include <cmath>
#include <sstream>

#include "core/formats/dequantise.h"
#include "tests/formats/gguf_bytes.h"
#include "tests/formats/support.h"

using namespace dsd;
using namespace dsd::testing;

namespace {

const fs::path kGolden = "tests/formats/golden/gguf";

std::string hex(std::span<const float> values) {
  std::string text;
  for (const std::byte byte : std::as_bytes(values)) text += fmt::format("{:02x}", static_cast<unsigned>(byte));
  return text;
}

std::string described(const TensorInfo& tensor) {
  std::string shape = shape_text(tensor.shape);
  std::erase_if(shape, [](char c) { return c == ' ' || c == '[' || c == ']'; });
  return fmt::format("{}\t{}\t{}\t{}", tensor.name, dtype_name(tensor.dtype), shape, hex(read_values(tensor, "file")));
}

GgufFile parsed(const std::string& bytes) { return GgufFile::parse(as_bytes(bytes), "file"); }

}  // namespace

TEST_CASE("every type whose values are read, to the bit as the reference package dequantises it") {
  const GgufFile file = GgufFile::open(kGolden / "dtypes.gguf");
  std::istringstream lines(read_text(kGolden / "dtypes.tsv"));
  int count = 0;
  for (std::string line; std::getline(lines, line); ++count) {
    const TensorInfo* tensor = file.find(line.substr(0, line.find('\t')));
    REQUIRE(tensor != nullptr);
    CHECK(described(*tensor) == line);
  }
  CHECK(count == 7);
}

TEST_CASE("types that are only listed have name, shape and bytes, and say so where their values are asked for") {
  const GgufFile file = GgufFile::open(kGolden / "dtypes.gguf");
  int listed = 0;
  for (const TensorInfo& tensor : file.tensors()) {
    if (tensor.name != dtype_name(tensor.dtype)) continue;  // "halves"
    CHECK(dense_bytes(tensor.dtype, tensor.shape) == tensor.bytes.size());
    const std::string message = error_of([&] { read_values(tensor, "file"); });
    if (dequantise_of(tensor.dtype) != nullptr) {
      CHECK(message == "");
      continue;
    }
    ++listed;
    CHECK(message == fmt::format("file: tensor '{0}' is of type {0}; values are read from F32, F64, F16, BF16, Q8_0, "
                                 "Q4_0 and Q4_1",
                                 tensor.name));
  }
  CHECK(listed == 24);
  CHECK(file.find("Q4_K")->shape == std::vector<std::int64_t>{2, 256});
  CHECK(file.find("F64")->shape == std::vector<std::int64_t>{1, 2, 3, 4});
  CHECK(file.find("none") == nullptr);
}

TEST_CASE("values of the metadata of every type") {
  const GgufFile file = GgufFile::open(kGolden / "dtypes.gguf");
  const GgufKeys keys(file);
  CHECK(file.version() == 3);
  CHECK(keys.text("general.architecture") == "llama");
  CHECK(keys.integer("a.u8", 0, 255) == 255);
  CHECK(keys.integer("a.i8", -128, 0) == -128);
  CHECK(keys.integer("a.u16", 0, 65535) == 65535);
  CHECK(keys.integer("a.i16", -32768, 0) == -32768);
  CHECK(keys.integer("a.u32", 0, std::int64_t{1} << 40) == (std::int64_t{1} << 32) - 1);
  CHECK(keys.integer("a.i32", INT32_MIN, 0) == INT32_MIN);
  CHECK(keys.integer("a.i64", INT64_MIN, 0) == INT64_MIN);
  CHECK(keys.number("a.f32") == 0.1f);
  CHECK(keys.number("a.f64") == 0.1);
  CHECK(keys.number("a.u8") == 255);
  CHECK(keys.boolean("a.boolean", false));
  CHECK(keys.text("a.text") == "näme");
  CHECK(keys.integers("a.integers") == std::vector<std::int64_t>{1, -2, 3});
  CHECK(keys.numbers("a.numbers") == std::vector<float>{0.5, -1.5});
  CHECK(keys.texts("a.texts") == std::vector<std::string_view>{"a", "", "中"});
  CHECK(keys.integer("none", 0, 9, 7) == 7);
  CHECK(keys.text("none", "other") == "other");
}

TEST_CASE("a value of another type, out of range or missing is named") {
  const GgufFile file = GgufFile::open(kGolden / "dtypes.gguf");
  const GgufKeys keys(file);
  const std::string place = file.source() + ": ";
  const auto message = [](auto&& read) { return error_of(read); };
  CHECK(message([&] { keys.integer("a.u8", 0, 9); }) == place + "'a.u8' is 255; expected a whole number from 0 to 9");
  CHECK(message([&] { keys.integer("a.u64", 0, INT64_MAX); }) ==
        place + "'a.u64' is 18446744073709551615; expected a whole number from 0 to 9223372036854775807");
  CHECK(message([&] { keys.integer("a.text", 0, 9); }) ==
        place + "'a.text' is 'näme'; expected a whole number from 0 to 9");
  CHECK(message([&] { keys.integer("a.integers", 0, 9); }) ==
        place + "'a.integers' is an array of 3 i32; expected a whole number from 0 to 9");
  CHECK(message([&] { keys.integer("none", 0, 9); }) ==
        place + "its metadata has no 'none'; expected a whole number from 0 to 9");
  CHECK(message([&] { keys.text("a.u8"); }) == place + "'a.u8' is 255; expected a text");
  CHECK(message([&] { keys.boolean("a.f32", true); }) == place + "'a.f32' is 0.1; expected true or false");
  CHECK(message([&] { keys.number("a.boolean"); }) == place + "'a.boolean' is true; expected a finite number");
  CHECK(message([&] { keys.texts("a.numbers"); }) == place + "'a.numbers' is an array of 2 f32; expected texts");
  CHECK(message([&] { keys.integers("a.numbers"); }) ==
        place + "'a.numbers' is an array of 2 f32; expected whole numbers");
  CHECK(message([&] { keys.numbers("a.texts"); }) == place + "'a.texts' is an array of 3 text; expected numbers");
  CHECK(message([&] { keys.texts("a.u8"); }) == place + "'a.u8' is 255; expected an array of texts");
}

TEST_CASE("version 2, an alignment of its own, gaps, empty tensors, single numbers and nested arrays are legal") {
  const std::string inner = gguf_array(GgufType::u8, 2, "ab");
  const std::string bytes =
      gguf({gguf_entry("general.alignment", 8),
            gguf_entry("nested", GgufType::array, gguf_array(GgufType::array, 2, inner + inner))},
           {gguf_tensor("late", {2}, 0, 40), gguf_tensor("number", {}, 0, 0), gguf_tensor("empty", {0, 3}, 0, 16)},
           std::string(48, '\1'), 2);
  const GgufFile file = parsed(bytes);
  CHECK(file.version() == 2);
  CHECK(file.find("late")->bytes.size() == 8);
  CHECK(file.find("number")->shape.empty());
  CHECK(read_values(*file.find("number"), "file").size() == 1);
  CHECK(file.find("empty")->shape == std::vector<std::int64_t>{3, 0});
  CHECK(read_values(*file.find("empty"), "file").empty());
  CHECK(file.value("nested")->bytes.size() == 2 * inner.size());
}

TEST_CASE("the smallest file, and a copy that keeps the map alive") {
  const Folder folder;
  const std::string bytes = gguf({gguf_entry("general.architecture", "llama")}, {gguf_tensor("a.weight", {3, 2}, 0, 0)},
                                 std::string(24, '\0'));
  const fs::path path = folder.write("a.gguf", bytes);
  CHECK(is_gguf(path));
  CHECK_FALSE(is_gguf(folder.write("b.gguf", "GGU")));
  CHECK_FALSE(is_gguf(folder.path()));
  const GgufFile copy = [&] { return GgufFile::open(path); }();
  CHECK(copy.find("a.weight")->shape == std::vector<std::int64_t>{2, 3});
  CHECK(read_values(*copy.find("a.weight"), "file") == std::vector<float>(6));
}

TEST_CASE("halves of every exponent are converted by integers alone") {
  CHECK(half_to_float(0x0001) == 0x1p-24f);
  CHECK(half_to_float(0x83ff) == -0x3ffp-24f);
  CHECK(half_to_float(0x0400) == 0x1p-14f);
  CHECK(half_to_float(0x7bff) == 65504);
  CHECK(half_to_float(0xfc00) == -INFINITY);
  CHECK(std::isnan(half_to_float(0x7e00)));
  CHECK(std::bit_cast<std::uint32_t>(half_to_float(0x8000)) == 0x80000000);
}

TEST_CASE("some rows of a tensor, and interleaved ones put in order") {
  const GgufFile file = GgufFile::open(kGolden / "dtypes.gguf");
  for (const char* name : {"F32", "BF16", "Q8_0", "Q4_1"}) {
    TensorInfo tensor = *file.find(name);
    const std::vector<float> all = read_values(tensor, "file");
    std::vector<float> some(2 * 64);
    read_rows(tensor, 1, 2, some, "file");
    CHECK(std::equal(some.begin(), some.end(), all.begin() + 64));
    tensor.shape = {6, 32};
    tensor.interleaved_rows = 6;  // 0 2 4 are its first half, 1 3 5 its second
    read_rows(tensor, 2, 2, std::span(some).first(64), "file");
    CHECK(std::equal(some.begin(), some.begin() + 32, all.begin() + 4 * 32));
    CHECK(std::equal(some.begin() + 32, some.begin() + 64, all.begin() + 1 * 32));
  }
  TensorInfo vector = *file.find("Q8_0");
  vector.shape = {192};
  std::vector<float> out(48);
  CHECK(error_of([&] { read_rows(vector, 0, 48, out, "file"); }) ==
        "file: tensor 'Q8_0' [192] of type Q8_0 cannot be read row by row");
}
