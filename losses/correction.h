#pragma once
// A teacher corrected by labels. Where its likeliest class is not the label's, `probability_shift` swaps the two
// probabilities (TextBrewer, Yang et al. 2020, arXiv:2002.12620). `mft` (Minifinetuning, Belcak et al. 2025,
// arXiv:2506.15702) mixes the label in: p' = (1 - a) p + a [c = label]; where the teacher is wrong a = (p_max - p_label
// + margin) / (1 + p_max - p_label), which puts the label above all others by the margin; where it is right, a lifts
// p_label by the margin, but not above 1. A row without a label, or whose label is masked, keeps its teacher.

#include "losses/compared.h"
#include "losses/configs.h"

namespace dsd {

// `labels` [N], -1 none.
Compared corrected(const Compared& pair, const Tensor& labels, const LogitsConfig& config);

}  // namespace dsd
