#include "losses/correction.h"

#include <ATen/ATen.h>

#include <cmath>

namespace dsd {
namespace {

constexpr double kTiny = 1e-7;  // as the authors have it: no class is left without any probability

// Where the teacher's likeliest class and the label's stand, [N, 1] each.
struct Places {
  Tensor likeliest, label;
  Tensor most, own;  // their probabilities
  Tensor known;      // rows that are corrected
};

Places places_of(const Compared& pair, const Tensor& labels) {
  const Tensor label = labels.clamp_min(0).to(at::kLong).unsqueeze(-1);
  const auto [most, likeliest] = pair.p.max(-1, true);
  const Tensor known = (labels >= 0).unsqueeze(-1).logical_and(pair.out.gather(-1, label).logical_not());
  return {likeliest, label, most, pair.p.gather(-1, label), known};
}

Tensor shifted(const Tensor& values, const Places& at) {
  const Tensor most = values.gather(-1, at.likeliest), own = values.gather(-1, at.label);
  return values.scatter(-1, at.likeliest, own).scatter(-1, at.label, most);
}

// The logs, since products of probabilities would lose the small ones.
Tensor mixed_in(const Compared& pair, const Places& at, double margin) {
  const Tensor gap = at.most - at.own;
  const Tensor wrong = (gap + margin) / (gap + 1 + kTiny);
  const Tensor right = ((at.own + margin).clamp_max(1) - at.own) / (1 - at.own + kTiny);
  const Tensor share = at::where(at.likeliest == at.label, right, wrong);
  const Tensor rest = pair.log_p + (-share).log1p();
  const Tensor own = at::logaddexp(rest.gather(-1, at.label), share.log());
  return rest.scatter(-1, at.label, own);
}

}  // namespace

Compared corrected(const Compared& pair, const Tensor& labels, const LogitsConfig& config) {
  const Places at = places_of(pair, labels.to(pair.p.device()));
  const Tensor log_p =
      config.correct_teacher == TeacherCorrection::mft ? mixed_in(pair, at, config.margin) : shifted(pair.log_p, at);
  Compared result = pair;
  result.log_p = at::where(at.known, log_p, pair.log_p).masked_fill(pair.out, 0);
  result.p = at::where(at.known, log_p.exp(), pair.p).masked_fill(pair.out, 0);
  return result;
}

}  // namespace dsd
