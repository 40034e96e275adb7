#pragma once
// The settings of perturbations of the word embeddings: plain data, read from a recipe. What each does is said in
// core/train/adversary.h; adding one is adding a struct here, an alternative to the variant, and its rule there.

#include <cstdint>
#include <optional>
#include <string_view>
#include <variant>

#include "core/config/fields.h"
#include "schedules/configs.h"

namespace dsd {

// Whose output on what is the target while the student reads perturbed embeddings.
enum class AdversaryTarget { clean_teacher, perturbed_teacher };
template <>
struct EnumNames<AdversaryTarget> {
  static constexpr std::array<std::pair<std::string_view, AdversaryTarget>, 2> names{
      {{"clean_teacher", AdversaryTarget::clean_teacher}, {"perturbed_teacher", AdversaryTarget::perturbed_teacher}}};
};

inline constexpr std::string_view kAdversaryWeightHelp =
    "of the objective on the perturbed embeddings, beside 1 on the clean ones";
inline constexpr std::string_view kAdversaryRadiusHelp =
    "bound of an example's perturbation: the L2 norm over all its tokens";
inline constexpr std::string_view kAdversaryStepHelp = "L2 norm of what a step adds";
inline constexpr std::string_view kAdversaryTargetHelp =
    "what the student is held to where it reads perturbed embeddings: the teacher on the clean text, or the teacher on "
    "its own embeddings perturbed alike (which must be as wide)";

// The fast gradient method on embeddings (Miyato et al. 2017, arXiv:1605.07725).
struct FgmConfig {
  static constexpr std::string_view kind = "fgm";
  ScheduleConfig weight = 1;
  ScheduleConfig radius = 1;
  AdversaryTarget target = AdversaryTarget::clean_teacher;
  static void fields(auto& self, auto& v) {
    v("weight", self.weight, kAdversaryWeightHelp, Range{.min = 0});
    v("radius", self.radius, "an example's perturbation: the L2 norm over all its tokens", Range{.min = 0});
    v("target", self.target, kAdversaryTargetHelp);
  }
};

// Projected gradient ascent (Madry et al. 2018, arXiv:1706.06083).
struct PgdConfig {
  static constexpr std::string_view kind = "pgd";
  ScheduleConfig weight = 1;
  ScheduleConfig radius = 1;
  double step_size = 0.3;
  std::int64_t steps = 3;
  AdversaryTarget target = AdversaryTarget::clean_teacher;
  static void fields(auto& self, auto& v) {
    v("weight", self.weight, kAdversaryWeightHelp, Range{.min = 0});
    v("radius", self.radius, kAdversaryRadiusHelp, Range{.min = 0});
    v("step_size", self.step_size, kAdversaryStepHelp, positive);
    v("steps", self.steps, "steps of ascent; the last one's gradient is learned from", Range{.min = 1, .max = 100});
    v("target", self.target, kAdversaryTargetHelp);
  }
};

// Free large-batch adversarial training (Zhu et al. 2020, arXiv:1909.11764).
struct FreeLbConfig {
  static constexpr std::string_view kind = "freelb";
  ScheduleConfig radius = 0.6;
  double start = 0.1;
  double step_size = 0.1;
  std::int64_t steps = 2;
  AdversaryTarget target = AdversaryTarget::clean_teacher;
  static void fields(auto& self, auto& v) {
    v("radius", self.radius, kAdversaryRadiusHelp, Range{.min = 0});
    v("start", self.start,
      "size of the random perturbation at first: each number is uniform up to it, divided by the root of how many "
      "there are",
      Range{.min = 0});
    v("step_size", self.step_size, kAdversaryStepHelp, positive);
    v("steps", self.steps, "forwards and backwards of a step, all of which are learned from in equal parts",
      Range{.min = 1, .max = 100});
    v("target", self.target, kAdversaryTargetHelp);
  }
};

// The smoothness-inducing term of SMART (Jiang et al. 2020, arXiv:1911.03437).
struct SmartConfig {
  static constexpr std::string_view kind = "smart";
  ScheduleConfig weight = 1;
  ScheduleConfig radius = 1e-5;
  double deviation = 1e-5;
  double step_size = 1e-3;
  std::int64_t steps = 1;
  static void fields(auto& self, auto& v) {
    v("weight", self.weight, "of the smoothness term beside the objective", Range{.min = 0});
    v("radius", self.radius, "bound of each number of the perturbation", Range{.min = 0});
    v("deviation", self.deviation, "of the normal numbers that it starts from", positive);
    v("step_size", self.step_size, "largest number that a step adds, before the bound", positive);
    v("steps", self.steps, "steps of ascent", Range{.min = 1, .max = 100});
  }
};

// Projected ascent on what separates the student from its teacher.
struct KdMaxConfig {
  static constexpr std::string_view kind = "kd_max";
  ScheduleConfig weight = 1;
  ScheduleConfig radius = 1;
  double start = 0.1;
  double step_size = 0.5;
  std::int64_t steps = 2;
  AdversaryTarget target = AdversaryTarget::clean_teacher;
  static void fields(auto& self, auto& v) {
    v("weight", self.weight, kAdversaryWeightHelp, Range{.min = 0});
    v("radius", self.radius, kAdversaryRadiusHelp, Range{.min = 0});
    v("start", self.start,
      "size of the random perturbation at first: each number is uniform up to it, divided by the root of how many "
      "there are",
      positive);
    v("step_size", self.step_size, kAdversaryStepHelp, positive);
    v("steps", self.steps, "steps of ascent", Range{.min = 1, .max = 100});
    v("target", self.target, kAdversaryTargetHelp);
  }
};

// Pairs of examples mixed (Zhang et al. 2018, arXiv:1710.09412; on embeddings, Chen et al. 2020, arXiv:2004.12239).
struct MixUpConfig {
  static constexpr std::string_view kind = "mix_up";
  ScheduleConfig weight = 1;
  double concentration = 0.4;
  static void fields(auto& self, auto& v) {
    v("weight", self.weight, "of the objective on the mixed examples, beside 1 on the examples themselves",
      Range{.min = 0});
    v("concentration", self.concentration,
      "of the Beta distribution that an example's share is drawn from; the larger share is the example's own",
      positive);
  }
};

using AdversaryConfig = std::variant<FgmConfig, PgdConfig, FreeLbConfig, SmartConfig, KdMaxConfig, MixUpConfig>;

}  // namespace dsd
