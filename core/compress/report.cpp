#include "core/compress/report.h"

#include <ATen/ATen.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "core/compress/walk.h"
#include "core/formats/json.h"
#include "core/model/model_shape.h"

namespace dsd {
namespace {

constexpr int kReportVersion = 1;

std::vector<std::int64_t> numbers(const Tensor& index) {
  const auto* first = index.const_data_ptr<std::int64_t>();
  return {first, first + index.numel()};
}

std::vector<double> values(const Tensor& scores) {
  const Tensor flat = scores.contiguous();
  return {flat.const_data_ptr<double>(), flat.const_data_ptr<double>() + flat.numel()};
}

// Percent of the scores that is kept; all of what gives nothing.
double share(const Tensor& scores, const Tensor& kept) {
  const double all = scores.sum().item<double>();
  return all > 0 ? 100 * scores.index_select(0, kept).sum().item<double>() / all : 100;
}

// Least and most over sets.
struct KeptShares {
  double least = 100, most = 0;
  void add(double percent) { least = std::min(least, percent), most = std::max(most, percent); }
  std::string text() const {
    return most - least < 0.05 ? fmt::format("{:.1f} %", most) : fmt::format("{:.1f} to {:.1f} %", least, most);
  }
};

// Of the experts that stay.
double neuron_share(const PruningReport& report, std::size_t set) {
  const auto& [importance, kept, base, student] = report;
  double all = 0, stay = 0;
  for (std::size_t e = 0; e < kept.neurons[set].size(); ++e) {
    const auto expert = static_cast<std::int64_t>(e);
    if (!kept.experts.empty() && !(kept.experts[set] == expert).any().item<bool>()) continue;
    const Tensor scores = importance.neurons[set][expert];
    all += scores.sum().item<double>();
    stay += scores.index_select(0, kept.neurons[set][e]).sum().item<double>();
  }
  return all > 0 ? 100 * stay / all : 100;
}

// "3 0 | 1 2": most important first, a bar behind those that stay.
std::string ranking(const Tensor& scores, const Tensor& kept) {
  const auto order = order_of(scores);
  const auto cut = order.begin() + kept.numel();
  if (cut == order.end()) return fmt::format("{}", fmt::join(order, " "));
  return fmt::format("{} | {}", fmt::join(order.begin(), cut, " "), fmt::join(cut, order.end(), " "));
}

Json scores_json(const Tensor& scores, const Tensor& kept) {
  return {{"scores", values(scores)}, {"order", order_of(scores)}, {"kept", numbers(kept)}};
}

}  // namespace

std::vector<std::string> pruning_lines(const PruningReport& report) {
  const auto& [importance, kept, base, student] = report;
  const ModelShape from = shape_of(base), to = shape_of(student);
  std::vector<std::string> lines;
  double influence = 0, stays = 0;
  for (const double layer : importance.layers) influence += layer;
  KeptShares heads, neurons, experts;
  for (const std::int64_t layer : kept.layers) {
    stays += importance.layers[static_cast<std::size_t>(layer)];
    const StoredSets sets = sets_of_layer(base, layer);
    const auto a = static_cast<std::size_t>(sets.attention), m = static_cast<std::size_t>(sets.mlp);
    heads.add(share(importance.heads[a], kept.heads[a]));
    neurons.add(neuron_share(report, m));
    if (!kept.experts.empty()) experts.add(share(importance.experts[m], kept.experts[m]));
  }
  if (to.layers < from.layers)
    lines.push_back(fmt::format("layers {} -> {}: {}, with {:.1f} % of their influence", from.layers, to.layers,
                                fmt::join(kept.layers, ", "), influence > 0 ? 100 * stays / influence : 100));
  if (to.hidden < from.hidden)
    lines.push_back(fmt::format("hidden {} -> {}, with {:.1f} % of the channels' norms", from.hidden, to.hidden,
                                share(importance.channels, kept.channels)));
  if (to.heads < from.heads)
    lines.push_back(fmt::format("heads {} -> {}, with {} of a layer's norms", from.heads, to.heads, heads.text()));
  if (intermediate_size(student) < intermediate_size(base))
    lines.push_back(fmt::format("intermediate {} -> {}, with {} of a layer's neurons' norms", intermediate_size(base),
                                intermediate_size(student), neurons.text()));
  if (const auto* few = experts_of(student); few != nullptr && few->num_experts < experts_of(base)->num_experts)
    lines.push_back(fmt::format("experts {} -> {}, with {} of a layer's rows, weighed by probability",
                                experts_of(base)->num_experts, few->num_experts, experts.text()));
  return lines;
}

std::string pruning_table(const PruningReport& report) {
  const auto& [importance, kept, base, student] = report;
  std::vector<std::array<std::string, 6>> rows{{"layer", "influence", "becomes", "neurons %", "heads", "experts"}};
  for (std::int64_t layer = 0; layer < layer_count(base); ++layer) {
    const StoredSets sets = sets_of_layer(base, layer);
    const auto a = static_cast<std::size_t>(sets.attention), m = static_cast<std::size_t>(sets.mlp);
    const auto place = std::ranges::find(kept.layers, layer);
    const bool stays = place != kept.layers.end();
    rows.push_back({fmt::format("{}", layer), fmt::format("{:.5f}", importance.layers[static_cast<std::size_t>(layer)]),
                    stays ? fmt::format("{}", place - kept.layers.begin()) : "-",
                    fmt::format("{:.1f}", neuron_share(report, m)), ranking(importance.heads[a], kept.heads[a]),
                    kept.experts.empty() ? "" : ranking(importance.experts[m], kept.experts[m])});
  }
  std::size_t widest = 0;
  for (const auto& row : rows) widest = std::max(widest, row[4].size());
  std::string text;
  for (const auto& row : rows) {
    std::string line =
        fmt::format("{:>5}  {:>9}  {:>7}  {:>9}  {:<{}}", row[0], row[1], row[2], row[3], row[4], widest);
    if (!kept.experts.empty()) line += "  " + row[5];
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text;
}

std::string pruning_json(const PruningReport& report) {
  const auto& [importance, kept, base, student] = report;
  const Tensor influence = at::tensor(at::ArrayRef<double>(importance.layers), at::TensorOptions(at::kDouble));
  Json json{{"version", kReportVersion}, {"tokens", importance.tokens}};
  json["layers"] = {{"scores", importance.layers}, {"order", order_of(influence)}, {"kept", kept.layers}};
  json["channels"] = scores_json(importance.channels, kept.channels);
  for (std::size_t s = 0; s < kept.heads.size(); ++s)
    json["heads"].push_back(scores_json(importance.heads[s], kept.heads[s]));
  for (std::size_t s = 0; s < kept.neurons.size(); ++s) {
    Json of_set = Json::array();
    for (std::size_t e = 0; e < kept.neurons[s].size(); ++e)
      of_set.push_back(scores_json(importance.neurons[s][static_cast<std::int64_t>(e)], kept.neurons[s][e]));
    json["neurons"].push_back(std::move(of_set));
    if (!kept.experts.empty()) json["experts"].push_back(scores_json(importance.experts[s], kept.experts[s]));
  }
  return write_json(json);
}

}  // namespace dsd
