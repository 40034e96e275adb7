// The one place where settings become losses.
#include "losses/cross_entropy.h"
#include "losses/forward_kl.h"
#include "losses/generalised_jsd.h"
#include "losses/mean_squared_error.h"
#include "losses/reverse_kl.h"

namespace dsd {
namespace {

struct MakeSoft {
  std::unique_ptr<Loss> operator()(const ForwardKlConfig& config) const { return std::make_unique<ForwardKl>(config); }
  std::unique_ptr<Loss> operator()(const ReverseKlConfig& config) const { return std::make_unique<ReverseKl>(config); }
  std::unique_ptr<Loss> operator()(const GeneralisedJsdConfig& config) const {
    return std::make_unique<GeneralisedJsd>(config);
  }
  std::unique_ptr<Loss> operator()(const MeanSquaredErrorConfig&) const {
    return std::make_unique<LogitMeanSquaredError>();
  }
};

struct MakeHard {
  std::unique_ptr<Loss> operator()(const CrossEntropyConfig& config) const {
    return std::make_unique<CrossEntropy>(config);
  }
  std::unique_ptr<Loss> operator()(const MeanSquaredErrorConfig&) const {
    return std::make_unique<ValueMeanSquaredError>();
  }
};

}  // namespace

std::unique_ptr<Loss> make_loss(const SoftLossConfig& config) { return std::visit(MakeSoft{}, config); }
std::unique_ptr<Loss> make_loss(const HardLossConfig& config) { return std::visit(MakeHard{}, config); }

}  // namespace dsd
