// The scores by closed forms: what gives nothing counts nothing, what is shared out adds up, and what a walk makes
// again is what the model makes.
#include "core/compress/importance.h"

#include <map>

#include "core/base/error.h"
#include "core/compress/walk.h"
#include "tests/check.h"
#include "tests/compress/families.h"

using namespace dsd;

namespace {

// What layers add behind their MLP's norm, as columns' sums over rows: made again, and as the model has it.
class Rebuilt final : public Watcher {
 public:
  void layer(std::int64_t index, const Tensor& before, const Tensor& after) override {
    const Tensor made = pre_norm ? middle.sum(0) + added : after_norm.sum(0);
    CHECK(largest_difference(made, after.sum(0)) < 1e-4);
    if (!pre_norm) CHECK(largest_difference(after_norm, after) < 1e-5);
    CHECK(before.sizes() == after.sizes());
    CHECK(index == layers++);
    added = Tensor();
  }
  void norm(const std::string& gain, const Tensor& read, const Tensor& made) override {
    if (gain.ends_with("mlp.norm.weight") || gain.ends_with("experts.norm.weight")) middle = read, after_norm = made;
  }
  void heads(std::int64_t, const Tensor& context, const Tensor& out) override { CHECK(context.size(1) == out.size(1)); }
  void neurons(std::int64_t, std::int64_t, const Tensor& inner, const Tensor& down) override {
    const Tensor given = at::linear(inner, down).sum(0);
    added = added.defined() ? added + given : given;
  }
  void routing(std::int64_t, const Tensor& probabilities, const Tensor&) override {
    CHECK(largest_difference(probabilities.sum(1), at::ones({probabilities.size(0)})) < 1e-5);
  }

  bool pre_norm = true;
  std::int64_t layers = 0;
  Tensor middle, after_norm, added;
};

Importance weigh(Model& model) { return measure_importance(model, once({text_batch()})); }

void silence(const Tensor& part) {
  if (part.defined()) part.zero_();
}

}  // namespace

TEST_CASE("a walk makes each layer's rows again as the model made them") {
  for (const Sample& sample : samples()) {
    CAPTURE(sample.name);
    const auto model = make(sample, at::kFloat);
    // A bias behind the MLP is not a neuron's.
    for (int i = 0; i < 4; ++i) silence(weight_in(*model, fmt::format("layer.{}.mlp.down.bias", i)));
    Rebuilt rebuilt;
    rebuilt.pre_norm = !std::holds_alternative<BertConfig>(sample.config.family);
    walk(*model, text_batch(), rebuilt);
    CHECK(rebuilt.layers == 4);
  }
}

TEST_CASE("a layer that is the identity has no influence; the others have theirs by the definition") {
  const Sample sample = llama_sample(false);
  const auto model = make(sample, at::kFloat);
  for (const char* stem : {"layer.1.attention.out.weight", "layer.1.mlp.down.weight"}) silence(weight_in(*model, stem));
  const Importance importance = weigh(*model);
  CHECK(importance.tokens == 44);
  CHECK(importance.layers[1] == 0);
  for (const int other : {0, 2, 3}) CHECK(importance.layers[static_cast<std::size_t>(other)] > 1e-3);

  // By the definition, in float64, from the states that the model captures.
  const Batch batch = text_batch();
  const Outputs outputs =
      model->forward(batch, {.heads = false, .sites = {hidden_site(2), hidden_site(3)}, .routing = false}, Pass{});
  const Tensor a = outputs.at(hidden_site(2)).to(at::kDouble), b = outputs.at(hidden_site(3)).to(at::kDouble);
  const Tensor cosine = (a * b).sum(1) / (a.norm(2, 1) * b.norm(2, 1));
  CHECK(importance.layers[2] == doctest::Approx(1 - cosine.mean().item<double>()).epsilon(1e-9));
}

TEST_CASE("what nobody listens to counts nothing, in every family") {
  for (const Sample& sample : samples()) {
    CAPTURE(sample.name);
    const auto model = make(sample, at::kFloat);
    const std::int64_t groups = weigh(*model).heads[0].numel();
    for (const WeightEntry& entry : model->weights()) {
      const Tensor& master = entry.weight->master;
      if (entry.stem.ends_with("attention.out.weight")) {
        const std::int64_t columns = master.size(1) / groups;
        silence(master.narrow(1, columns, columns));  // the second group of heads
      } else if (entry.stem.ends_with(".down.weight")) {
        silence(master.select(1, 4));
      }
    }
    const Importance importance = weigh(*model);
    for (const Tensor& heads : importance.heads) {
      CHECK(heads[1].item<double>() == 0);
      CHECK(heads[0].item<double>() > 0);
    }
    for (const Tensor& neurons : importance.neurons) {
      CHECK(neurons.select(1, 4).abs().max().item<double>() == 0);
      CHECK(neurons[0][3].item<double>() > 0);
    }
  }
}

TEST_CASE("a neuron's score is the root mean square of its activation times the norm of its column") {
  const Sample sample = bert_sample();
  const auto model = make(sample, at::kFloat);
  // Neuron 0 gives gelu(its bias) for every token.
  silence(weight_in(*model, "layer.2.mlp.up.weight").select(0, 0));
  weight_in(*model, "layer.2.mlp.up.bias").select(0, 0).fill_(2);
  const double gelu = 2 * 0.5 * std::erfc(-2 / std::sqrt(2.0));
  const double column = weight_in(*model, "layer.2.mlp.down.weight").select(1, 0).to(at::kDouble).norm().item<double>();
  CHECK(weigh(*model).neurons[2][0][0].item<double>() == doctest::Approx(gelu * column).epsilon(1e-5));
}

TEST_CASE("the experts of rows that go to all of them share out one; one that gets no row has nothing") {
  Sample sample = r1_sample();
  auto& r1 = std::get<R1Config>(sample.config.family);
  r1.num_experts_per_tok = r1.num_experts;
  auto model = make(sample, at::kFloat);
  const Importance all = weigh(*model);
  REQUIRE(all.experts.size() == 1);
  CHECK(all.experts[0].sum().item<double>() == doctest::Approx(1).epsilon(1e-6));

  r1.num_experts_per_tok = 2;
  model = make(sample, at::kFloat);
  for (int i = 0; i < 4; ++i) {
    const Tensor router = weight_in(*model, fmt::format("layer.{}.experts.router.weight", i));
    router[1].copy_(-router[0]);
    router[3].copy_(-router[2]);
    silence(router[4]);
  }
  const Importance few = weigh(*model);
  CHECK(few.experts[0][4].item<double>() == 0);
  CHECK(few.experts[0][0].item<double>() > 0);
  CHECK(few.neurons[0][4].abs().max().item<double>() == 0);
  CHECK(order_of(few.experts[0]).back() == 4);
}

TEST_CASE("scores do not depend on how the text is cut into batches") {
  for (const Sample& sample : samples()) {
    CAPTURE(sample.name);
    const auto model = make(sample, at::kFloat);
    const auto texts = random_texts({7, 12, 1, 9, 15}, 29, 3);
    std::vector<Batch> cut;
    for (const auto& text : texts) cut.push_back(make_batch({text}));
    const Importance whole = weigh(*model), pieces = measure_importance(*model, once(cut));
    CHECK(pieces.tokens == whole.tokens);
    const auto agree = [](const Tensor& a, const Tensor& b) {
      CHECK(largest_difference(a, b) < 1e-5 * b.abs().max().item<double>());
    };
    agree(pieces.channels, whole.channels);
    for (std::size_t s = 0; s < whole.heads.size(); ++s) agree(pieces.heads[s], whole.heads[s]);
    for (std::size_t s = 0; s < whole.neurons.size(); ++s) agree(pieces.neurons[s], whole.neurons[s]);
    for (std::size_t i = 0; i < whole.layers.size(); ++i)
      CHECK(pieces.layers[i] == doctest::Approx(whole.layers[i]).epsilon(1e-5));
    const Importance again = weigh(*model);
    CHECK(again.channels.equal(whole.channels));
    CHECK(again.layers == whole.layers);
  }
}

TEST_CASE("order: the largest first, of equals the lower; no text is an error") {
  CHECK(order_of(at::tensor({1.0, 3.0, 1.0, 2.0}, at::TensorOptions(at::kDouble))) ==
        std::vector<std::int64_t>{1, 3, 0, 2});
  const auto model = make(bert_sample(), at::kFloat);
  CHECK_THROWS_AS(measure_importance(*model, once({})), Error);
}
