#include "core/teacher/remembered.h"

#include <ATen/ATen.h>

#include <algorithm>
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
  const char* dtype = form.dtype == at::kBFloat16 ? "bf16" : "fp32";
  std::string text, captures;
  for (const Site& site : form.sites) captures += fmt::format(" {} {}", name_of(site), can.width(site));
  // The header has room for a few names.
  if (captures.size() > 120)
    captures = fmt::format(" {} captures ({:.16})", form.sites.size(), Hasher().text(captures).key().hex());
  if (!captures.empty()) captures = fmt::format(", and {} of each token:{}", dtype, captures);
  switch (form.kind) {
    case Kind::logits:
      text = fmt::format("logits fp32 {}", can.classes);
      break;
    case Kind::hidden:
      text = fmt::format("hidden {} {}", dtype, can.hidden);
      break;
    case Kind::top_k:
      text = fmt::format("top_k {} of {} at temperature {}", form.top_k, can.classes, form.temperature);
  }
  return text + captures;
}

RememberedForm checked(const RememberedForm& form, const Capabilities& can) {
  if (can.classes < 1) fail("a teacher without logits cannot be remembered; set teacher.remember: false");
  if (form.kind == Kind::top_k && form.top_k > can.classes)
    fail_as(ExitCode::bad_input, "teacher.top_k is {}, but the teacher scores {} tokens", form.top_k, can.classes);
  return form;
}

void check_rememberable(const Batch& batch, const Wanted& wanted, const RememberedForm& form) {
  for (const Site& site : wanted.sites)
    if (std::ranges::find(form.sites, site) == form.sites.end())
      fail("a loss wants {} of the teacher, which is not among what is remembered; set teacher.remember: false",
           name_of(site));
  const std::int64_t sequences = batch.streams[0].count();
  if (batch.rows.size() > 1 || (form.kind == Kind::logits && batch.head_rows() != sequences))
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

std::vector<std::int64_t> token_bounds(const Batch& batch) {
  const Tensor& offsets = batch.streams[0].offsets;
  const auto* begin = offsets.const_data_ptr<std::int32_t>();
  return {begin, begin + offsets.size(0)};
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
  can.captures = !form_.sites.empty();
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
  check_rememberable(batch, wanted, form_);
  compute_missing(batch);
  const Bounds bounds{row_bounds(batch), token_bounds(batch)};
  const std::vector<Piece> pieces = pieces_for(batch, bounds);
  recall(batch, pieces);
  outputs.heads.push_back(target_of(batch, pieces));
  const at::Device device = batch.streams[0].ids.device();
  for (std::size_t i = 0; i < form_.sites.size(); ++i)
    outputs.captured.emplace_back(form_.sites[i], pieces[pieces.size() - form_.sites.size() + i].rows.to(device));
  return outputs;
}

// What is missing goes through the teacher as one packed batch, each example once.
void RememberedTeacher::compute_missing(const Batch& batch) {
  std::vector<std::int32_t> missing;
  const auto hash = [](const Key128& key) { return static_cast<std::size_t>(key.low); };
  std::unordered_set<Key128, decltype(hash)> seen(batch.keys.size(), hash);
  for (std::size_t i = 0; i < batch.keys.size(); ++i)
    if (!store_.contains(batch.keys[i]) && seen.insert(batch.keys[i]).second)
      missing.push_back(static_cast<std::int32_t>(i));
  if (missing.empty()) return;
  const Batch examples = pick_sequences(batch, missing);
  const Bounds bounds{row_bounds(examples), token_bounds(examples)};
  const std::vector<Piece> pieces = pieces_for(examples, bounds);
  const std::vector<Tensor> values = given(teacher_.outputs(examples, {.sites = form_.sites}));
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    if (values[i].sizes() != pieces[i].rows.sizes())
      fail("the teacher gives [{}] where [{}] is to be remembered; set teacher.remember: false",
           fmt::join(values[i].sizes(), ", "), fmt::join(pieces[i].rows.sizes(), ", "));
    pieces[i].rows.copy_(values[i]);
  }
  append(examples, pieces);
}

// The head's rows first, in one tensor or, of the likeliest tokens, in three; then each site's.
std::vector<RememberedTeacher::Piece> RememberedTeacher::pieces_for(const Batch& batch, const Bounds& bounds) const {
  const Capabilities teacher = can();
  const std::int64_t rows = batch.head_rows(), tokens = batch.streams[0].tokens();
  std::vector<Piece> pieces;
  const auto add = [&](at::IntArrayRef shape, at::ScalarType dtype, const std::vector<std::int64_t>& of) {
    pieces.push_back({at::empty(shape, dtype), of});
  };
  if (form_.kind == Kind::logits) add({rows, teacher.classes}, at::kFloat, bounds.rows);
  if (form_.kind == Kind::hidden) add({rows, teacher.hidden}, form_.dtype, bounds.rows);
  if (form_.kind == Kind::top_k) {
    add({rows, form_.top_k}, at::kInt, bounds.rows);
    add({rows, form_.top_k}, at::kFloat, bounds.rows);
    add({rows}, at::kFloat, bounds.rows);
  }
  for (const Site& site : form_.sites) add({tokens, teacher.width(site)}, form_.dtype, bounds.tokens);
  return pieces;
}

std::vector<Tensor> RememberedTeacher::given(const TeacherOutputs& outputs) {
  const Scores& scores = scores_in(outputs);
  std::vector<Tensor> all;
  if (form_.kind == Kind::top_k) {
    TopK kept = top_k_of(scores, form_.top_k, form_.temperature);
    all = {std::move(kept.ids), std::move(kept.log_p), std::move(kept.log_tail)};
  } else {
    const Tensor& rows = form_.kind == Kind::logits ? scores.dense : scores.hidden;
    if (!rows.defined())
      fail("the teacher does not give {}; set teacher.remember: false",
           form_.kind == Kind::logits ? "the logits of each example" : "its last hidden states");
    all = {rows};
  }
  if (form_.kind == Kind::hidden) {
    head_ = scores;
    head_->rows = Tensor(), head_->hidden = scores.hidden.narrow(0, 0, 0);
  }
  for (const Site& site : form_.sites) all.push_back(outputs.at(site));
  return all;
}

// A record: a sequence's rows of each piece, one array after the other.
void RememberedTeacher::append(const Batch& examples, std::span<const Piece> pieces) {
  std::vector<char> bytes;
  for (std::size_t s = 0; s < examples.keys.size(); ++s) {
    bytes.clear();
    for (const Piece& piece : pieces) {
      const auto rows = bytes_of(piece.rows, piece.bounds[s], piece.bounds[s + 1]);
      bytes.insert(bytes.end(), rows.begin(), rows.end());
    }
    const Record record{examples.keys[s], bytes};
    store_.append({&record, 1});
  }
}

void RememberedTeacher::recall(const Batch& batch, std::span<const Piece> pieces) const {
  std::vector<char> bytes;
  for (std::size_t s = 0; s < batch.keys.size(); ++s) {
    const auto rows_of = [&](const Piece& piece) { return bytes_of(piece.rows, piece.bounds[s], piece.bounds[s + 1]); };
    if (pieces.size() == 1) {
      store_.read(batch.keys[s], rows_of(pieces[0]));
      continue;
    }
    std::size_t size = 0;
    for (const Piece& piece : pieces) size += rows_of(piece).size();
    bytes.resize(size);
    store_.read(batch.keys[s], bytes);
    auto at = bytes.begin();
    for (const Piece& piece : pieces) {
      const auto to = rows_of(piece);
      std::copy_n(at, to.size(), to.begin());
      at += std::ssize(to);
    }
  }
}

Target RememberedTeacher::target_of(const Batch& batch, std::span<const Piece> pieces) {
  const at::Device device = batch.streams[0].ids.device();
  const Tensor& rows = pieces[0].rows;
  if (form_.kind == Kind::logits)
    return Scores{.rows = rows_of(batch), .classes = can().classes, .dense = rows.to(device)};
  if (form_.kind == Kind::hidden) {
    Scores scores = head(batch);
    scores.hidden = rows.to(scores.hidden.device(), scores.hidden.scalar_type());
    scores.rows = rows_of(batch);
    return scores;
  }
  tail_ += pieces[2].rows.to(at::kDouble).exp().sum().item<double>();
  tail_rows_ += rows.size(0);
  return TopK{rows.to(device), pieces[1].rows.to(device), pieces[2].rows.to(device), form_.temperature};
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
