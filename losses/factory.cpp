// The one place where settings become losses.
#include "losses/contrastive.h"
#include "losses/cross_entropy.h"
#include "losses/decoupled_kd.h"
#include "losses/dist.h"
#include "losses/forward_kl.h"
#include "losses/generalised_jsd.h"
#include "losses/mean_squared_error.h"
#include "losses/reverse_kl.h"
#include "losses/skew_kl.h"
#include "losses/soft_cross_entropy.h"
#include "losses/taid.h"
#include "losses/total_variation.h"

namespace dsd {
namespace {

using Made = std::unique_ptr<Loss>;

struct MakeSoft {
  Made operator()(const ForwardKlConfig& config) const { return std::make_unique<ForwardKl>(config); }
  Made operator()(const SoftCrossEntropyConfig& config) const { return std::make_unique<SoftCrossEntropy>(config); }
  Made operator()(const ReverseKlConfig& config) const { return std::make_unique<ReverseKl>(config); }
  Made operator()(const GeneralisedJsdConfig& config) const { return std::make_unique<GeneralisedJsd>(config); }
  Made operator()(const SkewKlConfig& config) const { return std::make_unique<SkewKl>(config); }
  Made operator()(const SkewReverseKlConfig& config) const { return std::make_unique<SkewReverseKl>(config); }
  Made operator()(const TotalVariationConfig& config) const { return std::make_unique<TotalVariation>(config); }
  Made operator()(const TaidConfig& config) const { return std::make_unique<Taid>(config); }
  Made operator()(const DecoupledKdConfig& config) const { return std::make_unique<DecoupledKd>(config); }
  Made operator()(const DistConfig& config) const { return std::make_unique<Dist>(config); }
  Made operator()(const ContrastiveConfig& config) const { return std::make_unique<Contrastive>(config); }
  Made operator()(const LogitMeanSquaredErrorConfig& config) const {
    return std::make_unique<LogitMeanSquaredError>(config);
  }
};

struct MakeHard {
  Made operator()(const CrossEntropyConfig& config) const { return std::make_unique<CrossEntropy>(config); }
  Made operator()(const MeanSquaredErrorConfig&) const { return std::make_unique<ValueMeanSquaredError>(); }
};

}  // namespace

std::unique_ptr<Loss> make_loss(const SoftLossConfig& config) { return std::visit(MakeSoft{}, config); }
std::unique_ptr<Loss> make_loss(const HardLossConfig& config) { return std::visit(MakeHard{}, config); }

}  // namespace dsd
