// The likelihood of next tokens against sums in double, for every form of Scores; perplexity of a split; the unigram
// floor in closed form.
#include "core/eval/perplexity.h"

#include <cmath>
#include <numeric>

#include "core/eval/evaluator.h"
#include "losses/scores.h"
#include "tests/eval/support.h"

#include "tests/check.h"

namespace dsd {
namespace {

using doctest::Approx;
using testing::BigramModel;
using testing::Folder;

// [rows, classes] in double, from the tensors that Scores holds.
std::vector<std::vector<double>> logits_in_double(const Scores& scores) {
  const Tensor hidden = scores.hidden.to(at::kDouble);
  const Tensor matrix =
      (scores.weight->shadow.defined() ? scores.weight->shadow : scores.weight->master).to(at::kDouble);
  std::vector<std::vector<double>> all;
  for (std::int64_t row = 0; row < hidden.size(0); ++row) {
    all.emplace_back();
    for (std::int64_t c = 0; c < scores.classes; ++c) {
      double logit = 0;
      for (std::int64_t h = 0; h < hidden.size(1); ++h)
        logit += hidden[row][h].item<double>() * matrix[c][h].item<double>();
      if (scores.bias.defined()) logit += scores.bias[c].item<double>();
      logit *= scores.scale;
      if (scores.soft_cap > 0) logit = scores.soft_cap * std::tanh(logit / scores.soft_cap);
      all.back().push_back(logit);
    }
  }
  return all;
}

double likelihood_in_double(const std::vector<double>& logits, std::int32_t label) {
  double sum = 0;
  for (const double logit : logits) sum += std::exp(logit);
  return std::log(sum) - logits[static_cast<std::size_t>(label)];
}

Tensor numbers(std::int64_t rows, std::int64_t columns, double step) {
  return at::sin(at::arange(rows * columns, at::kDouble) * step).view({rows, columns}).to(at::kFloat);
}

TEST_CASE("rows of lazy scores, in tiles") {
  constexpr std::int64_t kRows = 2 * kTileRows + 3, kClasses = 11, kWidth = 5;
  Weight weight{.master = 2 * numbers(kClasses + 2, kWidth, 0.7), .shadow = {}};  // two rows that pad the table
  const Tensor labels = at::arange(kRows, at::kInt).remainder(kClasses).to(at::kInt);
  Scores scores{.rows = {}, .hidden = numbers(kRows, kWidth, 0.31), .weight = &weight, .bias = {}, .classes = kClasses};
  for (int form = 0; form < 4; ++form) {
    CAPTURE(form);
    if (form == 1) scores.bias = numbers(1, kClasses, 1.3).squeeze(0);
    if (form == 2) scores.scale = 0.5, scores.soft_cap = 2;
    if (form == 3) weight.shadow = weight.master.to(at::kBFloat16), scores.hidden = scores.hidden.to(at::kBFloat16);
    const auto found = negative_log_likelihoods(scores, labels);
    const auto logits = logits_in_double(scores);
    REQUIRE(std::ssize(found) == kRows);
    for (std::size_t i = 0; i < found.size(); ++i)
      CHECK(found[i] ==
            Approx(likelihood_in_double(logits[i], labels[static_cast<std::int64_t>(i)].item<std::int32_t>()))
                .epsilon(2e-6));
  }
}

TEST_CASE("dense scores stay as they are, and large ones do not overflow") {
  Scores scores{.rows = {},
                .hidden = {},
                .bias = {},
                .classes = 2,
                .dense = at::tensor({1000.0F, 0.0F, 0.0F, 0.0F}).view({2, 2})};
  const auto found = negative_log_likelihoods(scores, at::tensor({1, 0}, at::kInt));
  CHECK(found[0] == 1000);
  CHECK(found[1] == Approx(std::log(2.0)).epsilon(1e-7));
  CHECK(scores.dense[0][0].item<float>() == 1000);
  CHECK(testing::error_of([&] {
          negative_log_likelihoods(scores, at::tensor({1, 2}, at::kInt));
        }) == "a token of the text has id 2, but the model scores 2; was it trained with this tokenizer?");
}

struct Text {
  Folder folder;
  Task task;
  Dataset data;

  explicit Text(std::string_view bytes, std::int64_t max_length = 4) {
    folder.write("a.txt", bytes);
    DataConfig config = testing::data_at(folder.text());
    config.train = config.dev = "a.txt";
    config.separator = "\n";
    config.max_length = max_length;
    task = find_task("language_model", config);
    const Tokenizer tokenizer = testing::letter_tokenizer(folder);
    data.append(task, config, split_files(task, config, Split::dev).front(), tokenizer, 0);
  }
};

TEST_CASE("perplexity of a split: each token but a document's first, whatever the batches") {
  const Text text("a b c d e f\nb a\nc c c c c c c c c\n");
  BigramModel model(57, 8);
  double sum = 0;
  std::int64_t tokens = 0;
  for (std::int64_t i = 0; i < text.data.size(); ++i) {
    const Example piece = text.data.read(i);
    for (std::size_t t = 1; t < piece.ids.size(); ++t, ++tokens)
      sum += likelihood_in_double(model.logits_after(piece.ids[t - 1]), piece.ids[t]);
  }
  CHECK(tokens == 7 + 3 + 10);
  for (const std::int64_t most : {4, 9, 1000}) {
    const EvalResult result = evaluate(model, text.data, text.task, {.tokens = most});
    REQUIRE(result.parts.size() == 1);
    CHECK(result.parts[0].rows == tokens);
    CHECK(result.parts[0].bytes == 11 + 3 + 17);
    CHECK(result.mean(Metric::negative_log_likelihood) == Approx(sum / 20).epsilon(1e-6));
    CHECK(result.score() == Approx(std::exp(sum / 20)).epsilon(1e-5));
    CHECK(result.mean(Metric::bits_per_byte) == Approx(sum / std::log(2.0) / 31).epsilon(1e-6));
  }
}

TEST_CASE("what counts of tokens alone get") {
  const Text train("a a a b\n"), dev("a b c\n");  // targets: a a a b [SEP], and a b c [SEP]
  // One added to each of 57 ids: shares 4, 2, 1 and 2 of 62.
  CHECK(unigram_sum(dev.data, train.data.target_counts(), 1, 57) ==
        Approx(std::log(62.0 / 4) + std::log(62.0 / 2) + std::log(62.0) + std::log(62.0 / 2)).epsilon(1e-12));
  const Baseline own = baseline_of(dev.data, dev.task);
  CHECK(own.result.score() == Approx(4).epsilon(1e-12));  // four tokens, once each
  CHECK(own.result.mean(Metric::bits_per_byte) == Approx(4 * 2.0 / 5).epsilon(1e-12));
}

}  // namespace
}  // namespace dsd
