#include "core/compress/importance.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <numeric>

#include "core/base/error.h"
#include "core/compress/walk.h"
#include "core/model/model_shape.h"

namespace dsd {
namespace {

Tensor zeros(at::IntArrayRef shape) { return at::zeros(shape, at::kDouble); }

// Of each column, over rows.
Tensor squares(const Tensor& x) { return x.square().sum(0, false, at::kDouble); }

// Sums over what a walk shows.
class Sums final : public Watcher {
 public:
  explicit Sums(const FamilyConfig& family) : family_(family), shape_(shape_of(family)), sets_(stored_sets(family)) {
    const auto* with_experts = experts_of(family);
    const std::int64_t experts = with_experts != nullptr ? with_experts->num_experts : 1;
    layers_.assign(static_cast<std::size_t>(shape_.layers), 0);
    for (std::int64_t s = 0; s < sets_.attention; ++s) heads_.push_back(zeros({shape_.key_heads}));
    for (std::int64_t s = 0; s < sets_.mlp; ++s) {
      neurons_.push_back(zeros({experts, intermediate_size(family)}));
      if (with_experts != nullptr) experts_.push_back(zeros({experts}));
    }
  }

  void layer(std::int64_t index, const Tensor& before, const Tensor& after) override {
    const Tensor a = before.to(at::kDouble), b = after.to(at::kDouble);
    const Tensor both = (a.square().sum(1) * b.square().sum(1)).sqrt();
    // A row of zeros that stays one has not been changed.
    const Tensor cosine = at::where(both > 0, (a * b).sum(1) / both, (a == b).all(1).to(at::kDouble));
    layers_[static_cast<std::size_t>(index)] += (1 - cosine).clamp_min(0).sum().item<double>();
    if (index == 0) tokens_ += before.size(0);
  }

  void norm(const std::string& gain, const Tensor& read, const Tensor& made) override {
    const bool centres = std::holds_alternative<BertConfig>(family_);
    auto& [energy, output] = norms_[gain];
    const Tensor square = squares(centres ? read - read.mean(1, true) : read);
    energy = energy.defined() ? energy + square : square;
    output = output.defined() ? output + squares(made) : squares(made);
    norm_rows_[gain] += read.size(0);
  }

  void heads(std::int64_t set, const Tensor& context, const Tensor& out) override {
    const std::int64_t width = context.size(1) / shape_.key_heads;
    for (std::int64_t group = 0; group < shape_.key_heads; ++group) {
      const Tensor given = at::linear(context.narrow(1, group * width, width), out.narrow(1, group * width, width));
      heads_[static_cast<std::size_t>(set)][group] += given.square().sum(at::kDouble);
    }
  }

  void neurons(std::int64_t set, std::int64_t expert, const Tensor& inner, const Tensor& down) override {
    neurons_[static_cast<std::size_t>(set)][expert] += squares(inner) * squares(down);
  }

  void routing(std::int64_t set, const Tensor& probabilities, const Tensor& chosen) override {
    const Tensor given = probabilities.to(at::kDouble).gather(1, chosen);
    experts_[static_cast<std::size_t>(set)].index_add_(0, chosen.reshape({-1}), given.reshape({-1}));
  }

  Importance importance() const {
    if (tokens_ == 0) fail("there is no text to weigh the model's parts on");
    Importance all{
        .tokens = tokens_, .layers = layers_, .heads = {}, .neurons = {}, .experts = {}, .channels = {}, .energy = {}};
    for (double& influence : all.layers) influence /= static_cast<double>(tokens_);
    for (std::size_t s = 0; s < heads_.size(); ++s) all.heads.push_back((heads_[s] / rows_of(s, true)).sqrt());
    for (std::size_t s = 0; s < neurons_.size(); ++s) all.neurons.push_back((neurons_[s] / rows_of(s, false)).sqrt());
    for (std::size_t s = 0; s < experts_.size(); ++s) all.experts.push_back(experts_[s] / rows_of(s, false));
    all.channels = zeros({shape_.hidden});
    for (const auto& [gain, sums] : norms_) {
      const auto rows = static_cast<double>(norm_rows_.at(gain));
      all.energy[gain] = sums.first / rows;
      all.channels += (sums.second / rows).sqrt();
    }
    return all;
  }

 private:
  // Tokens that a set has seen, in all the layers that apply it.
  double rows_of(std::size_t set, bool attention) const {
    std::int64_t layers = 0;
    for (std::int64_t i = 0; i < shape_.layers; ++i) {
      const StoredSets of = sets_of_layer(family_, i);
      layers += (attention ? of.attention : of.mlp) == static_cast<std::int64_t>(set) ? 1 : 0;
    }
    return static_cast<double>(layers * tokens_);
  }

  FamilyConfig family_;
  ModelShape shape_;
  StoredSets sets_;
  std::int64_t tokens_ = 0;
  std::vector<double> layers_;
  std::vector<Tensor> heads_, neurons_, experts_;
  std::map<std::string, std::pair<Tensor, Tensor>> norms_;  // squares read and made
  std::map<std::string, std::int64_t> norm_rows_;
};

}  // namespace

Importance measure_importance(Model& model, const std::function<std::optional<Batch>()>& next) {
  const at::NoGradGuard no_grad;
  Sums sums(model.config().family);
  while (const auto batch = next()) walk(model, *batch, sums);
  return sums.importance();
}

std::vector<std::int64_t> order_of(const Tensor& scores) {
  const Tensor on_host = scores.to(at::kCPU, at::kDouble).contiguous();
  const auto* score = on_host.const_data_ptr<double>();
  std::vector<std::int64_t> order(static_cast<std::size_t>(on_host.numel()));
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, [&](std::int64_t a, std::int64_t b) { return score[a] > score[b]; });
  return order;
}

}  // namespace dsd
