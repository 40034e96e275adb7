#pragma once
// Batches and small models for the tests of models.
#include <ATen/ATen.h>

#include <random>
#include <vector>

#include "core/model/model.h"

namespace dsd {

// Sequences as token ids; segments alternate so that both rows of a table are read.
inline Batch make_batch(const std::vector<std::vector<std::int32_t>>& texts, std::int64_t first = 0) {
  std::vector<std::int32_t> ids, offsets{0}, positions, segments;
  for (const auto& text : texts) {
    for (std::size_t i = 0; i < text.size(); ++i) {
      ids.push_back(text[i]);
      positions.push_back(static_cast<std::int32_t>(i));
      segments.push_back(static_cast<std::int32_t>(i % 2));
    }
    offsets.push_back(static_cast<std::int32_t>(ids.size()));
  }
  const auto tensor = [](const std::vector<std::int32_t>& values) {
    return at::tensor(values, at::TensorOptions(at::kInt));
  };
  Batch batch;
  batch.streams.push_back({.ids = tensor(ids),
                           .offsets = tensor(offsets),
                           .positions = tensor(positions),
                           .segments = tensor(segments),
                           .spans = {}});
  batch.rows.push_back(batch.streams[0].offsets.slice(0, 0, -1));
  batch.first = first;
  return batch;
}

inline std::vector<std::vector<std::int32_t>> random_texts(const std::vector<int>& lengths, int vocabulary,
                                                           unsigned seed) {
  std::mt19937 generator(seed);
  std::vector<std::vector<std::int32_t>> texts;
  for (const int length : lengths) {
    auto& text = texts.emplace_back();
    for (int i = 0; i < length; ++i)
      text.push_back(static_cast<std::int32_t>(generator() % static_cast<unsigned>(vocabulary)));
  }
  return texts;
}

inline ModelConfig small_config(double dropout = 0) {
  BertConfig bert{.vocab_size = 23,
                  .hidden_size = 16,
                  .num_hidden_layers = 3,
                  .num_attention_heads = 2,
                  .intermediate_size = 20,
                  .hidden_dropout_prob = dropout,
                  .attention_probs_dropout_prob = dropout,
                  .max_position_embeddings = 16,
                  .initializer_range = 0.3};
  return {.family = bert, .head = {}, .json = {}};
}

inline const RandomKey kWeights{.seed = 5, .purpose = Purpose::weights};

inline Site hidden_site(int layer) { return {.kind = Site::Kind::hidden, .layer = layer}; }

inline const Weight& weight_of(Model& model, const std::string& name) {
  for (const Parameter& parameter : model.parameters())
    if (parameter.name == name) return *parameter.weight;
  throw std::runtime_error("no parameter " + name);
}

inline double largest_difference(const Tensor& a, const Tensor& b) {
  return a.numel() == 0 ? 0 : (a.to(at::kDouble) - b.to(at::kDouble)).abs().max().item<double>();
}

// A folder that goes when its owner does.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "dsd_model_XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary folder");
    path_ = name;
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace dsd
