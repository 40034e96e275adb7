#include "core/teacher/remembered.h"

#include <ATen/ATen.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <unordered_set>

#include "core/base/error.h"
#include "core/teacher/pick.h"
#include "losses/scores.h"

namespace dsd {
namespace {

using Kind = RememberedForm::Kind;

std::string text_of(const RememberedForm& form, const Capabilities& can) {
  switch (form.kind) {
    case Kind::logits:
      return fmt::format("logits fp32 {}", can.classes);
    case Kind::hidden:
      return fmt::format("hidden {} {}", form.dtype == at::kBFloat16 ? "bf16" : "fp32", can.hidden);
    case Kind::top_k:
      return fmt::format("top_k {} of {} at temperature {}", form.top_k, can.classes, form.temperature);
  }
  fail("a form of what is remembered without a name");
}

RememberedForm checked(const RememberedForm& form, const Capabilities& can) {
  if (can.classes < 1) fail("a teacher without logits cannot be remembered; set teacher.remember: false");
  if (form.kind == Kind::top_k && form.top_k > can.classes)
    fail_as(ExitCode::bad_input, "teacher.top_k is {}, but the teacher scores {} tokens", form.top_k, can.classes);
  return form;
}

void check_rememberable(const Batch& batch, const Wanted& wanted, Kind kind) {
  if (!wanted.sites.empty())
    fail(
        "a loss wants {} of the teacher, and hidden states and the like are not remembered; set teacher.remember: "
        "false",
        name_of(wanted.sites[0]));
  const std::int64_t sequences = batch.streams[0].count();
  if (batch.rows.size() > 1 || (kind == Kind::logits && batch.head_rows() != sequences))
    fail("a teacher is remembered where its head reads one row of each sequence; set teacher.remember: false");
  TORCH_CHECK(static_cast<std::int64_t>(batch.keys.size()) == sequences, "a batch needs a key for each sequence");
}

// Undefined where each model chooses its own.
Tensor rows_of(const Batch& batch) { return batch.rows.empty() ? Tensor() : batch.rows[0]; }

const Scores& scores_in(const TeacherOutputs& outputs) {
  const Scores* scores = outputs.heads.size() == 1 ? std::get_if<Scores>(&outputs.heads[0]) : nullptr;
  if (scores == nullptr) fail("the teacher does not give whole scores of one head; set teacher.remember: false");
  return *scores;
}

std::span<char> bytes_of(const Tensor& rows, std::int64_t begin, std::int64_t end) {
  const auto row =
      static_cast<std::size_t>(rows.numel() / std::max<std::int64_t>(1, rows.size(0))) * rows.element_size();
  return {static_cast<char*>(rows.mutable_data_ptr()) + static_cast<std::size_t>(begin) * row,
          static_cast<std::size_t>(end - begin) * row};
}

// Rows on the host, [N, ...], as records: those of sequence s are rows bounds[s] ... bounds[s + 1] - 1.
void append_rows(RecordStore& store, const Batch& examples, const Tensor& rows) {
  const auto bounds = row_bounds(examples);
  std::vector<Record> records;
  for (std::size_t s = 0; s < examples.keys.size(); ++s)
    records.push_back({examples.keys[s], bytes_of(rows, bounds[s], bounds[s + 1])});
  store.append(records);
}

void read_rows(const RecordStore& store, const Batch& batch, const Tensor& rows) {
  const auto bounds = row_bounds(batch);
  for (std::size_t s = 0; s < batch.keys.size(); ++s)
    store.read(batch.keys[s], bytes_of(rows, bounds[s], bounds[s + 1]));
}

Tensor host_rows(const Tensor& rows, at::ScalarType dtype) { return rows.detach().to(at::kCPU, dtype).contiguous(); }

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

TopK top_k_of(const Scores& scores, std::int64_t k, double temperature) {
  const std::int64_t rows = row_count(scores);
  TopK kept{.ids = at::empty({rows, k}, at::kInt),
            .log_p = at::empty({rows, k}, at::kFloat),
            .log_tail = at::empty({rows}, at::kFloat),
            .temperature = temperature};
  for (std::int64_t begin = 0; begin < rows; begin += kTileRows) {
    const std::int64_t count = std::min(kTileRows, rows - begin);
    const Tensor logits = tile_logits(scores, begin, count).div_(temperature);  // [count, V]
    const Tensor all = logits.logsumexp(1, true);
    const auto [values, ids] = logits.topk(k, 1, true, true);
    kept.ids.narrow(0, begin, count).copy_(ids);
    kept.log_p.narrow(0, begin, count).copy_(values - all);
    // Not one less the sum of what is kept: that would lose a small rest to rounding.
    logits.scatter_(1, ids, -std::numeric_limits<double>::infinity());
    kept.log_tail.narrow(0, begin, count).copy_((logits.logsumexp(1, true) - all).squeeze(1));
  }
  return kept;
}

RememberedTeacher::RememberedTeacher(Teacher& teacher, const std::filesystem::path& file, const Key128& key,
                                     std::int64_t budget_bytes, RememberedForm form)
    : teacher_(teacher),
      form_(checked(form, teacher.can())),
      store_({.path = file, .teacher = key, .form = text_of(form_, teacher.can()), .budget_bytes = budget_bytes}) {}

Capabilities RememberedTeacher::can() const {
  Capabilities can = teacher_.can();
  can.captures = false;
  if (form_.kind == Kind::top_k) can.top_k = form_.top_k;
  return can;
}

TeacherOutputs RememberedTeacher::outputs(const Batch& batch, const Wanted& wanted) {
  const at::NoGradGuard no_grad;
  TeacherOutputs outputs;
  if (batch.transient) {
    outputs = teacher_.outputs(batch, wanted);
    for (Target& target : outputs.heads) target = in_form(std::move(target));
    return outputs;
  }
  check_rememberable(batch, wanted, form_.kind);
  compute_missing(batch, wanted);
  outputs.heads.push_back(form_.kind == Kind::logits   ? recall_logits(batch)
                          : form_.kind == Kind::hidden ? recall_hidden(batch)
                                                       : recall_top_k(batch));
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
  const Batch examples = pick_sequences(batch, missing);
  const TeacherOutputs outputs = teacher_.outputs(examples, wanted);
  const Scores& scores = scores_in(outputs);
  if (form_.kind == Kind::logits) keep_logits(examples, scores);
  else if (form_.kind == Kind::hidden) keep_hidden(examples, scores);
  else keep_top_k(examples, scores);
}

void RememberedTeacher::keep_logits(const Batch& examples, const Scores& scores) {
  const std::int64_t rows = examples.streams[0].count(), classes = can().classes;
  if (!scores.dense.defined() || scores.dense.sizes() != at::IntArrayRef{rows, classes})
    fail("the teacher does not give {} logits for each example; set teacher.remember: false", classes);
  append_rows(store_, examples, host_rows(scores.dense, at::kFloat));
}

void RememberedTeacher::keep_hidden(const Batch& examples, const Scores& scores) {
  if (!scores.hidden.defined() || scores.hidden.sizes() != at::IntArrayRef{examples.head_rows(), can().hidden})
    fail("the teacher does not give hidden states of {} numbers; set teacher.remember: false", can().hidden);
  append_rows(store_, examples, host_rows(scores.hidden, form_.dtype));
  head_ = scores;
  head_->rows = Tensor(), head_->hidden = scores.hidden.narrow(0, 0, 0);
}

// A record: ids, log-probabilities and rests of a sequence's rows, one array after the other.
void RememberedTeacher::keep_top_k(const Batch& examples, const Scores& scores) {
  const TopK kept = top_k_of(scores, form_.top_k, form_.temperature);
  const auto bounds = row_bounds(examples);
  std::vector<char> bytes;
  for (std::size_t s = 0; s < examples.keys.size(); ++s) {
    bytes.clear();
    for (const Tensor& part : {kept.ids, kept.log_p, kept.log_tail}) {
      const auto rows = bytes_of(part, bounds[s], bounds[s + 1]);
      bytes.insert(bytes.end(), rows.begin(), rows.end());
    }
    const Record record{examples.keys[s], bytes};
    store_.append({&record, 1});
  }
}

Target RememberedTeacher::recall_logits(const Batch& batch) const {
  const std::int64_t classes = can().classes;
  const Tensor logits = at::empty({batch.streams[0].count(), classes}, at::kFloat);
  read_rows(store_, batch, logits);
  return Scores{.rows = rows_of(batch), .classes = classes, .dense = logits.to(batch.streams[0].ids.device())};
}

Target RememberedTeacher::recall_hidden(const Batch& batch) {
  const Tensor hidden = at::empty({batch.head_rows(), can().hidden}, form_.dtype);
  read_rows(store_, batch, hidden);
  Scores scores = head(batch);
  scores.hidden = hidden.to(scores.hidden.device(), scores.hidden.scalar_type());
  scores.rows = rows_of(batch);
  return scores;
}

Target RememberedTeacher::recall_top_k(const Batch& batch) {
  const std::int64_t rows = batch.head_rows();
  TopK kept{.ids = at::empty({rows, form_.top_k}, at::kInt),
            .log_p = at::empty({rows, form_.top_k}, at::kFloat),
            .log_tail = at::empty({rows}, at::kFloat),
            .temperature = form_.temperature};
  const auto bounds = row_bounds(batch);
  std::vector<char> bytes;
  for (std::size_t s = 0; s < batch.keys.size(); ++s) {
    const auto count = static_cast<std::size_t>(bounds[s + 1] - bounds[s]);
    bytes.resize(count * (8 * static_cast<std::size_t>(form_.top_k) + 4));
    store_.read(batch.keys[s], bytes);
    std::size_t at = 0;
    for (const Tensor& part : {kept.ids, kept.log_p, kept.log_tail}) {
      const auto to = bytes_of(part, bounds[s], bounds[s + 1]);
      std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(at), to.size(), to.begin());
      at += to.size();
    }
  }
  tail_ += kept.log_tail.to(at::kDouble).exp().sum().item<double>();
  tail_rows_ += rows;
  const at::Device device = batch.streams[0].ids.device();
  return TopK{kept.ids.to(device), kept.log_p.to(device), kept.log_tail.to(device), form_.temperature};
}

// A loss meets one form of target, remembered or not.
Target RememberedTeacher::in_form(Target target) const {
  const auto* scores = std::get_if<Scores>(&target);
  if (form_.kind != Kind::top_k || scores == nullptr) return target;
  return top_k_of(*scores, form_.top_k, form_.temperature);
}

// Where every record is there already the teacher has not run yet: one short sequence shows its head.
const Scores& RememberedTeacher::head(const Batch& batch) {
  if (head_) return *head_;
  const std::int32_t first = 0;
  const TeacherOutputs outputs = teacher_.outputs(pick_sequences(batch, {&first, 1}), {});
  const Scores& scores = scores_in(outputs);
  if (!scores.hidden.defined()) fail("the teacher does not give hidden states; set teacher.remember: false");
  head_ = scores;
  head_->rows = Tensor(), head_->hidden = scores.hidden.narrow(0, 0, 0);
  return *head_;
}

std::int64_t RememberedTeacher::length() {
  store_.sync();
  return store_.length();
}

std::optional<double> RememberedTeacher::mean_tail() const {
  if (tail_rows_ == 0) return std::nullopt;
  return tail_ / static_cast<double>(tail_rows_);
}

}  // namespace dsd
