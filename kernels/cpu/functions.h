#pragma once
// The kernels' inner loops for the CPU, compiled once for each instruction set. Each function walks a range of rows (or
// of tasks) with no thread and no tensor in sight; the launchers in kernels/*.cpp cut the work and own the memory.

#include <cstdint>

#include "kernels/row_temperature.h"
#include "kernels/vocabulary_row_formula.h"

namespace dsd::cpu {

struct DropoutWords {
  std::uint32_t threshold = 0;  // 0: off
  std::uint32_t key[2] = {0, 0};
  float scale = 1;
};

struct AdamConstants {
  float beta1, beta2, epsilon;
};
struct AdamRates {  // the layout of AdamStep
  float decay, step_size, inverse_root;
};
struct AdamRow {
  float *master, *mean, *square;
  std::uint16_t* shadow;  // null: none
};

// y = norm(residual + dropout(branch + branch_bias)), N rows.
struct NormForward {
  const float* residual = nullptr;
  const std::int32_t* residual_rows = nullptr;  // null: row i of residual belongs to row i
  float* branch = nullptr;                      // [N, width]; with `inverse` it ends as the normalised rows
  const float *branch_bias = nullptr, *gain = nullptr, *bias = nullptr;  // both biases may be null
  float* out = nullptr;                                                  // may be `branch` when `inverse` is null
  float* inverse = nullptr;                                              // [N] 1 / deviation; null: nothing is saved
  std::int64_t width = 0;
  float epsilon = 0;
  bool centred = true;  // layer norm; false: root mean square
  DropoutWords dropout;
  const std::int32_t *places = nullptr, *positions = nullptr;  // [N]
};

// y = dropout(norm(words[id] + positions[p] + segments[s])), T rows. `words` is [T, width] where ids is null.
struct EmbeddingForward {
  const float *words = nullptr, *position_table = nullptr, *segment_table = nullptr;
  const std::int32_t *ids = nullptr, *positions = nullptr, *segments = nullptr, *places = nullptr;
  const float *gain = nullptr, *bias = nullptr;
  float* out = nullptr;
  float *normalised = nullptr, *inverse = nullptr;  // null: nothing is saved
  std::int64_t width = 0;
  float epsilon = 0;
  DropoutWords dropout;
};

struct NormBackward {
  const float *gradient = nullptr, *normalised = nullptr, *inverse = nullptr, *gain = nullptr;
  float* to_residual = nullptr;
  float* to_branch = nullptr;  // null: as to_residual, or to_branch_bf16 takes its place
  std::uint16_t* to_branch_bf16 = nullptr;
  std::int64_t width = 0;
  bool centred = true;
  bool dropout_on_output = false;  // of the norm; else of the branch
  DropoutWords dropout;
  const std::int32_t *places = nullptr, *positions = nullptr;
};
struct NormSums {  // [width] each, added to; `branch` may be null
  float *gain, *bias, *branch;
};

enum class Curve { gelu, gelu_tanh, relu, silu };
struct ActivationForward {
  float* values = nullptr;      // [N, width]; with `saves` it ends as the derivative
  const float* bias = nullptr;  // [width]
  float* out = nullptr;         // one of the two
  std::uint16_t* out_bf16 = nullptr;
  std::int64_t width = 0;
  Curve curve = Curve::gelu;
  bool saves = false;
};
struct ActivationBackward {
  float* gradient = nullptr;  // [N, width], overwritten by its product with the derivative when out_bf16 is null
  const float* derivative = nullptr;
  std::uint16_t* out_bf16 = nullptr;
  std::int64_t width = 0;
};

// Attention inside sequences. Task s * heads + h is head h of sequence s.
struct Attention {
  const float *queries = nullptr, *keys = nullptr, *values = nullptr;
  std::int64_t query_stride = 0, key_stride = 0;  // between rows; values stand like keys
  const float* bias = nullptr;                    // [3 * heads * head_width]: queries, keys, values; null: none
  const std::int32_t* offsets = nullptr;          // [S+1] rows of keys
  const std::int32_t* query_offsets = nullptr;    // [S+1] rows of queries
  const std::int32_t* query_rows = nullptr;       // [Q] the packed row of each query; null: all rows
  const std::int32_t* places = nullptr;           // [T]
  std::int64_t heads = 0, head_width = 0;
  float scale = 1;
  DropoutWords dropout;
  float* softmax =
      nullptr;  // [Q, heads, 2] largest score and 1 / sum: written forward (null: not saved), read backward
};
struct AttentionForward {
  Attention attention;
  float* out = nullptr;  // [Q, heads * head_width], one of the two
  std::uint16_t* out_bf16 = nullptr;
};
struct AttentionBackward {
  Attention attention;
  const float* gradient = nullptr;                                        // [Q, heads * head_width]
  float *to_queries = nullptr, *to_keys = nullptr, *to_values = nullptr;  // strides as the operands'
  std::uint16_t *to_queries_bf16 = nullptr, *to_keys_bf16 = nullptr, *to_values_bf16 = nullptr;
};

// Of a pre-norm decoder. y = x / rms(x) * gain, N rows.
struct ScaleNormForward {
  const float *x = nullptr, *gain = nullptr;
  float* out = nullptr;  // one of the two, or both
  std::uint16_t* out_bf16 = nullptr;
  float* inverse = nullptr;  // [N]; null: not saved
  std::int64_t width = 0;
  float epsilon = 0;
};
struct ScaleNormBackward {
  const float *gradient = nullptr, *x = nullptr, *inverse = nullptr, *gain = nullptr;
  float* to_x = nullptr;  // added to
  std::int64_t width = 0;
};

// Rotary positions in place: pairs (i, i + head_width / 2) of each head.
struct Rotation {
  float* values = nullptr;
  std::int64_t stride = 0, heads = 0, head_width = 0;
  const std::int32_t* positions = nullptr;         // [N]
  const float *cosine = nullptr, *sine = nullptr;  // [positions, head_width / 2]
  bool backwards = false;
};

// silu(gate) * up, N rows of [gate | up].
struct GateForward {
  const float* gate_up = nullptr;
  float* out = nullptr;  // one of the two
  std::uint16_t* out_bf16 = nullptr;
  std::int64_t width = 0;
};
struct GateBackward {
  float* gate_up = nullptr;  // overwritten by its gradient
  const float* gradient = nullptr;
  std::int64_t width = 0;
};

// A tile of attention scores, rows of queries by columns of keys: the first `sinks` columns are seen by every row, and
// of the rest row r sees those below last + r, of which the latest `window` (0: all).
struct ScoreTile {
  std::int64_t rows = 0, columns = 0, sinks = 0, last = 0, window = 0;
  float scale = 1;
  const float* distance_bias = nullptr;  // element c - r belongs to column c of row r; null: none
  const float* key_bias = nullptr;       // [columns], 0 or -infinity; null: none
};

// c [m, n] (+)= a w^T for a few rows of a [m, k] against many of w [n, k] in bf16: as fast as w can be read.
struct FewRows {
  const float* a = nullptr;  // contiguous
  const std::uint16_t* w = nullptr;
  float* c = nullptr;
  std::int64_t m = 0, k = 0, c_stride = 0;
  bool adds = false;
};
inline constexpr std::int64_t kFewRows = 8;

// Row losses over a vocabulary: see kernels/vocabulary_row.h.
struct VocabularyRows {
  float *student = nullptr, *teacher = nullptr;  // products, overwritten; teacher may be null
  std::int64_t stride = 0, teacher_stride = 0, classes = 0;
  const std::int32_t* labels = nullptr;  // null: none
  // In place of teacher, its top classes: ids and logs of probabilities [rows, top_count], of all others together
  // [rows]; top_logits [rows, top_count] is scratch.
  const std::int32_t* top_ids = nullptr;
  const float *top_log_p = nullptr, *top_log_tail = nullptr;
  float* top_logits = nullptr;
  std::int64_t top_count = 0;
  VocabularyTerms terms;
  RowTemperature rule;  // rows' own temperatures, and how hard the rows are, [rows]; written where the rule measures
  float *temperatures = nullptr, *difficulties = nullptr;
  float scale = 1, soft_cap = 0, teacher_scale = 1, teacher_soft_cap = 0;
  bool wants_gradient = true, bf16 = false;
};

struct Functions {
  void (*adamw)(AdamRow row, float* gradient, bool clears_gradient, float gradient_scale, std::int64_t count,
                AdamConstants constants, AdamRates rates);
  void (*adamw_replay)(AdamRow row, std::int64_t count, AdamConstants constants, const AdamRates* rates,
                       std::int64_t steps);
  void (*norm_forward)(const NormForward& work, std::int64_t begin, std::int64_t end);
  void (*norm_backward)(const NormBackward& work, NormSums sums, std::int64_t begin, std::int64_t end);
  void (*embedding_forward)(const EmbeddingForward& work, std::int64_t begin, std::int64_t end);
  void (*activation_forward)(const ActivationForward& work, std::int64_t begin, std::int64_t end);
  // `sums` [width] is added to.
  void (*activation_backward)(const ActivationBackward& work, float* sums, std::int64_t begin, std::int64_t end);
  // Scratch as attention_scratch() says.
  void (*attention_forward)(const AttentionForward& work, float* scratch, std::int64_t begin, std::int64_t end);
  // `sums` [3 * heads * head_width] is added to.
  void (*attention_backward)(const AttentionBackward& work, float* sums, float* scratch, std::int64_t begin,
                             std::int64_t end);
  void (*scale_norm_forward)(const ScaleNormForward& work, std::int64_t begin, std::int64_t end);
  // `sums` [width], of the gain's gradient, is added to.
  void (*scale_norm_backward)(const ScaleNormBackward& work, float* sums, std::int64_t begin, std::int64_t end);
  void (*rotate)(const Rotation& work, std::int64_t begin, std::int64_t end);
  void (*gate_forward)(const GateForward& work, std::int64_t begin, std::int64_t end);
  void (*gate_backward)(const GateBackward& work, std::int64_t begin, std::int64_t end);
  // Products become exp(score - largest), `inverse` [rows] 1 / sum, log_sums (null: not wanted) the log of the sum of
  // exponentials.
  void (*softmax_tile)(const ScoreTile& tile, float* scores, float* log_sums, std::int64_t log_stride, float* inverse);
  // Products become probabilities, the probabilities' gradient that of the products. A row's delta is the product of
  // its output with the output's gradient.
  void (*softmax_tile_backward)(const ScoreTile& tile, float* scores, float* gradient, const float* log_sums,
                                std::int64_t log_stride, const float* deltas, std::int64_t delta_stride,
                                float* to_distance_bias);
  // For rows begin ... end of w.
  void (*few_rows)(const FewRows& work, std::int64_t begin, std::int64_t end);
  // Adds to the totals, each row against the teacher times its factor.
  void (*vocabulary_rows)(const VocabularyRows& work, VocabularyTotals* totals, std::int64_t begin, std::int64_t end);
  void (*round_to_bf16)(const float* from, std::uint16_t* to, std::int64_t count);
};

// Floats that one thread needs for sequences of up to `longest` tokens.
std::int64_t attention_scratch(std::int64_t longest, std::int64_t head_width);

enum class Isa { baseline, avx2, avx512 };
bool supported(Isa isa);
const Functions& functions_of(Isa isa);
const Functions& best_functions();  // of this machine

extern const Functions kBaseline, kAvx2, kAvx512;

}  // namespace dsd::cpu
