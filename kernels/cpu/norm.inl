// Norms of rows with what stands around them: the residual sum, dropout, and the sum of the embeddings.
#include "kernels/cpu/functions.h"
#include "kernels/cpu/random.h"
#include "kernels/cpu/vector.h"

namespace dsd::cpu {
namespace {

struct NormOutput {
  const float *gain, *bias;
  float *normalised, *out;  // normalised may be null
  float* inverse;           // of this row; may be null
  std::int64_t width;
  float epsilon;
  bool centred;
  DropoutWords dropout;  // of the output
  std::int32_t place, position;
};

// `row` holds the sum to be normalised, `total` the sum of its elements.
inline void normalise(const float* row, float total, const NormOutput& to) {
  const float mean = to.centred ? total / static_cast<float>(to.width) : 0.0f;
  Floats squares{};
  for (std::int64_t column = 0; column < to.width; column += kLanes) {
    const Floats difference = load(row + column, to.width - column) - mean;
    squares = fma(difference, past_the_end(difference, to.width - column, 0.0f), squares);
  }
  const float variance = sum(squares) / static_cast<float>(to.width);
  const float inverse = 1.0f / square_root(splat(variance + to.epsilon))[0];
  if (to.inverse != nullptr) *to.inverse = inverse;
  visit_columns(to.width, to.dropout, to.place, to.position, [&](std::int64_t column, Floats factor) {
    const std::int64_t left = to.width - column;
    const Floats normal = (load(row + column, left) - mean) * inverse;
    if (to.normalised != nullptr) store(to.normalised + column, normal, left);
    const Floats shift = to.bias != nullptr ? load(to.bias + column, left) : Floats{};
    store(to.out + column, fma(normal, load(to.gain + column, left), shift) * factor, left);
  });
}

void norm_forward(const NormForward& work, std::int64_t begin, std::int64_t end) {
  const bool saves = work.inverse != nullptr;
  for (std::int64_t row = begin; row < end; ++row) {
    const std::int64_t source = work.residual_rows != nullptr ? work.residual_rows[row] : row;
    const float* residual = work.residual + source * work.width;
    float* branch = work.branch + row * work.width;
    const bool drops = work.dropout.threshold > 0;
    Floats total{};
    visit_columns(work.width, work.dropout, drops ? work.places[row] : 0, drops ? work.positions[row] : 0,
                  [&](std::int64_t column, Floats factor) {
                    const std::int64_t left = work.width - column;
                    Floats value = load(branch + column, left);
                    if (work.branch_bias != nullptr) value += load(work.branch_bias + column, left);
                    value = fma(value, factor, load(residual + column, left));
                    total += value;
                    store(branch + column, value, left);
                  });
    normalise(branch, sum(total),
              {work.gain,
               work.bias,
               saves ? branch : nullptr,
               work.out + row * work.width,
               saves ? work.inverse + row : nullptr,
               work.width,
               work.epsilon,
               work.centred,
               {},
               0,
               0});
  }
}

void embedding_forward(const EmbeddingForward& work, std::int64_t begin, std::int64_t end) {
  const std::int64_t width = work.width;
  for (std::int64_t row = begin; row < end; ++row) {
    const float* word = work.words + (work.ids != nullptr ? work.ids[row] : row) * width;
    const float* position = work.position_table + work.positions[row] * width;
    const float* segment = work.segment_table + work.segments[row] * width;
    float* out = work.out + row * width;
    Floats total{};
    for (std::int64_t column = 0; column < width; column += kLanes) {
      const std::int64_t left = width - column;
      const Floats value = load(word + column, left) + load(position + column, left) + load(segment + column, left);
      total += value;
      store(out + column, value, left);
    }
    normalise(out, sum(total),
              {work.gain, work.bias, work.normalised != nullptr ? work.normalised + row * width : nullptr, out,
               work.inverse != nullptr ? work.inverse + row : nullptr, width, work.epsilon, true, work.dropout,
               work.places[row], work.positions[row]});
  }
}

// The gradient at the norm's input goes to to_residual; what the branch's dropout leaves of it goes on.
inline void norm_input_gradient(const NormBackward& work, const NormSums& sums, std::int64_t row, float mean_gradient,
                                float mean_product) {
  const std::int64_t at = row * work.width;
  const float inverse = work.inverse[row];
  const bool drops = work.dropout.threshold > 0 && !work.dropout_on_output;
  const DropoutWords dropout = drops ? work.dropout : DropoutWords{};
  visit_columns(work.width, dropout, drops ? work.places[row] : 0, drops ? work.positions[row] : 0,
                [&](std::int64_t column, Floats factor) {
                  const std::int64_t left = work.width - column;
                  float* residual = work.to_residual + at + column;
                  const Floats expected =
                      fma(load(work.normalised + at + column, left), splat(mean_product), splat(mean_gradient));
                  const Floats value = (load(residual, left) - expected) * inverse;
                  const Floats branch = value * factor;
                  store(residual, value, left);
                  if (work.to_branch != nullptr) store(work.to_branch + at + column, branch, left);
                  if (work.to_branch_bf16 != nullptr) store(work.to_branch_bf16 + at + column, branch, left);
                  if (sums.branch != nullptr)
                    store(sums.branch + column, load(sums.branch + column, left) + branch, left);
                });
}

void norm_backward(const NormBackward& work, NormSums sums, std::int64_t begin, std::int64_t end) {
  for (std::int64_t row = begin; row < end; ++row) {
    const std::int64_t at = row * work.width;
    const bool drops = work.dropout.threshold > 0 && work.dropout_on_output;
    const DropoutWords dropout = drops ? work.dropout : DropoutWords{};
    Floats gradients{}, products{};
    visit_columns(work.width, dropout, drops ? work.places[row] : 0, drops ? work.positions[row] : 0,
                  [&](std::int64_t column, Floats factor) {
                    const std::int64_t left = work.width - column;
                    const Floats gradient = load(work.gradient + at + column, left) * factor;
                    const Floats normal = load(work.normalised + at + column, left);
                    store(sums.gain + column, fma(gradient, normal, load(sums.gain + column, left)), left);
                    if (sums.bias != nullptr)
                      store(sums.bias + column, load(sums.bias + column, left) + gradient, left);
                    const Floats scaled = gradient * load(work.gain + column, left);
                    gradients += scaled;
                    products = fma(scaled, normal, products);
                    store(work.to_residual + at + column, scaled, left);
                  });
    const float count = static_cast<float>(work.width);
    norm_input_gradient(work, sums, row, work.centred ? sum(gradients) / count : 0.0f, sum(products) / count);
  }
}

}  // namespace
}  // namespace dsd::cpu
