// Weights from a GGUF file: blocks become numbers, and interleaved rows stand in order, in whatever dtype and place.
#include "core/base/error.h"
#include "core/formats/gguf.h"
#include "core/model/model.h"
#include "tests/check.h"

using namespace dsd;

namespace {

const std::filesystem::path kGolden = "tests/formats/golden/gguf";
const std::string kAttention = "model.layers.0.self_attn.";

// Queries, keys and values as one weight, of the dtype, with its values read from the file.
Tensor read_stacked(const std::string& file, at::ScalarType dtype) {
  const Checkpoint checkpoint = Checkpoint::open(kGolden / file);
  Weight weight;
  WeightEntry entry{.stem = "attention.qkv.weight", .weight = &weight};
  std::int64_t rows = 0;
  for (const char* part : {"q", "k", "v"}) {
    const TensorInfo& tensor = checkpoint.at(kAttention + part + "_proj.weight");
    entry.tensors.push_back({tensor.name, tensor.shape[0]});
    rows += tensor.shape[0];
  }
  entry.shape = {rows, checkpoint.at(entry.tensors[0].name).shape[1]};
  weight.master = at::empty(entry.shape, dtype);
  const FindTensor find = [&](const std::string& name) { return checkpoint.find(name); };
  REQUIRE(is_present(entry, find, file));
  read_weight(entry, find, file);
  return weight.master;
}

}  // namespace

TEST_CASE("a weight stacked from quantised and interleaved tensors has the values that transformers reads") {
  for (const std::string name : {"llama", "llama_untied", "qwen2"}) {
    CAPTURE(name);
    const Tensor expected = read_stacked(name + ".safetensors", at::kFloat);
    CHECK(read_stacked(name + ".gguf", at::kFloat).equal(expected));
    CHECK(read_stacked(name + ".gguf", at::kDouble).equal(expected.to(at::kDouble)));
    CHECK(read_stacked(name + ".gguf", at::kBFloat16).equal(expected.to(at::kBFloat16)));
  }
}

TEST_CASE("a look-up table is a view of the map only where its bytes are fp32 as they stand") {
  const auto maps = [](const std::string& file) {
    const Checkpoint checkpoint = Checkpoint::open(kGolden / file);
    const TensorInfo& words = checkpoint.at("model.embed_tokens.weight");
    Weight weight;
    const WeightEntry entry{.stem = "words",
                            .weight = &weight,
                            .shape = words.shape,
                            .use = WeightUse::look_up,
                            .tensors = {{words.name, words.rows()}}};
    return map_weight(
        entry, [&](const std::string& name) { return checkpoint.find(name); }, checkpoint.owner());
  };
  CHECK(maps("llama.safetensors"));
  CHECK_FALSE(maps("llama.gguf"));
  CHECK_FALSE(maps("llama_untied.gguf"));
}

TEST_CASE("a type whose values are not read is named") {
  const GgufFile file = GgufFile::open(kGolden / "dtypes.gguf");
  Weight weight;
  weight.master = at::empty({2, 256});
  const WeightEntry entry{.stem = "w", .weight = &weight, .shape = {2, 256}, .tensors = {{"Q6_K", 2}}};
  CHECK_THROWS_WITH_AS(read_weight(
                           entry, [&](const std::string& name) { return file.find(name); }, "file"),
                       doctest::Contains("file: tensor 'Q6_K' is of type Q6_K; values are read from"), Error);
}
