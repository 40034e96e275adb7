// The one place where settings become losses on features.
#include "losses/attention_map.h"
#include "losses/attention_transfer.h"
#include "losses/cosine.h"
#include "losses/fitnet.h"
#include "losses/hidden.h"
#include "losses/minilm.h"
#include "losses/pkd.h"

namespace dsd {
namespace {

struct Make {
  const ModelShapes& shapes;

  std::unique_ptr<FeatureLoss> operator()(const FitNetConfig& config) const {
    return std::make_unique<FitNet>(config, shapes);
  }
  std::unique_ptr<FeatureLoss> operator()(const EmbeddingConfig& config) const {
    return std::make_unique<Hidden>(config, shapes);
  }
  std::unique_ptr<FeatureLoss> operator()(const HiddenConfig& config) const {
    return std::make_unique<Hidden>(config, shapes);
  }
  std::unique_ptr<FeatureLoss> operator()(const AttentionConfig& config) const {
    return std::make_unique<AttentionMap>(config, shapes);
  }
  std::unique_ptr<FeatureLoss> operator()(const PatientConfig& config) const {
    return std::make_unique<Patient>(config, shapes);
  }
  std::unique_ptr<FeatureLoss> operator()(const MiniLmConfig& config) const {
    return std::make_unique<MiniLm>(config, shapes);
  }
  std::unique_ptr<FeatureLoss> operator()(const MiniLm2Config& config) const {
    return std::make_unique<MiniLm2>(config, shapes);
  }
  std::unique_ptr<FeatureLoss> operator()(const CosineConfig& config) const {
    return std::make_unique<Cosine>(config, shapes);
  }
  std::unique_ptr<FeatureLoss> operator()(const AttentionTransferConfig& config) const {
    return std::make_unique<AttentionTransfer>(config, shapes);
  }
};

}  // namespace

std::unique_ptr<FeatureLoss> make_loss(const FeatureLossConfig& config, const ModelShapes& shapes) {
  return std::visit(Make{shapes}, config);
}

}  // namespace dsd
