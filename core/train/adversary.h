#pragma once
// Adversaries: what perturbs the word embeddings of a micro-batch, pass by pass, and what is learned from it. Every
// norm is an example's own, over its own tokens; dropout keeps its masks from pass to pass (they are counted, not
// drawn), and nothing depends on how a step is cut. With L the whole objective, e the embeddings and g the gradient of
// a pass by them:
//   fgm     L(e) + w L(e + r), r = radius g / |g|                                (Miyato et al. 2017, arXiv:1605.07725)
//   pgd     L(e) + w L(e + r_K), r_k = within(r_{k-1} + step g / |g|), r_0 = 0    (Madry et al. 2018, arXiv:1706.06083)
//   freelb  1/K sum_k L(e + r_k), r_0 uniform, r_k as pgd's, k = 0 ... K-1        (Zhu et al. 2020, arXiv:1909.11764)
//   smart   L(e) + w S(e, e + r_K), S the symmetric KL of the student's own outputs (the squared difference of values),
//           r climbing it within max |r| <= radius, by steps of max |.| = step    (Jiang et al. 2020, arXiv:1911.03437:
//           its smoothness-inducing term; its proximal term is not here)
//   kd_max  L(e) + w L(e + r_K), r climbing the loss against the teacher alone from a random start
//   mix_up  L(e) + w (s L(m; own targets) + (1 - s) L(m; the partner's)), m = s e + (1 - s) e', s = max(b, 1 - b) with
//           b ~ Beta(a, a) for a step     (Zhang et al. 2018, arXiv:1710.09412; Chen et al. 2020, arXiv:2004.12239)

#include <memory>
#include <optional>
#include <string_view>

#include "core/recipe/adversary_configs.h"
#include "core/train/perturbation.h"
#include "schedules/schedule.h"

namespace dsd {

// What a pass is evaluated for: the whole objective, its part against the teacher's output alone, or how far the
// student's output is from that of the first pass.
enum class Goal { objective, divergence, smoothness };

// A pass to run.
struct Draw {
  Tensor perturbation;  // [T, H]; undefined: the embeddings as they are
  Goal goal = Goal::objective;
  double share = 0;             // of the goal, that the parameters learn from; 0: the embeddings' gradient alone
  bool wants_gradient = false;  // the next draw reads the gradient by the embeddings
  bool counted = false;         // its losses are the objective's parts, not the adversary's
  double partner_share = 0;     // of the targets, that are the partners' (Examples::partners)
};

// What a micro-batch's passes have shown so far.
struct Passes {
  std::int64_t count = 0;
  const Batch& batch;
  const Examples& examples;
  Tensor embeddings;              // [T, H], detached
  Tensor perturbation, gradient;  // [T, H], of the pass before; zeros and undefined at first
  Progress progress;
  RandomKey random;  // of this step
};

class Adversary {
 public:
  virtual ~Adversary() = default;
  virtual std::string_view name() const = 0;
  virtual double weight(Progress progress) const = 0;  // of what it adds to the objective, for the log
  // The next pass; none: the micro-batch is done. A pure function of what is seen.
  virtual std::optional<Draw> next(const Passes& seen) const = 0;
  // Whether the first pass is compared with a later one, so that its graph must live until then.
  virtual bool holds_first() const { return false; }
  virtual AdversaryTarget target() const { return AdversaryTarget::clean_teacher; }
};

std::unique_ptr<Adversary> make_adversary(const AdversaryConfig& config);

}  // namespace dsd
