// The generator and its sampler: against a real model's golden ids, and closed forms.
#include <cmath>
#include <set>

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/eval/generator.h"
#include "core/formats/json.h"
#include "tests/check.h"

using namespace dsd;

namespace {

const std::filesystem::path kStories = "../shared/data/models/stories260K/hf";

std::vector<float> log_of(std::vector<double> shares) {
  std::vector<float> logits;
  for (const double share : shares) logits.push_back(static_cast<float>(std::log(share)));
  return logits;
}

std::vector<int> draw(std::span<const float> logits, SamplingSettings settings, int count) {
  std::vector<int> seen(logits.size(), 0);
  for (int i = 0; i < count; ++i)
    ++seen[static_cast<std::size_t>(choose_token(logits, settings, 3, static_cast<std::uint32_t>(i)))];
  return seen;
}

}  // namespace

TEST_CASE("greedy ids and logits of stories260K are its golden ones") {
  if (!std::filesystem::exists(kStories)) {
    MESSAGE("SKIPPED: ", kStories.string(), " is not there");
    CHECK(true);
    return;
  }
  const auto model = load_frozen_model(kStories);
  const Json golden = parse_json(read_text(kStories / "golden.json", 1 << 20), "golden.json");
  const auto prompt = golden["ids"].get<std::vector<std::int32_t>>();
  const auto greedy = golden["greedy_ids"].get<std::vector<std::int32_t>>();
  // Beside another prompt, which must not matter.
  const auto texts = generate(*model, {prompt, {1, 403}}, {.new_tokens = std::ssize(greedy)}, 0, {});
  std::vector<std::int32_t> expected = greedy;
  // The golden list may repeat the prompt.
  if (std::equal(prompt.begin(), prompt.end(), expected.begin(),
                 expected.begin() + std::min(std::ssize(prompt), std::ssize(expected))))
    expected.erase(expected.begin(), expected.begin() + std::ssize(prompt));
  expected.resize(std::min(expected.size(), texts[0].ids.size()));
  REQUIRE(expected.size() >= 40);
  CHECK(std::equal(expected.begin(), expected.end(), texts[0].ids.begin()));
  CHECK(texts[1].ids.size() == greedy.size());
}

TEST_CASE("a text ends before an end token, at its length, or when its reader has enough") {
  if (!std::filesystem::exists(kStories)) {
    MESSAGE("SKIPPED: ", kStories.string(), " is not there");
    CHECK(true);
    return;
  }
  const auto model = load_frozen_model(kStories);
  const std::vector<std::int32_t> prompt{1, 403, 407, 261, 378};
  const auto all = generate(*model, {prompt}, {.new_tokens = 9}, 0, {});
  CHECK(all[0].ids.size() == 9);
  CHECK((all[0].ending == Ending::length));
  const auto ended = generate(*model, {prompt}, {.new_tokens = 9, .end_tokens = {all[0].ids[4]}}, 0, {});
  CHECK(ended[0].ids.size() <= 4);
  CHECK((ended[0].ending == Ending::end_token));
  const auto stopped =
      generate(*model, {prompt}, {.new_tokens = 9}, 0, [](std::size_t, std::int32_t) { return false; });
  CHECK(stopped[0].ids.size() == 1);
  CHECK((stopped[0].ending == Ending::sink));
  CHECK_THROWS_AS(generate(*model, {{}}, {.new_tokens = 9}, 0, {}), Error);
  CHECK_THROWS_AS(generate(*model, {prompt}, {.new_tokens = 509}, 0, {}), Error);
  CHECK_THROWS_AS(generate(*model, {{1, 600}}, {.new_tokens = 2}, 0, {}), Error);
}

TEST_CASE("a long prompt is read in pieces: greedy tokens are those of the whole text without a cache") {
  R1Config r1;
  r1.vocab_size = 31, r1.hidden_size = 16, r1.num_attention_heads = 2, r1.num_key_value_heads = 1, r1.head_dim = 8;
  r1.intermediate_size = 12, r1.num_hidden_layers = 2, r1.num_experts = 2, r1.initializer_range = 0.5;
  const ModelConfig config{.family = r1, .head = {}, .json = {}};
  const auto model = random_model(config, {.head = HeadKind::next_token, .trainable = false}, {.seed = 3});
  std::vector<std::int32_t> prompt, shorter{4, 5};
  for (std::int32_t i = 0; i < 2500; ++i) prompt.push_back(i * i % 31);
  const auto texts = generate(*model, {prompt, shorter}, {.new_tokens = 6}, 0, {});
  const at::NoGradGuard no_grad;
  for (std::size_t p = 0; p < 2; ++p) {
    std::vector<std::int32_t> whole = p == 0 ? prompt : shorter;
    for (const std::int32_t token : texts[p].ids) {
      const std::int64_t count = std::ssize(whole);
      Batch batch;
      batch.streams.push_back({.ids = at::tensor(whole, at::kInt),
                               .offsets = at::tensor({std::int64_t{0}, count}, at::kInt),
                               .positions = at::arange(count, at::kInt),
                               .segments = at::zeros({count}, at::kInt)});
      batch.rows.push_back(at::tensor({count - 1}, at::kInt));
      const Scores scores = model->forward(batch, {}, {}).heads.at(0);
      CHECK(at::linear(scores.hidden, scores.weight->master).argmax().item<std::int32_t>() == token);
      whole.push_back(token);
    }
    CHECK(texts[p].ids.size() == 6);
  }
}

TEST_CASE("draws follow the softmax, the filters and the seed alone") {
  const auto logits = log_of({0.5, 0.3, 0.15, 0.05});
  constexpr int kDraws = 20000;
  const auto plain = draw(logits, {.temperature = 1, .seed = 1}, kDraws);
  for (const auto& [token, share] : {std::pair(0, 0.5), std::pair(1, 0.3), std::pair(2, 0.15), std::pair(3, 0.05)})
    CHECK(std::abs(plain[static_cast<std::size_t>(token)] / double(kDraws) - share) <
          4 * std::sqrt(share * (1 - share) / kDraws));
  // Temperature 1/2 squares the shares: 0.25, 0.09, 0.0225, 0.0025 of 0.365.
  CHECK(std::abs(draw(logits, {.temperature = 0.5, .seed = 2}, kDraws)[0] / double(kDraws) - 0.25 / 0.365) < 0.014);
  const auto two = draw(logits, {.temperature = 1, .top_k = 2, .seed = 3}, kDraws);
  CHECK(two[2] + two[3] == 0);
  CHECK(std::abs(two[0] / double(kDraws) - 0.625) < 0.014);
  // The smallest set with at least 0.8 of the mass is the first two; with 0.79 too, with 0.81 three.
  CHECK(draw(logits, {.temperature = 1, .top_p = 0.79, .seed = 4}, kDraws)[2] == 0);
  CHECK(draw(logits, {.temperature = 1, .top_p = 0.81, .seed = 4}, kDraws)[2] > 0);
  CHECK(draw(logits, {.temperature = 1, .top_p = 0.81, .seed = 4}, kDraws)[3] == 0);
  CHECK(draw(logits, {.temperature = 1, .top_p = 0.01, .seed = 4}, 100)[0] == 100);
  CHECK(draw(logits, {.temperature = 1, .seed = 1}, 100) == draw(logits, {.temperature = 1, .seed = 1}, 100));
  CHECK(draw(logits, {.temperature = 1, .seed = 1}, 100) != draw(logits, {.temperature = 1, .seed = 5}, 100));
  CHECK(choose_token(log_of({0.1, 0.45, 0.45}), {}, 0, 0) == 1);
  CHECK_THROWS_AS(choose_token(std::vector<float>{0, NAN}, {}, 0, 0), Error);
  CHECK_THROWS_AS(choose_token(std::vector<float>{-INFINITY, -INFINITY}, {.temperature = 1}, 0, 0), Error);
}
