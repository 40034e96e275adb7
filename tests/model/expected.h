#pragma once
// Golden checkpoints: a folder's expected.safetensors, and its packed texts as a batch.
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "core/formats/safetensors.h"
#include "core/model/blocks/decoder.h"
#include "tests/model/batches.h"
// Last: it replaces LibTorch's CHECK.
#include "tests/check.h"

namespace dsd {

struct Expected {
  SafetensorsFile file;
  bool has(const std::string& name) const { return file.find(name) != nullptr; }
  Tensor at(const std::string& name) const {
    const TensorInfo* info = file.find(name);
    REQUIRE((info != nullptr));
    const Tensor tensor = at::empty(info->shape, info->dtype == Dtype::f32 ? at::kFloat : at::kInt);
    if (!info->bytes.empty()) std::memcpy(tensor.mutable_data_ptr(), info->bytes.data(), info->bytes.size());
    return tensor;
  }
};

inline Expected expected_of(const std::filesystem::path& folder) {
  return {SafetensorsFile::open(folder / "expected.safetensors")};
}

// The head reads each sequence's last row, or all.
inline Batch batch_of(const Expected& expected, bool last) {
  const Tensor offsets = expected.at("offsets"), ids = expected.at("ids");
  std::vector<std::vector<std::int32_t>> texts;
  for (std::int64_t s = 0; s + 1 < offsets.size(0); ++s) {
    const Tensor piece = ids.slice(0, offsets[s].item<std::int64_t>(), offsets[s + 1].item<std::int64_t>());
    texts.emplace_back(piece.const_data_ptr<std::int32_t>(), piece.const_data_ptr<std::int32_t>() + piece.numel());
  }
  Batch batch = make_batch(texts);
  if (last) batch.rows.clear();  // the model chooses
  else batch.rows[0] = at::arange(ids.size(0), at::TensorOptions(at::kInt));
  return batch;
}

inline Tensor logits_of(const Scores& scores) {
  return scores.dense.defined() ? scores.dense : at::linear(scores.hidden, scores.weight->master, scores.bias);
}

}  // namespace dsd
