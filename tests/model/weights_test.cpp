// Reading, starting students and writing: what is refused, what starts anew, what is copied.
#include <algorithm>
#include <fstream>

#include "core/base/error.h"
#include "core/model/model.h"
#include "tests/check.h"
#include "tests/model/batches.h"

using namespace dsd;

namespace {

const std::filesystem::path kClasses = "tests/model/golden/classes";
const ModelOptions kThree{.head = HeadKind::classes, .outputs = 3, .trainable = false};
const ModelOptions kTwo{.head = HeadKind::classes, .outputs = 2, .trainable = true};

// The golden checkpoint with some tensors dropped, added or changed.
void rewrite(const std::filesystem::path& folder, const std::function<void(std::vector<TensorInfo>&)>& change) {
  std::filesystem::copy_file(kClasses / "config.json", folder / "config.json");
  const SafetensorsFile file = SafetensorsFile::open(kClasses / "model.safetensors");
  std::vector<TensorInfo> tensors(file.tensors().begin(), file.tensors().end());
  change(tensors);
  write_safetensors(folder / "model.safetensors", to_write(tensors), {{"format", "pt"}});
}

void drop(std::vector<TensorInfo>& tensors, const std::string& part) {
  std::erase_if(tensors, [&](const TensorInfo& tensor) { return tensor.name.find(part) != std::string::npos; });
}

TensorInfo& tensor_of(std::vector<TensorInfo>& tensors, const std::string& name) {
  return *std::ranges::find_if(tensors, [&](const TensorInfo& tensor) { return tensor.name == name; });
}

void check_refused(const std::function<void(std::vector<TensorInfo>&)>& change, const char* reason) {
  const TemporaryFolder folder;
  rewrite(folder.path(), change);
  CHECK_THROWS_WITH_AS(load_frozen_model(folder.path()), doctest::Contains(reason), Error);
}

}  // namespace

TEST_CASE("a checkpoint that does not fit its config is refused by the tensor's name") {
  check_refused([](auto& t) { drop(t, "layer.1.attention.self.key.bias"); },
                "'bert.encoder.layer.1.attention.self.key.bias' is missing");
  check_refused([](auto& t) { drop(t, "layer.1."); }, "is missing");
  check_refused([](auto& t) { drop(t, "word_embeddings"); }, "'bert.embeddings.word_embeddings.weight' is missing");
  check_refused(
      [](auto& t) {
        tensor_of(t, "bert.encoder.layer.0.intermediate.dense.weight").shape = {24, 40};
      },
      "has shape [24, 40], but config.json asks for [40, 24]");
  check_refused([](auto& t) { tensor_of(t, "bert.embeddings.LayerNorm.bias").dtype = Dtype::i32; }, "is of dtype I32");
  check_refused(
      [](auto& t) {
        TensorInfo extra = tensor_of(t, "bert.encoder.layer.0.output.dense.bias");
        extra.name = "bert.encoder.layer.2.output.dense.bias";
        t.push_back(extra);
      },
      "has no place in the model");
  check_refused([](auto& t) { drop(t, "classifier."); }, "fine-tune it for the task first");
  check_refused([](auto& t) { drop(t, "pooler."); }, "'bert.pooler.dense.weight'");
  check_refused([](auto& t) { drop(t, "classifier.bias"); }, "'classifier.bias'");
}

TEST_CASE("a tied decoder that differs from the words is refused") {
  const TemporaryFolder folder;
  const std::filesystem::path source = "tests/model/golden/untied";
  std::string config = read_text(source / "config.json");
  const std::string key = "\"tie_word_embeddings\": false";
  config.replace(config.find(key), key.size(), "\"tie_word_embeddings\": true");
  std::ofstream(folder.path() / "config.json") << config;
  std::filesystem::copy_file(source / "model.safetensors", folder.path() / "model.safetensors");
  CHECK_THROWS_WITH_AS(load_frozen_model(folder.path()), doctest::Contains("tie_word_embeddings"), Error);
}

TEST_CASE("a head that lacks, or is for other labels, starts anew and is named") {
  std::vector<std::string> fresh;
  const auto model = load_model(kClasses, kTwo, kWeights, &fresh);
  CHECK(fresh == std::vector<std::string>{"classifier.weight", "classifier.bias"});
  CHECK(model->config().head.labels == std::vector<std::string>{"LABEL_0", "LABEL_1"});
  CHECK(weight_of(*model, "classifier.bias").master.abs().max().item<float>() == 0);
  const Tensor drawn = weight_of(*model, "classifier.weight").master;
  CHECK(drawn.sizes() == at::IntArrayRef{2, 24});
  CHECK(drawn.std().item<double>() == doctest::Approx(0.2).epsilon(0.4));  // initializer_range of the golden config
  CHECK(drawn.equal(weight_of(*load_model(kClasses, kTwo, kWeights, &fresh), "classifier.weight").master));

  fresh.clear();
  const auto same = load_model(kClasses, kThree, kWeights, &fresh);
  CHECK(fresh.empty());
  CHECK(same->config().head.labels == std::vector<std::string>{"no", "maybe", "yes"});
  CHECK_THROWS_AS(load_model(kClasses, kTwo, kWeights, nullptr), Error);

  fresh.clear();
  const auto masked = load_model(kClasses, {.head = HeadKind::masked_tokens}, kWeights, &fresh);
  CHECK(fresh.size() == 5);
  CHECK(masked->config().head.architectures == std::vector<std::string>{"BertForMaskedLM"});
}

TEST_CASE("a config in place of the folder's own brings labels and dropout") {
  ModelConfig config = read_model_config(kClasses);
  config.head.labels = {"bad", "good"};
  std::get<BertConfig>(config.family).hidden_dropout_prob = 0.4;
  std::vector<std::string> fresh;
  const auto model = load_model(kClasses, config, kTwo, kWeights, &fresh);
  CHECK(model->config().head.labels == config.head.labels);
  CHECK(fresh.size() == 2);
  const TemporaryFolder folder;
  save_model(*model, folder.path(), at::kFloat);
  const ModelConfig written = read_model_config(folder.path());
  CHECK(written.head.labels == config.head.labels);
  CHECK(std::get<BertConfig>(written.family).hidden_dropout_prob == 0.4);
}

TEST_CASE("parameters: order, count, decay and gradients") {
  const auto model = random_model(small_config(), kTwo, kWeights);
  std::vector<std::string> names;
  for (const Parameter& parameter : model->parameters()) {
    names.push_back(parameter.name);
    const Weight& weight = *parameter.weight;
    CHECK(weight.master.requires_grad());
    CHECK(weight.master.is_leaf());
    CHECK((weight.row_gradient != nullptr) == (parameter.name == "embeddings.words.weight"));
    CHECK(weight.master.grad().defined() == (weight.row_gradient == nullptr));
    const bool is_matrix = weight.master.dim() == 2;
    CHECK(parameter.decays == is_matrix);
  }
  CHECK(names.size() == 5 + 3 * 12 + 4);
  CHECK(names.front() == "embeddings.words.weight");
  CHECK(names[5] == "layer.0.attention.qkv.weight");
  CHECK(names.back() == "classifier.bias");
  // By hand: embeddings (23 + 16 + 2 + 2) * 16; a layer 4 (16 * 16 + 16) + (16 * 20 + 20) + (20 * 16 + 16) + 4 * 16;
  // head.
  CHECK(model->parameter_count() == 43 * 16 + 3 * (1088 + 340 + 336 + 64) + (272 + 34));

  const auto masked = random_model(small_config(), {.head = HeadKind::masked_tokens}, kWeights);
  CHECK((weight_of(*masked, "embeddings.words.weight").row_gradient == nullptr));
  CHECK(weight_of(*masked, "embeddings.words.weight").master.grad().defined());
}

TEST_CASE("a student copies the layers it is told to, and names what starts anew") {
  const auto teacher = random_model(small_config(), kThree, kWeights);
  ModelConfig config = teacher->config();
  auto& bert = std::get<BertConfig>(config.family);
  bert.num_hidden_layers = 2;
  std::vector<std::string> fresh;
  const std::vector<std::int64_t> layers{2, 0};
  const auto student = student_model(*teacher, config, layers, true, kThree, kWeights, &fresh);
  CHECK(fresh.empty());
  for (const auto& [to, from] : std::vector<std::pair<int, int>>{{0, 2}, {1, 0}})
    for (const char* stem : {"attention.qkv.weight", "attention.norm.bias", "mlp.down.weight"})
      CHECK(weight_of(*student, fmt::format("layer.{}.{}", to, stem))
                .master.equal(weight_of(*teacher, fmt::format("layer.{}.{}", from, stem)).master));
  for (const char* name : {"embeddings.words.weight", "pooler.weight", "classifier.weight"}) {
    CHECK(weight_of(*student, name).master.equal(weight_of(*teacher, name).master));
    CHECK_FALSE(weight_of(*student, name).master.is_alias_of(weight_of(*teacher, name).master));
  }

  const auto other_head = student_model(*teacher, config, layers, false, kThree, kWeights, &fresh);
  CHECK(fresh == std::vector<std::string>{"classifier.weight", "classifier.bias"});
  CHECK(weight_of(*other_head, "pooler.weight").master.equal(weight_of(*teacher, "pooler.weight").master));

  fresh.clear();
  bert.intermediate_size = 12;
  const auto narrow = student_model(*teacher, config, layers, true, kThree, kWeights, &fresh);
  CHECK(fresh.size() == 2 * 3);  // up, its bias, down: of both layers
  CHECK(weight_of(*narrow, "layer.0.attention.qkv.weight")
            .master.equal(weight_of(*teacher, "layer.2.attention.qkv.weight").master));

  fresh.clear();
  bert.hidden_size = 8;
  const auto small = student_model(*teacher, config, layers, true, kThree, kWeights, &fresh);
  CHECK(fresh.size() == checkpoint_tensors(*small).size() - 1);  // only the classifier's bias fits
  CHECK(small->forward(make_batch({{1, 2, 3}}), {}, {}).heads.at(0).dense.sizes() == at::IntArrayRef{1, 3});

  const std::vector<std::int64_t> one{0}, beyond{0, 3};
  CHECK_THROWS_WITH_AS(student_model(*teacher, config, one, true, kThree, kWeights, &fresh),
                       doctest::Contains("1 layers"), Error);
  CHECK_THROWS_WITH_AS(student_model(*teacher, config, beyond, true, kThree, kWeights, &fresh),
                       doctest::Contains("layer 3"), Error);
  bert.num_attention_heads = 3;
  CHECK_THROWS_WITH_AS(random_model(config, kThree, kWeights), doctest::Contains("3 attention heads"), Error);
}

TEST_CASE("a random model has the deviation of its config, and the same key the same numbers") {
  const auto a = random_model(small_config(), kThree, kWeights), b = random_model(small_config(), kThree, kWeights);
  RandomKey other = kWeights;
  other.seed += 1;
  const auto c = random_model(small_config(), kThree, other);
  const Tensor words = weight_of(*a, "embeddings.words.weight").master;
  CHECK(words.equal(weight_of(*b, "embeddings.words.weight").master));
  CHECK_FALSE(words.equal(weight_of(*c, "embeddings.words.weight").master));
  CHECK(words.std().item<double>() == doctest::Approx(0.3).epsilon(0.1));
  CHECK_FALSE(
      weight_of(*a, "layer.0.attention.out.weight").master.equal(weight_of(*a, "layer.1.attention.out.weight").master));
  CHECK(weight_of(*a, "layer.0.mlp.norm.weight").master.eq(1).all().item<bool>());
  CHECK(weight_of(*a, "layer.0.mlp.norm.bias").master.eq(0).all().item<bool>());
}

TEST_CASE("what is written in half precision is the rounded value, and fp16 refuses what it cannot hold") {
  const auto model = random_model(small_config(), kThree, kWeights);
  for (const auto dtype : {at::kBFloat16, at::kHalf}) {
    const TemporaryFolder folder;
    save_model(*model, folder.path(), dtype);
    const auto again = load_frozen_model(folder.path());
    const Tensor& words = weight_of(*model, "embeddings.words.weight").master;
    CHECK(weight_of(*again, "embeddings.words.weight").master.equal(words.to(dtype).to(at::kFloat)));
    CHECK(Checkpoint::open(folder.path()).at("classifier.weight").dtype ==
          (dtype == at::kHalf ? Dtype::f16 : Dtype::bf16));
  }
  weight_of(*model, "layer.0.mlp.up.bias").master[0] = 1e6;
  const TemporaryFolder folder;
  CHECK_THROWS_WITH_AS(save_model(*model, folder.path(), at::kHalf), doctest::Contains("intermediate.dense.bias"),
                       Error);
  CHECK(std::filesystem::is_empty(folder.path()));
  save_model(*model, folder.path(), at::kBFloat16);
}

TEST_CASE("a frozen model's tables are views of the file, which outlives its name") {
  const TemporaryFolder folder;
  rewrite(folder.path(), [](auto&) {});
  const auto model = load_frozen_model(folder.path());
  const Tensor before = weight_of(*model, "embeddings.words.weight").master.clone();
  std::filesystem::remove(folder.path() / "model.safetensors");
  CHECK(weight_of(*model, "embeddings.words.weight").master.equal(before));
}
