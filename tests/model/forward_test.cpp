// What holds for a forward whatever the weights: packing, pruning, captures, gradients, dropout.
#include "core/base/error.h"
#include "core/model/model.h"
#include "tests/check.h"
#include "tests/model/batches.h"

using namespace dsd;

namespace {

const ModelOptions kFrozen{.head = HeadKind::classes, .outputs = 3, .trainable = false};
const ModelOptions kTrained{.head = HeadKind::classes, .outputs = 3, .trainable = true};
const ModelOptions kDouble{.head = HeadKind::classes, .outputs = 3, .dtype = at::kDouble, .trainable = true};

Tensor logits_of(Model& model, const Batch& batch, const Wanted& wanted = {}, const Pass& pass = {}) {
  return model.forward(batch, wanted, pass).heads.at(0).dense;
}

const RandomKey kDropout{.seed = 9, .purpose = Purpose::dropout, .step = 4};

// A loss that reads each logit with a weight of its own.
Tensor loss_of(const Tensor& logits, std::int64_t first = 0) {
  const Tensor places = at::arange(first, first + logits.size(0), logits.options().requires_grad(false)).unsqueeze(1);
  const Tensor columns = at::arange(logits.size(1), logits.options().requires_grad(false)).unsqueeze(0);
  return (logits * at::cos(places * 3 + columns * 5) + 0.1 * logits * logits).sum();
}

void clear_gradients(Model& model) {
  for (const Parameter& parameter : model.parameters()) {
    if (parameter.weight->row_gradient) *parameter.weight->row_gradient = {};
    else parameter.weight->master.mutable_grad().zero_();
  }
}

std::vector<Tensor> gradients(Model& model) {
  std::vector<Tensor> all;
  for (const Parameter& parameter : model.parameters()) all.push_back(parameter.weight->master.grad().clone());
  return all;
}

}  // namespace

TEST_CASE("a sequence alone gives the logits that it gives in a batch") {
  const at::NoGradGuard no_grad;
  const auto model = random_model(small_config(), kFrozen, kWeights);
  const auto texts = random_texts({4, 1, 16, 2, 9}, 23, 1);
  const Tensor together = logits_of(*model, make_batch(texts));
  for (std::size_t i = 0; i < texts.size(); ++i)
    CHECK(largest_difference(logits_of(*model, make_batch({texts[i]}))[0], together[static_cast<std::int64_t>(i)]) <
          2e-6);
}

TEST_CASE("captures change nothing, and what is not captured is not needed") {
  const auto model = random_model(small_config(), kTrained, kWeights);
  const Batch batch = make_batch(random_texts({5, 3, 8}, 23, 2));
  Wanted all;
  for (int layer = 0; layer <= 3; ++layer) all.sites.push_back(hidden_site(layer));
  for (int layer = 0; layer < 3; ++layer)
    for (const auto kind : {Site::Kind::query, Site::Kind::key, Site::Kind::value})
      all.sites.push_back({.kind = kind, .layer = layer});
  all.sites.push_back({.kind = Site::Kind::pooled});
  all.sites.push_back({.kind = Site::Kind::embedding});
  for (const bool train : {false, true}) {
    at::AutoGradMode mode(train);
    const Outputs everything = model->forward(batch, all, {});
    CHECK(largest_difference(everything.heads.at(0).dense, logits_of(*model, batch)) < 2e-6);
    CHECK(everything.captured.size() == all.sites.size());
    for (const Site& site : all.sites) {
      CAPTURE(name_of(site));
      const Outputs alone = model->forward(batch, {.heads = false, .sites = {site}}, {});
      CHECK(alone.heads.empty());
      CHECK(alone.captured.size() == 1);
      CHECK(largest_difference(alone.at(site), everything.at(site)) < 2e-6);
    }
    // Captures are the model's own sums, not what a later block left in their memory.
    const Tensor qkv =
        at::linear(everything.at(hidden_site(1)), weight_of(*model, "layer.1.attention.qkv.weight").master,
                   weight_of(*model, "layer.1.attention.qkv.bias").master);
    CHECK(largest_difference(everything.at({.kind = Site::Kind::key, .layer = 1}), qkv.narrow(1, 16, 16)) < 2e-6);
    const Tensor first = everything.at(hidden_site(3)).index_select(0, batch.rows[0]);
    const Tensor pooled =
        at::tanh(at::linear(first, weight_of(*model, "pooler.weight").master, weight_of(*model, "pooler.bias").master));
    CHECK(largest_difference(everything.at({.kind = Site::Kind::pooled}), pooled) < 2e-6);
    CHECK(everything.at({.kind = Site::Kind::embedding})
              .equal(weight_of(*model, "embeddings.words.weight").master.index_select(0, batch.streams[0].ids)));
  }
}

TEST_CASE("a site that the model has not is an error") {
  const auto model = random_model(small_config(), kFrozen, kWeights);
  const Batch batch = make_batch({{1, 2}});
  const auto ask = [&](Site site) { model->forward(batch, {.heads = false, .sites = {site}}, {}); };
  CHECK_THROWS_WITH_AS(ask(hidden_site(4)), doctest::Contains("hidden.4"), Error);
  CHECK_THROWS_WITH_AS(ask({.kind = Site::Kind::query, .layer = 3}), doctest::Contains("query.3"), Error);
  CHECK_THROWS_AS(ask(hidden_site(-1)), Error);
}

TEST_CASE("ids, positions and segments outside their tables are errors") {
  const auto model = random_model(small_config(), kFrozen, kWeights);
  CHECK_THROWS_WITH_AS(logits_of(*model, make_batch({{1, 23}})), doctest::Contains("token id 23"), Error);
  CHECK_THROWS_WITH_AS(logits_of(*model, make_batch({{-1}})), doctest::Contains("token id -1"), Error);
  CHECK_THROWS_WITH_AS(logits_of(*model, make_batch(random_texts({17}, 23, 1))), doctest::Contains("position 16"),
                       Error);
  Batch batch = make_batch({{1, 2}});
  batch.streams[0].segments.fill_(2);
  CHECK_THROWS_WITH_AS(logits_of(*model, batch), doctest::Contains("segment 2"), Error);
}

TEST_CASE("the whole model's gradient is the central difference of its loss") {
  const double dropout = 0.2;
  const auto model = random_model(small_config(dropout), kDouble, kWeights);
  const Batch batch = make_batch(random_texts({4, 1, 7}, 23, 3), 6);
  const Pass pass{.train = true, .embeddings = {}, .dropout = kDropout};
  const Wanted wanted{.heads = true, .sites = {hidden_site(1), {.kind = Site::Kind::value, .layer = 2}}};
  const auto loss = [&] {
    const Outputs outputs = model->forward(batch, wanted, pass);
    return loss_of(outputs.heads.at(0).dense) + 0.1 * loss_of(outputs.at(wanted.sites[0])) +
           0.1 * loss_of(outputs.at(wanted.sites[1]));
  };
  loss().backward();
  const at::NoGradGuard no_grad;
  constexpr double kStep = 1e-5;
  std::size_t nonzero = 0;
  for (const Parameter& parameter : model->parameters()) {
    CAPTURE(parameter.name);
    const Tensor values = parameter.weight->master.view({-1}), gradient = parameter.weight->master.grad().view({-1});
    double worst = 0;
    for (std::int64_t i = 0; i < values.numel(); i += std::max<std::int64_t>(1, values.numel() / 7)) {
      const double value = values[i].item<double>();
      values[i] = value + kStep;
      const double above = loss().item<double>();
      values[i] = value - kStep;
      const double below = loss().item<double>();
      values[i] = value;
      worst = std::max(worst, std::abs((above - below) / (2 * kStep) - gradient[i].item<double>()));
    }
    CHECK(worst < 1e-7);
    nonzero += gradient.abs().max().item<double>() > 1e-6 ? 1u : 0u;
  }
  CHECK(nonzero == model->parameters().size());
}

TEST_CASE("gradients with dropout do not depend on the cut of a batch") {
  const auto model = random_model(small_config(0.25), kDouble, kWeights);
  const auto texts = random_texts({4, 1, 7, 12, 3}, 23, 4);
  const Pass pass{.train = true, .embeddings = {}, .dropout = kDropout};
  loss_of(logits_of(*model, make_batch(texts), {}, pass)).backward();
  const auto whole = gradients(*model);
  clear_gradients(*model);
  for (const auto& [begin, end] : std::vector<std::pair<int, int>>{{0, 2}, {2, 3}, {3, 5}})
    loss_of(logits_of(*model, make_batch({texts.begin() + begin, texts.begin() + end}, begin), {}, pass), begin)
        .backward();
  const auto parts = gradients(*model);
  for (std::size_t i = 0; i < whole.size(); ++i) {
    CAPTURE(model->parameters()[i].name);
    CHECK(largest_difference(whole[i], parts[i]) <= 1e-12 * (1 + whole[i].abs().max().item<double>()));
  }
}

TEST_CASE("dropout: another step drops other numbers, no training none, and its rates are the config's") {
  const auto model = random_model(small_config(0.25), kDouble, kWeights);
  const Batch batch = make_batch(random_texts({4, 6}, 23, 5));
  RandomKey next = kDropout;
  next.step = 5;
  const auto with = [&](bool train, const RandomKey& key) {
    return logits_of(*model, batch, {}, {.train = train, .embeddings = {}, .dropout = key});
  };
  CHECK(with(true, kDropout).equal(with(true, kDropout)));
  CHECK_FALSE(with(true, kDropout).equal(with(true, next)));
  CHECK(with(false, kDropout).equal(with(false, next)));
  CHECK_FALSE(with(false, kDropout).equal(with(true, kDropout)));

  // The head alone: what of 400 sequences the classifier misses is what its own rate says.
  ModelConfig config = small_config(0);
  std::get<BertConfig>(config.family).classifier_dropout = 0.5;
  const auto head = random_model(config, kDouble, kWeights);
  const std::vector<std::vector<std::int32_t>> same(400, {3, 4, 5});
  const Pass train{.train = true, .embeddings = {}, .dropout = kDropout};
  const Tensor noisy = logits_of(*head, make_batch(same), {}, train);
  const Tensor exact = logits_of(*head, make_batch({same[0]}));
  const Tensor weights = weight_of(*head, "classifier.weight").master;
  const Tensor pooled =
      head->forward(make_batch({same[0]}), {.heads = false, .sites = {{.kind = Site::Kind::pooled}}}, {})
          .captured[0]
          .second;
  // Each kept with probability 1/2 and doubled: mean as without, variance sum (w x)^2.
  const Tensor variance = (weights * pooled).square().sum(1);
  CHECK(((noisy.mean(0) - exact[0]).abs() < 5 * (variance / 400).sqrt()).all().item<bool>());
  CHECK(((noisy.var(0) / variance - 1).abs() < 0.4).all().item<bool>());
}

TEST_CASE("embeddings handed in stand for the look-up, and gradients reach them") {
  const auto model = random_model(small_config(), kDouble, kWeights);
  const Batch batch = make_batch(random_texts({4, 2}, 23, 6));
  const Tensor looked_up = model->embed(batch, 0);
  CHECK(looked_up.equal(weight_of(*model, "embeddings.words.weight").master.index_select(0, batch.streams[0].ids)));
  const Tensor embeddings = looked_up.detach().clone().set_requires_grad(true);
  const Tensor logits = logits_of(*model, batch, {}, {.train = false, .embeddings = embeddings});
  CHECK(largest_difference(logits, logits_of(*model, batch)) < 1e-12);
  loss_of(logits).backward();
  CHECK(weight_of(*model, "embeddings.words.weight").master.grad().abs().max().item<double>() == 0);
  const Tensor by_token = embeddings.grad().clone();
  clear_gradients(*model);
  loss_of(logits_of(*model, batch)).backward();
  const Tensor summed = at::zeros({23, 16}, at::kDouble).index_add_(0, batch.streams[0].ids, by_token);
  CHECK(largest_difference(weight_of(*model, "embeddings.words.weight").master.grad(), summed) < 1e-12);
}

TEST_CASE("the gradient of the words is kept by row in fp32, and equals the dense one") {
  const auto model = random_model(small_config(), kTrained, kWeights);
  const auto reference = random_model(small_config(), kDouble, kWeights);
  const auto& words = weight_of(*model, "embeddings.words.weight");
  REQUIRE((words.row_gradient != nullptr));
  const auto texts = random_texts({4, 9, 2}, 23, 7);
  for (const bool captured : {false, true}) {
    clear_gradients(*model);
    clear_gradients(*reference);
    Wanted wanted;
    if (captured) wanted.sites.push_back({.kind = Site::Kind::embedding});
    for (Model* each : {model.get(), reference.get()}) {
      const Outputs outputs = each->forward(make_batch(texts), wanted, {});
      Tensor loss = loss_of(outputs.heads.at(0).dense);
      if (captured) loss = loss + loss_of(outputs.captured[0].second);
      loss.backward();
    }
    const RowGradient& rows = *words.row_gradient;
    Tensor dense = at::zeros({23, 16});
    for (std::size_t i = 0; i < rows.rows.size(); ++i) dense[rows.rows[i]] = rows.values[static_cast<std::int64_t>(i)];
    const Tensor exact = weight_of(*reference, "embeddings.words.weight").master.grad();
    CHECK(exact.abs().max().item<double>() > 0.01);
    CHECK(largest_difference(dense, exact) < 1e-4 * exact.abs().max().item<double>());
    CHECK(largest_difference(weight_of(*model, "layer.1.mlp.up.weight").master.grad(),
                             weight_of(*reference, "layer.1.mlp.up.weight").master.grad()) < 1e-4);
  }
}
