#include "core/teacher/remembered.h"

#include <ATen/ATen.h>

#include <unordered_set>

#include "core/base/error.h"

namespace dsd {
namespace {

std::span<const std::int32_t> numbers(const Tensor& tensor) {
  return {tensor.const_data_ptr<std::int32_t>(), static_cast<std::size_t>(tensor.numel())};
}

Tensor pick(const Tensor& tensor, const Tensor& rows) {
  return tensor.defined() ? tensor.index_select(0, rows.to(tensor.device())) : tensor;
}

Sequences pick_sequences(const Sequences& all, std::span<const std::int32_t> picked) {
  const Tensor offsets = all.offsets.to(at::kInt).contiguous();
  const auto begins = numbers(offsets);
  std::vector<std::int32_t> tokens, new_offsets{0};
  for (const std::int32_t s : picked) {
    const auto at = static_cast<std::size_t>(s);
    for (std::int32_t token = begins[at]; token < begins[at + 1]; ++token) tokens.push_back(token);
    new_offsets.push_back(static_cast<std::int32_t>(tokens.size()));
  }
  const Tensor rows = at::tensor(tokens, at::kInt);
  return {.ids = pick(all.ids, rows),
          .offsets = at::tensor(new_offsets, at::kInt),
          .positions = pick(all.positions, rows),
          .segments = pick(all.segments, rows),
          .spans = pick(all.spans, rows)};
}

// The sequences alone, without labels: a teacher does not read them.
Batch pick_examples(const Batch& batch, std::span<const std::int32_t> picked) {
  Batch result;
  for (const Sequences& stream : batch.streams) result.streams.push_back(pick_sequences(stream, picked));
  const Tensor offsets = batch.streams[0].offsets.to(at::kInt).contiguous();
  const Tensor rows = batch.rows[0].to(at::kCPU, at::kInt).contiguous();
  std::vector<std::int32_t> new_rows;
  for (std::size_t i = 0; i < picked.size(); ++i) {
    const auto s = static_cast<std::size_t>(picked[i]);
    new_rows.push_back(numbers(rows)[s] - numbers(offsets)[s] + numbers(result.streams[0].offsets)[i]);
    result.keys.push_back(batch.keys[s]);
  }
  result.rows.push_back(at::tensor(new_rows, at::kInt).to(batch.rows[0].device()));
  return result;
}

Tensor logits_of(const TeacherOutputs& outputs, std::int64_t rows, std::int64_t classes) {
  const Scores* scores = outputs.heads.size() == 1 ? std::get_if<Scores>(&outputs.heads[0]) : nullptr;
  if (scores == nullptr || !scores->dense.defined() || scores->dense.sizes() != at::IntArrayRef{rows, classes})
    fail("the teacher does not give {} logits for each example; set teacher.remember: false", classes);
  return scores->dense.detach().to(at::kCPU, at::kFloat).contiguous();
}

void check_rememberable(const Batch& batch, const Wanted& wanted) {
  if (!wanted.sites.empty())
    fail(
        "a loss wants {} of the teacher, and hidden states and the like are not remembered; set teacher.remember: "
        "false",
        name_of(wanted.sites[0]));
  const std::int64_t sequences = batch.streams[0].count();
  if (batch.rows.size() != 1 || batch.rows[0].numel() != sequences)
    fail("a teacher is remembered where its head reads one row of each sequence; set teacher.remember: false");
  TORCH_CHECK(static_cast<std::int64_t>(batch.keys.size()) == sequences, "a batch needs a key for each sequence");
}

}  // namespace

Key128 teacher_key(Model& model, std::span<const std::int32_t> columns) {
  Hasher hasher;
  hasher.text(write_model_config(model.config(), Dtype::f32)).values(columns);
  for (const Parameter& parameter : model.parameters()) {
    const Weight& weight = *parameter.weight;
    for (const Tensor& tensor : {weight.master, weight.shadow}) {
      if (!tensor.defined()) continue;
      const Tensor host = tensor.detach().to(at::kCPU).contiguous();
      hasher.text(parameter.name).text(at::toString(host.scalar_type())).bytes(host.const_data_ptr(), host.nbytes());
    }
  }
  return hasher.key();
}

RememberedTeacher::RememberedTeacher(Teacher& teacher, const std::filesystem::path& file, const Key128& key,
                                     std::int64_t budget_bytes)
    : teacher_(teacher),
      store_({.path = file, .teacher = key, .classes = teacher_.can().classes, .budget_bytes = budget_bytes}) {}

Capabilities RememberedTeacher::can() const {
  Capabilities can = teacher_.can();
  can.captures = false;
  return can;
}

TeacherOutputs RememberedTeacher::outputs(const Batch& batch, const Wanted& wanted) {
  if (batch.transient) return teacher_.outputs(batch, wanted);
  check_rememberable(batch, wanted);
  const at::NoGradGuard no_grad;
  compute_missing(batch, wanted);
  const std::int64_t classes = can().classes;
  const Tensor logits = at::empty({batch.streams[0].count(), classes}, at::kFloat);
  const std::span<float> all(logits.mutable_data_ptr<float>(), static_cast<std::size_t>(logits.numel()));
  for (std::size_t i = 0; i < batch.keys.size(); ++i)
    store_.read(batch.keys[i], all.subspan(i * static_cast<std::size_t>(classes), static_cast<std::size_t>(classes)));
  Scores scores{.rows = batch.rows[0], .classes = classes, .dense = logits.to(batch.rows[0].device())};
  TeacherOutputs outputs;
  outputs.heads.emplace_back(std::move(scores));
  return outputs;
}

// What is missing goes through the teacher as one packed batch, each example once.
void RememberedTeacher::compute_missing(const Batch& batch, const Wanted& wanted) {
  std::vector<std::int32_t> missing;
  const auto hash = [](const Key128& key) { return static_cast<std::size_t>(key.low); };
  std::unordered_set<Key128, decltype(hash)> seen(batch.keys.size(), hash);
  for (std::size_t i = 0; i < batch.keys.size(); ++i)
    if (!store_.contains(batch.keys[i]) && seen.insert(batch.keys[i]).second)
      missing.push_back(static_cast<std::int32_t>(i));
  if (missing.empty()) return;
  const Batch examples = pick_examples(batch, missing);
  const Tensor logits =
      logits_of(teacher_.outputs(examples, wanted), static_cast<std::int64_t>(missing.size()), can().classes);
  store_.append(examples.keys, {logits.const_data_ptr<float>(), static_cast<std::size_t>(logits.numel())});
}

std::int64_t RememberedTeacher::length() {
  store_.sync();
  return store_.length();
}

}  // namespace dsd
