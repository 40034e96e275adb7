#pragma once
// A model whose answers a test knows beforehand: the logits of a sequence are a function of its ids.

#include <ATen/ATen.h>

#include <functional>
#include <utility>
#include <vector>

#include "core/model/model.h"
#include "tests/data/support.h"

namespace dsd::testing {

class KnownModel final : public Model {
 public:
  using Answer = std::function<std::vector<float>(std::span<const std::int32_t> ids)>;

  KnownModel(HeadInfo head, Answer answer) : answer_(std::move(answer)) { config_.head = std::move(head); }

  Outputs forward(const Batch& batch, const Wanted&, const Pass&) override {
    const Sequences& text = batch.streams.at(0);
    const auto* ids = text.ids.const_data_ptr<std::int32_t>();
    const auto* offsets = text.offsets.const_data_ptr<std::int32_t>();
    tokens_seen.push_back(text.tokens());
    std::vector<Tensor> rows;
    for (std::int64_t s = 0; s < text.count(); ++s)
      rows.push_back(at::tensor(answer_({ids + offsets[s], ids + offsets[s + 1]})));
    Outputs outputs;
    outputs.heads.emplace_back();
    outputs.heads[0].dense = at::stack(rows);
    return outputs;
  }
  Tensor embed(const Batch&, int) override { return {}; }
  std::span<Parameter> parameters() override { return {}; }
  const ModelConfig& config() const override { return config_; }

  std::vector<std::int64_t> tokens_seen;  // of each batch

 private:
  Answer answer_;
  ModelConfig config_;
};

// Tells the next token from the last one alone: logits = head[v] . words[last], both drawn from sines.
class BigramModel final : public Model {
 public:
  BigramModel(std::int64_t vocabulary, std::int64_t width) {
    const auto draw = [&](double step) {
      return at::sin(at::arange(vocabulary * width, at::kDouble) * step).view({vocabulary, width}).to(at::kFloat);
    };
    words_ = draw(1.7);
    head_.master = draw(0.9);
  }

  Outputs forward(const Batch& batch, const Wanted&, const Pass&) override {
    Outputs outputs;
    outputs.heads.emplace_back();
    Scores& scores = outputs.heads[0];
    scores.rows = batch.rows.at(0);
    scores.hidden = words_.index_select(0, batch.streams.at(0).ids.index_select(0, scores.rows));
    scores.weight = &head_;
    scores.classes = head_.master.size(0);
    ++calls;
    rows += scores.rows.size(0);
    return outputs;
  }
  Tensor embed(const Batch&, int) override { return {}; }
  std::span<Parameter> parameters() override { return {}; }
  const ModelConfig& config() const override { return config_; }

  std::vector<double> logits_after(std::int32_t id) const {
    const Tensor logits = at::mv(head_.master.to(at::kDouble), words_[id].to(at::kDouble));
    return {logits.const_data_ptr<double>(), logits.const_data_ptr<double>() + logits.numel()};
  }

  int calls = 0;
  std::int64_t rows = 0;

 private:
  Tensor words_;
  Weight head_;
  ModelConfig config_;
};

inline HeadInfo classes_named(std::vector<std::string> labels) {
  return {.problem_type = ProblemType::single_label_classification, .labels = std::move(labels), .architectures = {}};
}

// SST-2 in rows of one letter: `rows` are (letters, label).
struct SmallTask {
  Folder folder;
  DataConfig config;
  Task task;
  Dataset data;

  SmallTask(const std::string& name, const std::string& file, const std::string& bytes) {
    folder.write(file, bytes);
    config = data_at(folder.text());
    task = find_task(name, config);
    const Tokenizer tokenizer = letter_tokenizer(folder);
    for (const auto& split : split_files(task, config, Split::dev)) data.append(task, config, split, tokenizer, 0);
  }
};

inline constexpr std::int32_t kLetterA = 5;

}  // namespace dsd::testing
