#pragma once
// A curriculum: the easiest examples first (competence-based curriculum learning, Platanios et al. 2019,
// arXiv:1903.09848). A step draws its examples, without regard to length, from the easiest `competence` of the training
// set, each as likely; competence is a schedule, the paper's being `0.01 -> 1 root`. Once it is 1 the order is the
// ordinary one. A pure function of (seed, step): resume needs no state.

#include <cstdint>
#include <span>
#include <vector>

#include "schedules/schedule.h"

namespace dsd {

struct Curriculum {
  ScheduleConfig competence;
  std::vector<std::int32_t> easiest_first;  // every example once
  std::int64_t steps = 1;                   // of the run
};

// The examples by difficulty; equals, and those of which nothing is known (NaN, hardest), in the order of the file.
std::vector<std::int32_t> easiest_first(std::span<const double> difficulties);

// How many of the easiest a step may draw from: the competence's share rounded up, and never fewer than a batch.
std::int64_t within_competence(const Curriculum& curriculum, std::int64_t batch, std::int64_t step);

// The examples of a step.
std::vector<std::int64_t> drawn(const Curriculum& curriculum, std::int64_t batch, std::uint64_t seed,
                                std::int64_t step);

}  // namespace dsd
