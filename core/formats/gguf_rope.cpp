#include "core/formats/gguf_rope.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/base/error.h"

namespace dsd {
namespace {

// What all of Llama 3.1 to 3.3 have; only the factor differs (8, or 32).
constexpr double kLowFactor = 1, kHighFactor = 4, kOriginalPositions = 8192;
constexpr double kTolerance = 1e-5;

// By what Llama 3's scaling divides each frequency.
std::vector<double> llama3_factors(double factor, double theta, std::size_t pairs) {
  std::vector<double> factors;
  for (std::size_t i = 0; i < pairs; ++i) {
    const double frequency = std::pow(theta, -static_cast<double>(i) / static_cast<double>(pairs));
    const double length = 2 * std::numbers::pi / frequency;
    const double smooth = (kOriginalPositions / length - kLowFactor) / (kHighFactor - kLowFactor);
    if (length < kOriginalPositions / kHighFactor) factors.push_back(1);
    else if (length > kOriginalPositions / kLowFactor) factors.push_back(factor);
    else factors.push_back(1 / ((1 - smooth) / factor + smooth));
  }
  return factors;
}

Json from_factors(const GgufFile& file, const TensorInfo& tensor, double theta, std::int64_t head_width) {
  if (tensor.elements() * 2 != head_width)
    fail("{}: tensor '{}' has shape {}, but heads of {} have {} pairs", file.source(), tensor.name,
         shape_text(tensor.shape), head_width, head_width / 2);
  const std::vector<float> factors = read_values(tensor, file.source());
  const double factor = *std::ranges::max_element(factors);
  if (std::ranges::all_of(factors, [](float each) { return each == 1; })) return nullptr;
  const std::vector<double> expected = llama3_factors(factor, theta, factors.size());
  for (std::size_t i = 0; i < factors.size(); ++i)
    if (!(std::abs(factors[i] - expected[i]) <= kTolerance * expected[i]))
      fail(
          "{}: tensor '{}' scales the rotation of positions by factors that are not Llama 3's; that is not supported, "
          "use the model's safetensors",
          file.source(), tensor.name);
  return {{"rope_type", "llama3"},
          {"factor", factor},
          {"low_freq_factor", kLowFactor},
          {"high_freq_factor", kHighFactor},
          {"original_max_position_embeddings", static_cast<std::int64_t>(kOriginalPositions)}};
}

}  // namespace

Json rope_scaling(const GgufFile& file, const std::string& architecture, double theta, std::int64_t head_width) {
  const GgufKeys keys(file);
  for (const char* name : {"rope_factors_long.weight", "rope_factors_short.weight"})
    if (file.find(name) != nullptr)
      fail("{}: tensor '{}' scales the rotation of positions; that is not supported, use the model's safetensors",
           file.source(), name);
  const TensorInfo* factors = file.find(kRopeFactors);
  const std::string type_key = architecture + ".rope.scaling.type";
  const std::string_view type = keys.text(type_key, "none");
  if (type == "none") return factors == nullptr ? Json(nullptr) : from_factors(file, *factors, theta, head_width);
  if (type != "linear" || factors != nullptr)
    fail("{}: '{}' is '{}'; supported: none, linear, and Llama 3's in '{}'", file.source(), type_key,
         brief(std::string(type)), kRopeFactors);
  const double factor = keys.number(architecture + ".rope.scaling.factor");
  if (!(factor > 0))
    fail("{}: '{}.rope.scaling.factor' is {}; expected more than 0", file.source(), architecture, factor);
  return {{"rope_type", "linear"}, {"factor", factor}};
}

}  // namespace dsd
