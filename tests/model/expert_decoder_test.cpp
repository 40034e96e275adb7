// The article's decoders against their references in Python: golden_v3_r1/ is written by
// scripts/reference/v3_r1_golden.py from tests/parity/reference_v3.py and reference_r1.py.
#include <fstream>
#include <iterator>

#include "core/base/error.h"
#include "core/model/blocks/cache.h"
#include "core/model/families/expert_decoder.h"
#include "core/model/parameter_counts.h"
#include "losses/expert_balance.h"
#include "tests/model/expected.h"
// Last: it replaces LibTorch's CHECK.
#include "tests/check.h"

using namespace dsd;

namespace {

const std::filesystem::path kGolden = "tests/model/golden_v3_r1";
const std::vector<std::string> kCases{"v3_shared",  "v3_own_routers", "v3_visible",    "v3_classes", "r1_default",
                                      "r1_article", "r1_visible",     "r1_wide_block", "r1_values"};

bool classifies(const std::string& name) { return name == "v3_classes" || name == "r1_values"; }

Batch golden_batch(const Expected& expected, const std::string& name) {
  Batch batch = batch_of(expected, classifies(name));
  const Tensor visible = expected.at("visible").to(at::kBool);
  if (!visible.all().item<bool>()) batch.streams[0].visible = visible;
  return batch;
}

Wanted all_of(const Expected& expected) {
  Wanted wanted{.heads = true, .sites = {}, .routing = true};
  for (int i = 0; expected.has(fmt::format("hidden.{}", i)); ++i) wanted.sites.push_back(hidden_site(i));
  return wanted;
}

double balance_of(const Outputs& outputs, const Batch& batch) {
  const ExpertBalance loss;
  return loss.sum({.student = {&outputs, 1}, .batch = batch}).item<double>() / loss.count(batch);
}

void compare(Model& model, const std::string& name, double bound) {
  const at::NoGradGuard no_grad;
  const Expected expected = expected_of(kGolden / name);
  const Batch batch = golden_batch(expected, name);
  const Wanted wanted = all_of(expected);
  const Outputs outputs = model.forward(batch, wanted, {});
  for (const Site& site : wanted.sites) {
    CAPTURE(name_of(site));
    CHECK(largest_difference(outputs.at(site), expected.at(name_of(site))) < bound);
  }
  CHECK(largest_difference(logits_of(outputs.heads.at(0)), expected.at("logits")) < bound);
  CHECK(std::abs(balance_of(outputs, batch) - expected.at("balance").item<float>()) < bound);
  // Without captures the last layer of a classifier runs for the last rows alone.
  CHECK(largest_difference(logits_of(model.forward(batch, {}, {}).heads.at(0)), expected.at("logits")) < bound);
}

// The gradient of a weight as its checkpoint's tensors stand in it.
Tensor expected_gradient(const Expected& expected, const WeightEntry& entry) {
  std::vector<Tensor> parts;
  for (const CheckpointTensor& tensor : entry.tensors) parts.push_back(expected.at("grad." + tensor.name));
  return at::cat(parts);
}

Tensor gradient_of(const Weight& weight) {
  if (!weight.row_gradient) return weight.master.grad();
  const Tensor dense = at::zeros_like(weight.master);
  const auto& rows = weight.row_gradient->rows;
  for (std::size_t i = 0; i < rows.size(); ++i)
    dense[rows[i]].copy_(weight.row_gradient->values[static_cast<std::int64_t>(i)]);
  return dense;
}

// Of sum(logits * projection) + 3 * balance, relative to the largest of each weight.
void compare_gradients(Model& model, const std::string& name, double bound) {
  const Expected expected = expected_of(kGolden / name);
  const Batch batch = golden_batch(expected, name);
  const Outputs outputs = model.forward(batch, {.routing = true}, {.train = true});
  const Tensor logits = logits_of(outputs.heads.at(0));
  const ExpertBalance loss;
  const Tensor balance = loss.sum({.student = {&outputs, 1}, .batch = batch}) / loss.count(batch);
  ((logits * expected.at("projection").to(logits.scalar_type())).sum() + balance * 3).backward();
  const at::NoGradGuard no_grad;
  for (const WeightEntry& entry : model.weights()) {
    CAPTURE(entry.name());
    const Tensor wanted = expected_gradient(expected, entry);
    const double scale = std::max(1.0, wanted.abs().max().item<double>());
    CHECK(largest_difference(gradient_of(*entry.weight), wanted) / scale < bound);
  }
}

std::unique_ptr<Model> trainable(const std::string& name, at::ScalarType dtype) {
  ModelOptions options = frozen_options(read_model_config(kGolden / name));
  options.trainable = true;
  options.dtype = dtype;
  return load_model(kGolden / name, options, {}, nullptr);
}

}  // namespace

TEST_CASE("logits, hidden states and balance equal the reference's, fused and plain") {
  for (const std::string& name : kCases) {
    CAPTURE(name);
    compare(*load_frozen_model(kGolden / name), name, 1e-4);
    compare(*trainable(name, at::kFloat), name, 1e-4);
    compare(*trainable(name, at::kDouble), name, 1e-5);
  }
}

TEST_CASE("gradients of every weight equal the reference's, fused and plain") {
  for (const std::string& name : kCases) {
    CAPTURE(name);
    compare_gradients(*trainable(name, at::kFloat), name, 1e-4);
    compare_gradients(*trainable(name, at::kDouble), name, 1e-5);
  }
}

namespace {

std::string bytes_of(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::string error_of(const std::string& json) {
  try {
    parse_model_config(json, "c");
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("a saved model is read back to the bit, and its Python travels with it") {
  for (const std::string& name : kCases) {
    CAPTURE(name);
    const auto model = load_frozen_model(kGolden / name);
    const TemporaryFolder folder;
    save_model(*model, folder.path(), at::kFloat);
    const Checkpoint source = Checkpoint::open(kGolden / name), written = Checkpoint::open(folder.path());
    CHECK(written.names().size() == source.names().size());
    for (const std::string& tensor : written.names()) {
      CAPTURE(tensor);
      const TensorInfo* original = source.find(tensor);
      REQUIRE((original != nullptr));
      CHECK(std::ranges::equal(original->bytes, written.at(tensor).bytes));
    }
    const std::string code = "reference_" + name.substr(0, 2) + ".py";
    CHECK(bytes_of(folder.path() / code) == bytes_of("tests/parity/" + code));
    const auto again = load_frozen_model(folder.path());
    CHECK((again->config().family == model->config().family));
    CHECK(again->config().head.architectures == model->config().head.architectures);
    compare(*again, name, 1e-4);
  }
}

TEST_CASE("queries, keys and values are captured before they are turned") {
  const std::string name = "v3_own_routers";
  const Expected expected = expected_of(kGolden / name);
  const Batch batch = golden_batch(expected, name);
  for (const at::ScalarType type : {at::kFloat, at::kDouble}) {
    const auto model = trainable(name, type);
    const Site query{.kind = Site::Kind::query, .layer = 1}, value{.kind = Site::Kind::value, .layer = 1};
    const Outputs outputs = model->forward(batch, {.sites = {query, value}}, {.train = true});
    // From the reference's hidden state: a norm of layer 1's own gain, then the first stage's projections.
    const Tensor x = expected.at("hidden.1").to(type);
    const Tensor gain = weight_of(*model, "layer.1.attention.norm.weight").master;
    const Tensor normal = x * at::rsqrt(x.square().mean(1, true) + 1e-3) * gain;
    const Tensor qkv = at::linear(normal, weight_of(*model, "stage.0.attention.qkv.weight").master);
    CHECK(largest_difference(outputs.at(query), qkv.narrow(1, 0, 16)) < 1e-4);
    CHECK(largest_difference(outputs.at(value), qkv.narrow(1, 24, 8)) < 1e-4);
    CHECK(largest_difference(logits_of(outputs.heads.at(0)), expected.at("logits")) < 1e-4);
    outputs.at(query).sum().backward();
    CHECK(weight_of(*model, "stage.0.attention.qkv.weight").master.grad().abs().max().item<double>() > 0);
  }
}

TEST_CASE("routing: of each layer, all rows, where it is asked for and nowhere else") {
  const std::string name = "v3_classes";
  const auto model = load_frozen_model(kGolden / name);
  const Batch batch = golden_batch(expected_of(kGolden / name), name);
  const at::NoGradGuard no_grad;
  CHECK(model->forward(batch, {}, {}).routing.empty());
  const Outputs outputs = model->forward(batch, {.routing = true}, {});
  REQUIRE(outputs.routing.size() == 3);
  for (int layer = 0; layer < 3; ++layer) {
    const Routing& routing = outputs.routing[static_cast<std::size_t>(layer)];
    CHECK(routing.layer == layer);
    CHECK(routing.chosen.sizes() == at::IntArrayRef{27, 2});
    CHECK(largest_difference(routing.probabilities.sum(1), at::ones({27})) < 1e-6);
    const Tensor best = std::get<0>(routing.probabilities.topk(2, 1));
    CHECK(routing.probabilities.gather(1, routing.chosen.to(at::kLong)).equal(best));
  }
}

TEST_CASE("parameters: stored once, counted as often as they are applied") {
  for (const std::string& name : kCases) {
    CAPTURE(name);
    const auto model = load_frozen_model(kGolden / name);
    const ModelConfig& config = model->config();
    const ModelOptions options = frozen_options(config);
    const ParameterCounts counts = parameter_counts(config, options.head, options.outputs);
    CHECK(counts.stored == model->parameter_count());
    // By hand: a layer's attention, experts, and what it has for itself.
    const ExpertDecoderConfig& c = *experts_of(config.family);
    const auto* v3 = std::get_if<V3Config>(&config.family);
    const std::int64_t h = c.hidden_size, width = c.head_dim * (2 * c.num_attention_heads + 2 * c.num_key_value_heads);
    const std::int64_t attention = h * width + (v3 != nullptr ? c.num_attention_heads * v3->distance_buckets : 0);
    const std::int64_t layer = attention + 3 * c.num_experts * c.intermediate_size * h + (2 + c.num_experts) * h;
    const std::int64_t head = classifies(name) ? options.outputs * h : c.tie_word_embeddings ? 0 : c.vocab_size * h;
    CHECK(counts.effective == c.vocab_size * h + c.num_hidden_layers * layer + h + head);
  }
}

TEST_CASE("what the config of an article's decoder may not say") {
  const auto with = [](const std::string& type, const std::string& change) {
    return fmt::format(R"({{"model_type":"{}","vocab_size":7,"hidden_size":8,"num_attention_heads":2,
      "intermediate_size":4{}}})",
                       type, change);
  };
  CHECK(error_of(with("v3", R"(,"stages":2,"layers_per_stage":3)")).empty());
  CHECK(error_of(with("r1", R"(,"num_hidden_layers":3)")).empty());
  for (const char* change :
       {R"(,"layers_per_stage":3)", R"(,"stages":2,"layers_per_stage":3,"share":"some")",
        R"(,"stages":2,"layers_per_stage":3,"num_hidden_layers":5)",
        R"(,"stages":2,"layers_per_stage":3,"num_experts":2,"num_experts_per_tok":3)",
        R"(,"stages":2,"layers_per_stage":3,"distance_buckets":1)", R"(,"stages":2,"layers_per_stage":3,"head_dim":3)",
        R"(,"stages":2,"layers_per_stage":3,"num_key_value_heads":3)"}) {
    CAPTURE(change);
    CHECK_FALSE(error_of(with("v3", change)).empty());
  }
  for (const char* change : {"", R"(,"num_hidden_layers":3,"block_size":0)", R"(,"num_hidden_layers":3,"sinks":-1)",
                             R"(,"num_hidden_layers":3,"look_back":"x")"}) {
    CAPTURE(change);
    CHECK_FALSE(error_of(with("r1", change)).empty());
  }
}
