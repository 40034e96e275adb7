#include "core/formats/gguf_model.h"

#include <algorithm>
#include <bit>

#include "core/formats/checkpoint.h"
#include "core/formats/hf_config.h"
#include "core/formats/json.h"
#include "core/formats/locate.h"
#include "tests/formats/gguf_bytes.h"
#include "tests/formats/support.h"

using namespace dsd;
using namespace dsd::testing;

namespace {

const fs::path kGolden = "tests/formats/golden/gguf";

// The least that a config is made of; `more` entries follow.
std::vector<std::string> settings(std::vector<std::string> more = {}, const std::string& architecture = "llama") {
  std::vector<std::string> entries = {gguf_entry("general.architecture", architecture)};
  const std::pair<const char*, std::uint32_t> numbers[] = {
      {"block_count", 2},          {"embedding_length", 16}, {"feed_forward_length", 24},
      {"attention.head_count", 4}, {"context_length", 64},   {"vocab_size", 9},
  };
  for (const auto& [key, number] : numbers) entries.push_back(gguf_entry(architecture + "." + key, number));
  entries.push_back(gguf_entry(architecture + ".attention.layer_norm_rms_epsilon", GgufType::f32, raw(1e-5f)));
  for (std::string& entry : more) entries.push_back(std::move(entry));
  return entries;
}

std::string number_entry(const char* key, float value) { return gguf_entry(key, GgufType::f32, raw(value)); }

GgufFile parsed(const std::string& bytes) { return GgufFile::parse(as_bytes(bytes), "file"); }

Json config_of(const std::string& bytes) { return parse_json(hugging_face_config(parsed(bytes)), "config"); }

std::string refused_config(const std::vector<std::string>& entries) {
  return error_of([&] { hugging_face_config(parsed(gguf(entries))); });
}

std::string refused_tensor(const std::string& name, const std::vector<std::uint64_t>& shape = {4, 16}) {
  const std::string bytes = gguf(settings(), {gguf_tensor(name, shape, 0, 0)}, std::string(4096, '\0'));
  return error_of([&] { hugging_face_tensors(parsed(bytes)); });
}

std::string floats(const std::vector<float>& values) {
  std::string bytes;
  for (const float value : values) bytes += raw(value);
  return bytes;
}

}  // namespace

TEST_CASE("tensors have transformers' names, shapes and values, to the bit") {
  for (const char* name : {"llama", "llama_untied", "qwen2"}) {
    CAPTURE(name);
    const Checkpoint checkpoint = Checkpoint::open(kGolden / fmt::format("{}.gguf", name));
    const SafetensorsFile expected = SafetensorsFile::open(kGolden / fmt::format("{}.safetensors", name));
    CHECK(checkpoint.names().size() == expected.tensors().size());
    CHECK(std::ranges::is_sorted(checkpoint.names()));
    for (const TensorInfo& tensor : expected.tensors()) {
      CAPTURE(tensor.name);
      const TensorInfo* ours = checkpoint.find(tensor.name);
      REQUIRE(ours != nullptr);
      CHECK(ours->shape == tensor.shape);
      const std::vector<float> values = read_values(*ours, "file"), wanted = read_values(tensor, "expected");
      CHECK(std::equal(values.begin(), values.end(), wanted.begin(), wanted.end(), [](float a, float b) {
        return std::bit_cast<std::uint32_t>(a) == std::bit_cast<std::uint32_t>(b);
      }));
    }
  }
}

TEST_CASE("the config is what transformers makes of the file") {
  for (const char* name : {"llama", "llama_untied", "qwen2"}) {
    CAPTURE(name);
    const GgufFile file = GgufFile::open(kGolden / fmt::format("{}.gguf", name));
    const Json ours = parse_json(hugging_face_config(file), "config");
    const Json expected = parse_json(read_text(kGolden / fmt::format("{}.json", name)), "expected");
    for (const auto& [key, value] : expected.items()) {
      CAPTURE(key);
      REQUIRE(ours.contains(key));
      if (value.is_number_float()) CHECK(ours.at(key).get<float>() == value.get<float>());
      else CHECK(ours.at(key) == value);
    }
    CHECK(ours.at("bos_token_id") == 1);
    CHECK(ours.at("eos_token_id") == 2);
    CHECK(ours.at("pad_token_id").is_null());
    CHECK(ours.at("rope_scaling").is_null());
  }
  CHECK(contains(hugging_face_config(GgufFile::open(kGolden / "llama.gguf")), "\"rms_norm_eps\": 1e-05,"));
}

TEST_CASE("defaults of the keys that may be missing") {
  const Json config = config_of(gguf(settings()));
  CHECK(config.at("num_key_value_heads") == 4);
  CHECK(config.at("head_dim") == 4);
  CHECK(config.at("rope_theta") == 10'000);
  CHECK(config.at("tie_word_embeddings") == true);
  CHECK(config.at("attention_bias") == false);
  CHECK(config_of(gguf(settings({gguf_entry("llama.attention.key_length", 8)}))).at("head_dim") == 8);
}

TEST_CASE("a rotation that is scaled is stated or refused") {
  const Json linear = config_of(
      gguf(settings({gguf_entry("llama.rope.scaling.type", "linear"), number_entry("llama.rope.scaling.factor", 4)})));
  CHECK(linear.at("rope_scaling") == Json{{"rope_type", "linear"}, {"factor", 4.0}});
  CHECK(config_of(gguf(settings({gguf_entry("llama.rope.scaling.type", "none")}))).at("rope_scaling").is_null());
  CHECK(refused_config(settings({gguf_entry("llama.rope.scaling.type", "yarn")})) ==
        "file: 'llama.rope.scaling.type' is 'yarn'; supported: none, linear, and Llama 3's in 'rope_freqs.weight'");
  CHECK(refused_config(settings({number_entry("llama.rope.scale_linear", 2)})) ==
        "file: 'llama.rope.scale_linear' is 2; such models are not supported");

  const auto with_factors = [](const std::vector<float>& factors) {
    return gguf(settings({gguf_entry("llama.attention.key_length", static_cast<std::uint32_t>(2 * factors.size())),
                          number_entry("llama.rope.freq_base", 500'000)}),
                {gguf_tensor("rope_freqs.weight", {factors.size()}, 0, 0)}, floats(factors));
  };
  CHECK(config_of(with_factors({1, 1})).at("rope_scaling").is_null());
  CHECK(hugging_face_tensors(parsed(with_factors({1, 1}))).empty());
  CHECK(contains(error_of([&] {
                   hugging_face_config(parsed(with_factors({1, 2, 3, 4})));
                 }),
                 "tensor 'rope_freqs.weight' scales the rotation of positions by factors that are not Llama 3's"));
  // Llama 3.1 with heads of 8: frequencies 1, 5e5^-1/4 .. are divided by 1, 1, 8, 8.
  const Json llama3 = config_of(with_factors({1, 1, 2.6945298f, 8}));
  CHECK(llama3.at("rope_scaling").at("rope_type") == "llama3");
  CHECK(llama3.at("rope_scaling").at("factor") == 8);
  CHECK(llama3.at("rope_scaling").at("original_max_position_embeddings") == 8192);
  CHECK(refused_config(settings()) == "");
}

TEST_CASE("models that are not supported are named") {
  CHECK(refused_config({gguf_entry("general.architecture", "gemma")}) ==
        "file: 'general.architecture' is 'gemma'; supported: llama, qwen2");
  CHECK(contains(refused_config({}), "its metadata has no 'general.architecture'"));
  CHECK(contains(refused_config({gguf_entry("general.architecture", "llama")}), "'llama."));
  CHECK(refused_config(settings({gguf_entry("llama.expert_count", 8)})) ==
        "file: 'llama.expert_count' is 8; such models are not supported");
  CHECK(refused_config(settings({gguf_entry("llama.expert_count", 0u)})) == "");
  CHECK(refused_config(settings({gguf_entry("llama.rope.dimension_count", 2)})) ==
        "file: 'llama.rope.dimension_count' is 2, but heads are 4 wide; that is not supported");
  CHECK(contains(refused_config(settings({gguf_entry("llama.attention.head_count_kv", 0u)})),
                 "expected a whole number from 1"));
  const std::string per_layer = gguf_array(GgufType::u32, 2, raw(4u) + raw(2u));
  CHECK(contains(refused_config(settings({gguf_entry("llama.attention.head_count_kv", GgufType::array, per_layer)})),
                 "is an array of 2 u32"));
}

TEST_CASE("tensors that are not of the model are named") {
  CHECK(refused_tensor("blk.0.attn_q.weight") == "");
  CHECK(refused_tensor("blk.1.ffn_up.bias", {24}) == "");
  const std::string none = " is none of a llama model of 2 layers; such models are not supported";
  for (const char* name : {"blk.2.attn_q.weight", "blk.00.attn_q.weight", "blk.-1.attn_q.weight", "blk..attn_q.weight",
                           "blk.1", "blk.99999999999999999999.attn_q.weight", "blk.0.attn_q_norm.weight",
                           "blk.0.token_embd.weight", "attn_q.weight", "output.scale", "output", ".weight"})
    CHECK(refused_tensor(name) == fmt::format("file: tensor '{}'", name) + none);
  CHECK(refused_tensor("blk.0.attn_q.weight", {4, 12}) ==
        "file: tensor 'blk.0.attn_q.weight' of shape [12, 4] cannot be 4 heads");
  CHECK(refused_tensor("blk.0.attn_k.bias", {}) == "file: tensor 'blk.0.attn_k.bias' of shape [] cannot be 4 heads");
}

TEST_CASE("a GGUF file is a model by its name, in its folder, and for the config's reader") {
  const Folder folder;
  const fs::path file = folder.write("m/model.gguf", read_text(kGolden / "llama.gguf"));
  CHECK(locate_model(file.string()) == file);
  CHECK(locate_model((folder / "m").string()) == file);
  folder.write("m/other.gguf", "GGUF");
  CHECK(error_of([&] { locate_model((folder / "m").string()); }) ==
        (folder / "m").string() + ": holds 2 GGUF files; name one of them, for example " + file.string());
  folder.write("m/config.json", "{}");
  CHECK(locate_model((folder / "m").string()) == folder / "m");
  const std::string reading = error_of([&] { read_model_config(file); });
  CHECK((reading.empty() || contains(reading, "'model_type' is 'llama'")));  // as the reader knows it or not
}

TEST_CASE("hashes of a GGUF file tell its bytes and order of rows apart, and a safetensors file is a checkpoint too") {
  const Checkpoint whole = Checkpoint::open(kGolden / "llama_untied.gguf");
  CHECK(whole.content_hash() == Checkpoint::open(kGolden / "llama_untied.gguf").content_hash());
  CHECK(whole.content_hash() != Checkpoint::open(kGolden / "llama.gguf").content_hash());
  const Checkpoint file = Checkpoint::open(kGolden / "llama.safetensors");
  CHECK(file.names().size() == SafetensorsFile::open(kGolden / "llama.safetensors").tensors().size());
  CHECK(file.total_bytes() > 0);
}
