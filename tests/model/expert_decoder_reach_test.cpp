// What a token of the article's decoders sees: each mask changes the logits as it should; R1's cache stays bounded over
// 100,000 tokens. Models are random; what is compared are runs that must agree, or not.
#include <cmath>

#include "core/base/error.h"
#include "core/model/families/expert_decoder.h"
#include "tests/model/expected.h"
// Last: it replaces LibTorch's CHECK.
#include "tests/check.h"

using namespace dsd;

namespace {

constexpr int kVocabulary = 37;

template <class Config>
void set_sizes(Config& config) {
  config.vocab_size = kVocabulary;
  config.hidden_size = 16;
  config.num_attention_heads = 4;
  config.num_key_value_heads = 2;
  config.head_dim = 4;
  config.intermediate_size = 12;
  config.num_experts = 2;  // both are taken, so that rounding turns no choice
  config.initializer_range = 0.3;
  config.max_position_embeddings = 1 << 20;
}

V3Config small_v3() {
  V3Config config;
  set_sizes(config);
  config.stages = 2, config.layers_per_stage = 2, config.num_hidden_layers = 4;
  return config;
}

R1Config small_r1(std::int64_t block, std::int64_t look_back, std::int64_t sinks) {
  R1Config config;
  set_sizes(config);
  config.num_hidden_layers = 2;
  config.block_size = block, config.look_back = look_back, config.sinks = sinks;
  return config;
}

std::unique_ptr<Model> model_of(FamilyConfig family, at::ScalarType dtype = at::kFloat) {
  const ModelConfig config{.family = std::move(family), .head = {}, .json = {}};
  return random_model(config, {.head = HeadKind::next_token, .dtype = dtype, .trainable = false}, kWeights);
}

using Texts = std::vector<std::vector<std::int32_t>>;

Batch all_rows(const Texts& texts) {
  Batch batch = make_batch(texts);
  batch.rows[0] = at::arange(batch.streams[0].tokens(), at::TensorOptions(at::kInt));
  return batch;
}

Tensor logits_of(Model& model, const Batch& batch, const Pass& pass = {}) {
  const at::NoGradGuard no_grad;
  return dsd::logits_of(model.forward(batch, {}, pass).heads.at(0));
}
Tensor logits_of(Model& model, const Texts& texts) { return logits_of(model, all_rows(texts)); }

// Whether each row of `a` differs from that of `b`, [N] bool.
Tensor differs(const Tensor& a, const Tensor& b) { return (a - b).abs().amax(1) > 1e-6; }

}  // namespace

TEST_CASE("causal: a token changes its own logits and later ones, none before") {
  for (const FamilyConfig& family : {FamilyConfig(small_v3()), FamilyConfig(small_r1(8, 1, 2))}) {
    const auto model = model_of(family, at::kDouble);
    Texts texts = random_texts({14}, kVocabulary, 1);
    const Tensor before = logits_of(*model, texts);
    texts[0][6] = (texts[0][6] + 1) % kVocabulary;
    const Tensor changed = differs(before, logits_of(*model, texts));
    CHECK_FALSE(changed.slice(0, 0, 6).any().item<bool>());
    CHECK(changed.slice(0, 6).all().item<bool>());
  }
}

TEST_CASE("documents: packed side by side they are as each alone") {
  for (const FamilyConfig& family : {FamilyConfig(small_v3()), FamilyConfig(small_r1(8, 1, 2))}) {
    const auto model = model_of(family, at::kDouble);
    const Texts texts = random_texts({9, 21, 1}, kVocabulary, 2);
    const Tensor packed = logits_of(*model, texts);
    const Tensor alone =
        at::cat({logits_of(*model, {texts[0]}), logits_of(*model, {texts[1]}), logits_of(*model, {texts[2]})});
    CHECK(largest_difference(packed, alone) < 1e-12);
    // One text of the same tokens is another thing.
    Texts joined{texts[0]};
    joined[0].insert(joined[0].end(), texts[1].begin(), texts[1].end());
    CHECK(differs(packed.slice(0, 9, 30), logits_of(*model, joined).slice(0, 9, 30)).all().item<bool>());
  }
}

TEST_CASE("visibility: what a hidden token says reaches nobody else, and hiding it changes what others say") {
  for (const FamilyConfig& family : {FamilyConfig(small_v3()), FamilyConfig(small_r1(8, 1, 2))})
    for (const at::ScalarType type : {at::kFloat, at::kDouble}) {
      const auto model = model_of(family, type);
      Texts texts = random_texts({12}, kVocabulary, 3);
      const Tensor seen = logits_of(*model, texts);
      Batch batch = all_rows(texts);
      Tensor visible = at::ones({12}, at::kBool);
      visible[4] = false;
      batch.streams[0].visible = visible;
      const Tensor hidden = logits_of(*model, batch);
      CHECK_FALSE(differs(seen, hidden).slice(0, 0, 4).any().item<bool>());
      CHECK(differs(seen, hidden).slice(0, 4).all().item<bool>());
      texts[0][4] = (texts[0][4] + 1) % kVocabulary;
      Batch other = all_rows(texts);
      other.streams[0].visible = visible;
      const Tensor changed = differs(hidden, logits_of(*model, other));
      CHECK(changed.nonzero().view(-1).equal(at::tensor({4}, at::kLong)));
      // All visible is no mask at all.
      batch.streams[0].visible = at::ones({12}, at::kBool);
      CHECK(logits_of(*model, batch).equal(seen));
    }
}

TEST_CASE("relative position bias beside rotary positions: both count, and a constant bias says nothing") {
  const auto model = model_of(small_v3(), at::kDouble);
  const Texts texts = random_texts({20}, kVocabulary, 4);
  const Tensor without = logits_of(*model, texts);  // at random weights the bias is 0
  const at::NoGradGuard no_grad;
  const std::vector<const Weight*> biases{&weight_of(*model, "stage.0.attention.distance_bias"),
                                          &weight_of(*model, "stage.1.attention.distance_bias")};
  for (const Weight* bias : biases) bias->master.fill_(1.5);
  CHECK(largest_difference(without, logits_of(*model, texts)) < 1e-12);
  for (const Weight* bias : biases) bias->master.select(1, 3).add_(0.7);
  const Tensor changed = differs(without, logits_of(*model, texts));
  // Bucket 3 is distance 3: the first three tokens have none so far back.
  CHECK_FALSE(changed.slice(0, 0, 3).any().item<bool>());
  CHECK(changed.slice(0, 3).all().item<bool>());
  V3Config other = small_v3();
  other.rope_theta = 10;
  const Tensor turned = differs(without, logits_of(*model_of(other, at::kDouble), texts));
  CHECK_FALSE(turned[0].item<bool>());
  CHECK(turned.slice(0, 2).all().item<bool>());
}

TEST_CASE("buckets of distances are T5's") {
  // transformers 5.23, T5Attention._relative_position_bucket(-d, bidirectional=False, num_buckets=8, max_distance=20).
  const Tensor expected = at::tensor({0, 1, 2, 3, 4, 4, 5, 5, 5, 6, 6, 6, 6, 6, 7, 7, 7, 7, 7, 7, 7}, at::kLong);
  CHECK(distance_buckets(8, 20).equal(expected));
  CHECK(distance_buckets(8, 4).equal(at::arange(5, at::TensorOptions(at::kLong))));
}

TEST_CASE("blocks: a token of R1 sees its own block, those before it as far as it looks back, and the sinks") {
  const auto reaches = [](std::int64_t look_back, std::int64_t sinks, int from, int to) {
    const auto config = [&] {
      R1Config c = small_r1(4, look_back, sinks);
      c.num_hidden_layers = 1;
      return c;
    }();
    const auto model = model_of(config, at::kDouble);
    Texts texts = random_texts({14}, kVocabulary, 5);
    const Tensor before = logits_of(*model, texts);
    texts[0][static_cast<std::size_t>(from)] = (texts[0][static_cast<std::size_t>(from)] + 1) % kVocabulary;
    return differs(before, logits_of(*model, texts))[to].item<bool>();
  };
  // Blocks of 4, the last one of two tokens. The article's preset forgets all before the block.
  CHECK(reaches(0, 0, 12, 13));
  CHECK(reaches(0, 0, 8, 11));
  CHECK_FALSE(reaches(0, 0, 11, 12));
  CHECK_FALSE(reaches(0, 0, 0, 4));
  CHECK(reaches(1, 1, 8, 13));
  CHECK_FALSE(reaches(1, 1, 7, 13));
  CHECK(reaches(1, 1, 0, 13));
  CHECK_FALSE(reaches(1, 1, 1, 13));
}

TEST_CASE("read in pieces, long and short, a text gives the logits of the whole") {
  const std::vector<FamilyConfig> families{small_v3(), small_r1(8, 1, 2), small_r1(8, 0, 0), small_r1(4, 2, 7)};
  for (const FamilyConfig& family : families)
    for (const at::ScalarType type : {at::kFloat, at::kDouble}) {
      const auto model = model_of(family, type);
      const Texts texts = random_texts({61, 33}, kVocabulary, 6);
      const Tensor whole = logits_of(*model, texts);
      KvCache cache = model->make_cache(2, 61);
      std::size_t first = 0, second = 0;
      for (const auto& [a, b] : std::vector<std::pair<std::size_t, std::size_t>>{
               {1, 3}, {29, 1}, {1, 0}, {1, 1}, {1, 1}, {20, 25}, {1, 1}, {7, 1}}) {
        const auto piece = [](const std::vector<std::int32_t>& text, std::size_t from, std::size_t count) {
          return std::vector(text.begin() + static_cast<std::ptrdiff_t>(from),
                             text.begin() + static_cast<std::ptrdiff_t>(from + count));
        };
        const Tensor step =
            logits_of(*model, all_rows({piece(texts[0], first, a), piece(texts[1], second, b)}), {.cache = &cache});
        const auto rows = [&](std::size_t from, std::size_t count) {
          return whole.narrow(0, static_cast<std::int64_t>(from), static_cast<std::int64_t>(count));
        };
        CHECK(largest_difference(step, at::cat({rows(first, a), rows(61 + second, b)})) < 1e-4);
        first += a, second += b;
      }
      CHECK(cache.counts == std::vector<std::int32_t>{61, 33});
    }
}

TEST_CASE("100,000 tokens: the cache keeps (look_back + 1) * block + sinks rows a layer, and the logits are right") {
  constexpr std::int64_t kTokens = 100'000, kPiece = 4000;
  for (const auto& [look_back, sinks] : {std::pair<std::int64_t, std::int64_t>{1, 4}, {0, 0}}) {
    const auto model = model_of(small_r1(64, look_back, sinks));
    const Texts texts = random_texts({kTokens + 70}, kVocabulary, 7);
    const Tensor whole = logits_of(*model, texts);
    KvCache cache = model->make_cache(1, kTokens + 70);
    double largest = 0;
    for (std::int64_t at = 0; at < kTokens + 70;) {
      // The last 70 tokens come one by one, over the end of a block.
      const std::int64_t count = at < kTokens ? kPiece : 1;
      const auto begin = texts[0].begin() + at;
      const Tensor step = logits_of(*model, all_rows({{begin, begin + count}}), {.cache = &cache});
      largest = std::max(largest, largest_difference(step, whole.narrow(0, at, count)));
      at += count;
    }
    CHECK(largest < 1e-4);
    CHECK(cache.counts[0] == kTokens + 70);
    for (const KvCache::Layer& layer : cache.layers)
      for (const Tensor& rows : {layer.keys, layer.values}) {
        CHECK(rows.size(0) == (look_back + 1) * 64 + sinks);
        CHECK(rows.storage().nbytes() == static_cast<std::size_t>(rows.numel()) * sizeof(float));
      }
  }
}

TEST_CASE("a cache has no more rows than the text that it was made for") {
  const auto model = model_of(small_r1(64, 1, 4));
  KvCache cache = model->make_cache(1, 10);
  CHECK(cache.layers[0].keys.size(0) == 10);
  const Texts texts = random_texts({11}, kVocabulary, 8);
  CHECK_THROWS_AS(logits_of(*model, all_rows(texts), {.cache = &cache}), Error);
  CHECK_NOTHROW(logits_of(*model, all_rows({{1, 2, 3}}), {.cache = &cache}));
}

TEST_CASE("rotary rows are made for the positions of a forward alone, exact far out") {
  Tensor rows;
  const Tensor far = at::tensor({100'000, 7, 123'456'789}, at::kInt);
  const RotaryTable table = rotary_of(far, 8, 10'000, at::kDouble, &rows);
  CHECK(table.cosine.size(0) == 3);
  CHECK(rows.equal(at::tensor({0, 1, 2}, at::kInt)));
  for (std::int64_t i = 0; i < 3; ++i)
    for (std::int64_t pair = 0; pair < 4; ++pair) {
      const double angle = far[i].item<double>() * std::pow(10'000.0, -static_cast<double>(pair) / 4);
      CHECK(table.cosine[i][pair].item<double>() == doctest::Approx(std::cos(angle)).epsilon(1e-6));
      CHECK(table.sine[i][pair].item<double>() == doctest::Approx(std::sin(angle)).epsilon(1e-6));
    }
  // Positions of one range share their rows.
  const RotaryTable shared = rotary_of(at::tensor({50, 51, 52, 51, 50}, at::kInt), 8, 10'000, at::kFloat, &rows);
  CHECK(shared.cosine.size(0) == 3);
  CHECK(rows.equal(at::tensor({0, 1, 2, 1, 0}, at::kInt)));
}
