#include "kernels/adamw.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "kernels/adamw_cuda.h"
#include "kernels/parallel.h"

namespace dsd {
namespace {

static_assert(sizeof(AdamStep) == sizeof(cpu::AdamRates));

constexpr std::int64_t kElementsOfAPart = 16384;

cpu::AdamConstants constants_of(const AdamSettings& settings) {
  return {settings.beta1, settings.beta2, settings.epsilon};
}
cpu::AdamRates rates_of(const AdamStep& step) { return {step.decay, step.step_size, step.inverse_root}; }

struct State {
  float *master, *mean, *square;
  std::uint16_t* shadow;

  cpu::AdamRow at(std::int64_t element) const {
    return {master + element, mean + element, square + element, shadow != nullptr ? shadow + element : nullptr};
  }
};

State state_of(const at::Tensor& master, const at::Tensor& mean, const at::Tensor& square, const at::Tensor& shadow) {
  return {master.mutable_data_ptr<float>(), mean.mutable_data_ptr<float>(), square.mutable_data_ptr<float>(),
          shadow.defined() ? bf16_pointer(shadow) : nullptr};
}

void plain_dense(const at::Tensor& master, const at::Tensor& mean, const at::Tensor& square, const at::Tensor& gradient,
                 const at::Tensor& shadow, const AdamSettings& settings, const AdamStep& step) {
  const at::NoGradGuard no_grad;
  master.mul_(step.decay);
  mean.mul_(settings.beta1).add_(gradient, 1.0f - settings.beta1);
  square.mul_(settings.beta2).addcmul_(gradient, gradient, 1.0f - settings.beta2);
  master.addcdiv_(mean, square.sqrt().mul_(step.inverse_root).add_(settings.epsilon), -step.step_size);
  if (shadow.defined()) shadow.copy_(master);
}

bool has_kernel(const at::Tensor& master) { return master.is_cpu() && master.scalar_type() == at::kFloat; }

}  // namespace

void adamw_dense(const at::Tensor& master, const at::Tensor& mean, const at::Tensor& square, const at::Tensor& gradient,
                 float gradient_scale, const at::Tensor& shadow, const AdamSettings& settings, const AdamStep& step,
                 bool clears_gradient, const cpu::Functions& functions) {
  if (master.is_cuda() && master.scalar_type() == at::kFloat) {
    adamw_dense_cuda(master, mean, square, gradient, gradient_scale, shadow, settings, step, clears_gradient);
    return;
  }
  if (!has_kernel(master)) {
    plain_dense(master, mean, square, gradient * gradient_scale, shadow, settings, step);
    if (clears_gradient) gradient.zero_();
    return;
  }
  const State state = state_of(master, mean, square, shadow);
  float* values = gradient.mutable_data_ptr<float>();
  const std::int64_t count = master.numel(), blocks = (count + 63) / 64;
  in_parts(blocks, part_count(count, kElementsOfAPart), [&](std::int64_t begin, std::int64_t end, std::int64_t) {
    const std::int64_t first = begin * 64, last = std::min(end * 64, count);
    functions.adamw(state.at(first), values + first, clears_gradient, gradient_scale, last - first,
                    constants_of(settings), rates_of(step));
  });
}

void adamw_rows(const at::Tensor& master, const at::Tensor& mean, const at::Tensor& square, const at::Tensor& values,
                float gradient_scale, const at::Tensor& shadow, std::span<const std::int32_t> rows,
                const AdamSettings& settings, const AdamStep& step, const cpu::Functions& functions) {
  if (rows.empty()) return;
  const State state = state_of(master, mean, square, shadow);
  float* gradient = values.mutable_data_ptr<float>();
  const std::int64_t width = master.size(1), count = std::ssize(rows);
  in_parts(count, part_count(count * width, kElementsOfAPart), [&](std::int64_t begin, std::int64_t end, std::int64_t) {
    for (std::int64_t i = begin; i < end; ++i) {
      functions.adamw(state.at(rows[static_cast<std::size_t>(i)] * width), gradient + i * width, false, gradient_scale,
                      width, constants_of(settings), rates_of(step));
    }
  });
}

void adamw_replay(const at::Tensor& master, const at::Tensor& mean, const at::Tensor& square, const at::Tensor& shadow,
                  std::span<const std::int32_t> rows, std::span<std::int32_t> last, std::int32_t now,
                  std::span<const AdamStep> table, const AdamSettings& settings, const cpu::Functions& functions) {
  const State state = state_of(master, mean, square, shadow);
  const std::int64_t width = master.size(1), count = std::ssize(rows);
  const auto* rates = reinterpret_cast<const cpu::AdamRates*>(table.data());
  std::int64_t work = 0;
  for (const std::int32_t row : rows) work += std::max(0, now - last[static_cast<std::size_t>(row)]) * width;
  if (work == 0) return;
  in_parts(count, part_count(work, kElementsOfAPart), [&](std::int64_t begin, std::int64_t end, std::int64_t) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int32_t row = rows[static_cast<std::size_t>(i)];
      std::int32_t& done = last[static_cast<std::size_t>(row)];
      if (done >= now) continue;
      functions.adamw_replay(state.at(row * width), width, constants_of(settings), rates + done + 1, now - done);
      done = now;
    }
  });
}

}  // namespace dsd
