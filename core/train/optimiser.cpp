#include "core/train/optimiser.h"

#include <ATen/ATen.h>
#include <sys/mman.h>

#include <algorithm>
#include <cmath>

#include "core/base/error.h"
#include "core/train/gradient_norm.h"
#include "core/train/tensor_bytes.h"

namespace dsd {
namespace {

// Zeros of which only pages that are written take memory. Huge pages are declined: one row would make 2 MiB resident.
Tensor zero_pages(at::IntArrayRef shape) {
  const auto bytes = static_cast<std::size_t>(c10::multiply_integers(shape)) * sizeof(float);
  void* pages = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (pages == MAP_FAILED) fail("the optimiser's state needs {} bytes, which the machine does not have", bytes);
  ::madvise(pages, bytes, MADV_NOHUGEPAGE);
  return at::from_blob(
      pages, shape, [bytes](void* address) { ::munmap(address, bytes); }, at::kFloat);
}

Tensor& gradient_of(Weight& weight) { return weight.master.mutable_grad(); }

void clear_rows(RowGradient& gradient) {
  for (const std::int32_t row : gradient.rows) gradient.slot[static_cast<std::size_t>(row)] = -1;
  gradient.rows.clear();
}

void check_master(const Parameter& parameter) {
  const Tensor& master = parameter.weight->master;
  if (!master.is_contiguous() || master.scalar_type() != at::kFloat)
    fail("parameter '{}' is {}: AdamW updates contiguous fp32 tensors", parameter.name,
         at::toString(master.scalar_type()));
  if (parameter.weight->row_gradient && (!master.is_cpu() || master.dim() != 2 || master.size(0) > INT32_MAX))
    fail("parameter '{}': a gradient by rows is for a table [V, H] in host memory", parameter.name);
  if (parameter.weight->row_gradient && parameter.lr_factor != 1)
    fail("parameter '{}': a gradient by rows takes the learning rate as it is", parameter.name);
}

}  // namespace

AdamW::AdamW(std::span<const Parameter> parameters, const AdamWSettings& settings)
    : config_(settings),
      settings_{.beta1 = static_cast<float>(settings.beta1),
                .beta2 = static_cast<float>(settings.beta2),
                .epsilon = static_cast<float>(settings.epsilon)} {
  tables_.fill(std::vector<AdamStep>(1));
  for (const Parameter& parameter : parameters) {
    check_master(parameter);
    Slot& slot = slots_.emplace_back();
    slot.parameter = parameter;
    allocate_moments(slot);
    const auto rows = static_cast<std::size_t>(slot.weight().master.size(0));
    if (slot.by_rows()) {
      slot.weight().row_gradient->slot.resize(rows, -1);
    } else if (!gradient_of(slot.weight()).defined()) {
      gradient_of(slot.weight()) = at::zeros_like(slot.weight().master);
    }
  }
}

void AdamW::allocate_moments(Slot& slot) {
  const Tensor& master = slot.weight().master;
  if (!slot.by_rows()) {
    slot.mean = at::zeros(master.sizes(), master.options().requires_grad(false));
    slot.square = at::zeros_like(slot.mean);
    return;
  }
  slot.mean = zero_pages(master.sizes());
  slot.square = zero_pages(master.sizes());
  slot.last.assign(static_cast<std::size_t>(master.size(0)), 0);
  slot.touched.assign(slot.last.size(), 0);
}

void AdamW::prepare(const Batch& batch) {
  const at::NoGradGuard no_grad;
  for (Slot& slot : slots_) {
    if (!slot.by_rows() || now() == 0) continue;
    rows_.clear();
    for (const Sequences& stream : batch.streams) {
      const Tensor ids = stream.ids.to(at::kCPU, at::kInt).contiguous();
      // An id beyond this table belongs to another one. A row too many costs a little time, and no bit.
      for (const std::int32_t id : std::span(ids.const_data_ptr<std::int32_t>(), static_cast<std::size_t>(ids.numel())))
        if (static_cast<std::uint32_t>(id) < slot.last.size() && slot.last[static_cast<std::size_t>(id)] < now())
          rows_.push_back(id);
    }
    std::sort(rows_.begin(), rows_.end());
    rows_.erase(std::unique(rows_.begin(), rows_.end()), rows_.end());
    replay(slot, rows_);
  }
}

double AdamW::gradient_norm() const {
  std::vector<Tensor> gradients;
  for (const Slot& slot : slots_) {
    const auto& by_rows = slot.weight().row_gradient;
    if (!by_rows) gradients.push_back(gradient_of(slot.weight()));
    else if (!by_rows->rows.empty())
      gradients.push_back(by_rows->values.narrow(0, 0, static_cast<std::int64_t>(by_rows->rows.size())));
  }
  return norm_of(gradients);
}

// The step that is being taken.
AdamStep AdamW::step_of(double lr, bool decays) const {
  const auto t = static_cast<double>(steps_);
  // Of the betas that the kernels use: 1 - beta is exact in fp32, so the moments are corrected without bias.
  const double beta1 = settings_.beta1, beta2 = settings_.beta2;
  return {.decay = decays ? static_cast<float>(1 - lr * config_.weight_decay) : 1.0f,
          .step_size = static_cast<float>(lr / (1 - std::pow(beta1, t))),
          .inverse_root = static_cast<float>(1 / std::sqrt(1 - std::pow(beta2, t)))};
}

void AdamW::append_step(double lr) {
  ++steps_;
  for (const bool decays : {false, true}) tables_[decays].push_back(step_of(lr, decays));
}

void AdamW::step(double lr, double norm, std::optional<double> clip_norm) {
  const at::NoGradGuard no_grad;
  // PyTorch's clip_grad_norm_, its 1e-6 included.
  const double scale = clip_norm ? std::min(1.0, *clip_norm / (norm + 1e-6)) : 1.0;
  append_step(lr);
  for (Slot& slot : slots_) {
    Weight& weight = slot.weight();
    if (slot.by_rows()) {
      update_rows(slot, static_cast<float>(scale));
      continue;
    }
    const Tensor& gradient = gradient_of(weight);
    adamw_dense(weight.master, slot.mean, slot.square, gradient, static_cast<float>(scale), weight.shadow, settings_,
                step_of(lr * slot.parameter.lr_factor, slot.parameter.decays), true);
  }
}

void AdamW::update_rows(Slot& slot, float gradient_scale) {
  RowGradient& gradient = *slot.weight().row_gradient;
  if (gradient.rows.empty()) return;
  rows_.clear();
  for (const std::int32_t row : gradient.rows)
    if (slot.last[static_cast<std::size_t>(row)] < now() - 1) rows_.push_back(row);
  if (!rows_.empty())
    fail("parameter '{}': row {} has a gradient, but was read {} steps late: prepare() was not called for its batch",
         slot.parameter.name, rows_.front(), now() - 1 - slot.last[static_cast<std::size_t>(rows_.front())]);
  adamw_rows(slot.weight().master, slot.mean, slot.square, gradient.values, gradient_scale, slot.weight().shadow,
             gradient.rows, settings_, slot.table(tables_).back());
  for (const std::int32_t row : gradient.rows) {
    slot.last[static_cast<std::size_t>(row)] = now();
    slot.touched[static_cast<std::size_t>(row)] = 1;
  }
  clear_rows(gradient);
}

void AdamW::skip() {
  const at::NoGradGuard no_grad;
  for (Slot& slot : slots_) {
    if (slot.by_rows()) clear_rows(*slot.weight().row_gradient);
    else gradient_of(slot.weight()).zero_();
  }
}

void AdamW::replay(Slot& slot, std::span<const std::int32_t> rows) {
  if (rows.empty()) return;
  adamw_replay(slot.weight().master, slot.mean, slot.square, slot.weight().shadow, rows, slot.last, now(),
               slot.table(tables_), settings_);
}

void AdamW::flush() {
  if (now() == 0) return;
  const at::NoGradGuard no_grad;
  for (Slot& slot : slots_) {
    if (!slot.by_rows()) continue;
    // Rows that never had a gradient move by the decay alone; the replay leaves their moments' pages as they are.
    const bool decays = slot.parameter.decays && config_.weight_decay != 0;
    rows_.clear();
    for (std::size_t row = 0; row < slot.last.size(); ++row)
      if ((decays || slot.touched[row]) && slot.last[row] < now()) rows_.push_back(static_cast<std::int32_t>(row));
    replay(slot, rows_);
    std::fill(slot.last.begin(), slot.last.end(), 0);
  }
  tables_.fill(std::vector<AdamStep>(1));
}

}  // namespace dsd
