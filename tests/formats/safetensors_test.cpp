#include "core/formats/safetensors.h"

#include <array>
#include <sstream>

#include "core/formats/json.h"
#include "tests/formats/support.h"

using namespace dsd;
using namespace dsd::testing;

namespace {

const fs::path kGolden = "tests/formats/golden";

std::string written(std::span<const TensorToWrite> tensors, const Metadata& metadata) {
  std::string bytes;
  write_safetensors([&](std::string_view piece) { bytes += piece; }, tensors, metadata);
  return bytes;
}

std::string hex(std::span<const std::byte> bytes) {
  std::string text;
  for (const std::byte byte : bytes) text += fmt::format("{:02x}", static_cast<unsigned>(byte));
  return text;
}

// The lines that the reference package's reading of the file gave.
std::string described(const SafetensorsFile& file) {
  std::map<std::string, std::string> lines;
  for (const TensorInfo& tensor : file.tensors()) {
    std::string shape = shape_text(tensor.shape);
    std::erase_if(shape, [](char c) { return c == ' ' || c == '[' || c == ']'; });
    lines[tensor.name] =
        fmt::format("{}\t{}\t{}\t{}\n", json_quoted(tensor.name), dtype_name(tensor.dtype), shape, hex(tensor.bytes));
  }
  std::string all;
  for (const auto& [name, line] : lines) all += line;
  return all;
}

TensorInfo numbers(const std::string& name, std::vector<std::int64_t> shape, std::span<const float> values) {
  return {name, Dtype::f32, std::move(shape), std::as_bytes(values)};
}

}  // namespace

TEST_CASE("the smallest file is written to the byte") {
  const std::array<float, 2> values = {1, -2};
  const std::vector<TensorInfo> tensors = {numbers("a", {2}, values)};
  const std::string header = R"({"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})";
  const std::string expected =
      std::string("\x58\0\0\0\0\0\0\0", 8) + header + "   " + std::string("\0\0\x80\x3f\0\0\0\xc0", 8);
  CHECK(expected.size() == 104);
  CHECK(written(to_write(tensors), {{"format", "pt"}}) == expected);
}

TEST_CASE("files of the reference writer are read, and written again to the same bytes") {
  for (const char* name : {"dtypes", "shapes", "nothing"}) {
    CAPTURE(name);
    const fs::path path = kGolden / fmt::format("{}.safetensors", name);
    const SafetensorsFile file = SafetensorsFile::open(path);
    CHECK(described(file) == read_text(kGolden / fmt::format("{}.tsv", name)));
    CHECK(written(to_write(file.tensors()), file.metadata()) == read_text(path));
  }
}

TEST_CASE("tensors at odd addresses are legal") {
  const SafetensorsFile file = SafetensorsFile::open(kGolden / "unaligned.safetensors");
  CHECK(described(file) == read_text(kGolden / "unaligned.tsv"));
  std::array<float, 2> values{};
  std::memcpy(values.data(), file.find("then")->bytes.data(), sizeof values);
  CHECK(values[0] == 1.5f);
  CHECK(values[1] == -2.0f);
}

TEST_CASE("tensors are found by name, and a copy keeps the map alive") {
  const std::shared_ptr<const SafetensorsFile> copy = [] {
    const SafetensorsFile file = SafetensorsFile::open(kGolden / "shapes.safetensors");
    return std::make_shared<const SafetensorsFile>(file);
  }();
  REQUIRE(copy->find("deep") != nullptr);
  CHECK(copy->find("deep")->shape == std::vector<std::int64_t>{1, 2, 1, 3});
  CHECK(copy->find("number")->shape.empty());
  CHECK(copy->find("number")->bytes.size() == 4);
  CHECK(copy->find("empty")->bytes.empty());
  CHECK(copy->find("dee") == nullptr);
  CHECK(copy->find("") == nullptr);
  CHECK(copy->metadata() == Metadata{{"quoted \"key\"", "line\nbreak é"}});
}

TEST_CASE("the widths of dtypes and the sizes of tensors") {
  using Shape = std::vector<std::int64_t>;
  CHECK(dense_bytes(Dtype::bf16, Shape{3, 5}) == 30);
  CHECK(dense_bytes(Dtype::f32, Shape{}) == 4);
  CHECK(dense_bytes(Dtype::c64, Shape{2}) == 16);
  CHECK(dense_bytes(Dtype::f4, Shape{3, 2}) == 3);
  CHECK(dense_bytes(Dtype::f4, Shape{3}) == std::nullopt);  // one and a half bytes
  CHECK(dense_bytes(Dtype::f6_e2m3, Shape{4}) == 3);
  CHECK(dense_bytes(Dtype::u8, Shape{std::int64_t{1} << 61}) == std::nullopt);  // its bits overflow
  CHECK(dense_bytes(Dtype::u8, Shape{std::int64_t{1} << 40, std::int64_t{1} << 40}) == std::nullopt);
  CHECK(dense_bytes(Dtype::u8, Shape{-1}) == std::nullopt);
  for (int i = 0; i <= static_cast<int>(Dtype::u64); ++i)
    CHECK(dtype_from_name(dtype_name(static_cast<Dtype>(i))) == static_cast<Dtype>(i));
  CHECK(dtype_from_name("f32") == std::nullopt);
}

TEST_CASE("a writer that hands over too little, or a name twice, leaves no file") {
  const Folder folder;
  const std::array<float, 2> values = {1, -2};
  std::vector<TensorToWrite> tensors = to_write(std::vector<TensorInfo>{numbers("a", {2}, values)});
  tensors[0].shape = {3};
  CHECK(error_of([&] { write_safetensors(folder / "x.safetensors", tensors, {}); }) ==
        "tensor 'a': 8 bytes were handed over, but F32 of shape [3] takes 12");
  tensors[0].shape = {2};
  tensors.push_back(tensors[0]);
  CHECK(error_of([&] { write_safetensors(folder / "x.safetensors", tensors, {}); }) ==
        "tensor 'a' would be written twice");
  tensors.pop_back();
  tensors[0].name = "__metadata__";
  CHECK(contains(error_of([&] { write_safetensors(folder / "x.safetensors", tensors, {}); }), "__metadata__"));
  tensors[0].name = "\xff";
  CHECK(contains(error_of([&] { write_safetensors(folder / "x.safetensors", tensors, {}); }), "invalid UTF-8"));
  CHECK(fs::is_empty(folder.path()));
}
