#pragma once
// A teacher over a vocabulary whose scores a test knows: hidden states are a function of token and position.

#include <ATen/ATen.h>
#include <unistd.h>

#include <filesystem>

#include "core/base/error.h"
#include "core/teacher/teacher.h"

namespace dsd::testing {

class TokenTeacher : public Teacher {
 public:
  static constexpr std::int64_t kVocabulary = 13, kWidth = 4;

  TokenTeacher() {
    head.master = draw(kVocabulary, 0.9);
    words_ = draw(kVocabulary, 1.7);
  }

  Capabilities can() const override {
    return {.classes = kVocabulary, .layers = 2, .hidden = kWidth, .captures = true};
  }

  TeacherOutputs outputs(const Batch& batch, const Wanted&) override {
    ++calls;
    rows += batch.rows[0].numel();
    const Sequences& text = batch.streams[0];
    const Tensor states = words_.index_select(0, text.ids) + text.positions.unsqueeze(1) * 0.25;
    TeacherOutputs result;
    result.heads.emplace_back(Scores{.rows = batch.rows[0],
                                     .hidden = states.index_select(0, batch.rows[0]),
                                     .weight = &head,
                                     .bias = {},
                                     .scale = 0.5F,
                                     .soft_cap = 8,
                                     .classes = kVocabulary});
    return result;
  }

  Weight head;
  int calls = 0;
  std::int64_t rows = 0;

 private:
  static Tensor draw(std::int64_t rows, double step) {
    return (2 * at::sin(at::arange(rows * kWidth, at::kDouble) * step)).view({rows, kWidth}).to(at::kFloat);
  }

  Tensor words_;
};

// Piece e: e + 2 tokens, of which the head reads all rows but the first e / 2.
inline Batch pieces(const std::vector<int>& examples) {
  std::vector<std::int32_t> ids, offsets{0}, positions, rows;
  Batch batch;
  for (const int e : examples) {
    for (int i = 0; i < e + 2; ++i) {
      ids.push_back((3 * e + i) % static_cast<int>(TokenTeacher::kVocabulary));
      positions.push_back(i);
      if (i >= e / 2) rows.push_back(static_cast<std::int32_t>(ids.size()) - 1);
    }
    offsets.push_back(static_cast<std::int32_t>(ids.size()));
    batch.keys.push_back(Hasher().number(static_cast<std::uint64_t>(e)).key());
  }
  batch.streams.push_back({.ids = at::tensor(ids, at::kInt),
                           .offsets = at::tensor(offsets, at::kInt),
                           .positions = at::tensor(positions, at::kInt),
                           .segments = at::zeros({static_cast<std::int64_t>(ids.size())}, at::kInt),
                           .spans = {}});
  batch.rows.push_back(at::tensor(rows, at::kInt));
  return batch;
}

class StoreFile {
 public:
  StoreFile() : path(std::filesystem::temp_directory_path() / fmt::format("dsd_tokens_{}", ::getpid())) {
    std::filesystem::remove(path);
  }
  ~StoreFile() { std::filesystem::remove(path); }
  StoreFile(const StoreFile&) = delete;
  StoreFile& operator=(const StoreFile&) = delete;

  const std::filesystem::path path;
};

}  // namespace dsd::testing
