#pragma once
// A teacher whose outputs are computed once for an example and remembered in a store: bound to the example, never to
// the batch or the step. The loss always reads what the store holds, the first time too.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>

#include "core/base/hash.h"
#include "core/teacher/record_store.h"
#include "core/teacher/teacher.h"

namespace dsd {

// Of all that determines a teacher's logits beside the example: config, weights and their dtype, order of columns.
Key128 teacher_key(Model& model, std::span<const std::int32_t> columns);

// What is kept of each row that the head reads, and of each token where losses on features read the teacher's states.
struct RememberedForm {
  enum class Kind {
    logits,  // of a few classes, one row a sequence
    hidden,  // [H] before a head over a vocabulary, whose scores they are with the head's weight
    top_k    // ids and log-probabilities of the likeliest tokens at `temperature`, and the log of the rest's share
  } kind = Kind::logits;
  at::ScalarType dtype = at::kFloat;  // of hidden states and of what `sites` give: fp32 or bf16
  std::int64_t top_k = 0;
  double temperature = 1;
  std::vector<Site> sites;  // captured of every token of an example
};

// The likeliest tokens of each row, by tiles of rows.
TopK top_k_of(const Scores& scores, std::int64_t k, double temperature);

class RememberedTeacher : public Teacher {
 public:
  // `teacher` must outlive it. `file` is made, or read where an earlier process has left it; a resumed run then cuts
  // its own to its checkpoint's length, one that starts anew to 0. An empty path is a file without a name, for a trial.
  // `key` is teacher_key of the model behind `teacher`.
  RememberedTeacher(Teacher& teacher, const std::filesystem::path& file, const Key128& key, std::int64_t budget_bytes,
                    RememberedForm form = {});

  Capabilities can() const override;  // captures are the form's sites, and no others

  // Of every row that the head reads, and of the form's sites; batches marked transient go past the store.
  TeacherOutputs outputs(const Batch& batch, const Wanted& wanted) override;

  // Records so far, all of them synced to disk: what a checkpoint may count on.
  std::int64_t length();
  void cut(std::int64_t length) { store_.cut(length); }

  // What the k likeliest tokens leave, on the average over the rows handed out so far; none where whole scores are.
  std::optional<double> mean_tail() const;

 private:
  // One tensor of a batch, in host memory: rows bounds[s] ... bounds[s + 1] - 1 are sequence s's.
  struct Piece {
    Tensor rows;
    std::span<const std::int64_t> bounds;
  };
  struct Bounds {
    std::vector<std::int64_t> rows, tokens;
  };
  std::vector<Piece> pieces_for(const Batch& batch, const Bounds& bounds) const;  // without values
  std::vector<Tensor> given(const TeacherOutputs& outputs);                       // what the pieces are to hold

  void compute_missing(const Batch& batch);
  void append(const Batch& examples, std::span<const Piece> pieces);
  void recall(const Batch& batch, std::span<const Piece> pieces) const;
  Target target_of(const Batch& batch, std::span<const Piece> pieces);
  Target in_form(Target target) const;
  const Scores& head(const Batch& batch);

  Teacher& teacher_;
  RememberedForm form_;
  RecordStore store_;
  std::optional<Scores> head_;  // the teacher's, without rows
  double tail_ = 0;             // sum over `tail_rows_`
  std::int64_t tail_rows_ = 0;
};

}  // namespace dsd
