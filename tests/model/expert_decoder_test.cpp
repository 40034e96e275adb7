// The article's decoders against their references in Python: golden_v3_r1/ is written by
// scripts/reference/v3_r1_golden.py from tests/parity/reference_v3.py and reference_r1.py.
#include <fstream>
#include <iterator>

#include "core/base/error.h"
#include "core/model/blocks/cache.h"
#include "core/model/families/expert_decoder.h"
#include "core/model/parameter_counts.h"
#include "losses/expert_balance.h"
#include "tests/model/expected.h"
// Last: it replaces LibTorch's CHECK.
#include "tests/check.h"

using namespace dsd;

namespace {

const std::filesystem::path kGolden = "tests/model/golden_v3_r1";
const std::vector<std::string> kCases{"v3_shared",  "v3_own_routers", "v3_visible",    "v3_classes", "r1_default",
                                      "r1_article", "r1_visible",     "r1_wide_block", "r1_values"};

bool classifies(const std::string& name) { return name == "v3_classes" || name == "r1_values"; }

Batch golden_batch(const Expected& expected, const std::string& name) {
  Batch batch = batch_of(expected, classifies(name));
  const Tensor visible = expected.at("visible").to(at::kBool);
  if (!visible.all().item<bool>()) batch.streams[0].visible = visible;
  return batch;
}

Wanted all_of(const Expected& expected) {
  Wanted wanted{.heads = true, .sites = {}, .routing = true};
  for (int i = 0; expected.has(fmt::format("hidden.{}", i)); ++i) wanted.sites.push_back(hidden_site(i));
  return wanted;
}

double balance_of(const Outputs& outputs, const Batch& batch) {
  const ExpertBalance loss;
  return loss.sum({.student = {&outputs, 1}, .batch = batch}).item<double>() / loss.count(batch);
}

void compare(Model& model, const std::string& name, double bound) {
  const at::NoGradGuard no_grad;
  const Expected expected = expected_of(kGolden / name);
  const Batch batch = golden_batch(expected, name);
  const Wanted wanted = all_of(expected);
  const Outputs outputs = model.forward(batch, wanted, {});
  for (const Site& site : wanted.sites) {
    CAPTURE(name_of(site));
    CHECK(largest_difference(outputs.at(site), expected.at(name_of(site))) < bound);
  }
  CHECK(largest_difference(logits_of(outputs.heads.at(0)), expected.at("logits")) < bound);
  CHECK(std::abs(balance_of(outputs, batch) - expected.at("balance").item<float>()) < bound);
  // Without captures the last layer of a classifier runs for the last rows alone.
  CHECK(largest_difference(logits_of(model.forward(batch, {}, {}).heads.at(0)), expected.at("logits")) < bound);
}

// The gradient of a weight as its checkpoint's tensors stand in it.
Tensor expected_gradient(const Expected& expected, const WeightEntry& entry) {
  std::vector<Tensor> parts;
  for (const CheckpointTensor& tensor : entry.tensors) parts.push_back(expected.at("grad." + tensor.name));
  return at::cat(parts);
}

Tensor gradient_of(const Weight& weight) {
  if (!weight.row_gradient) return weight.master.grad();
  const Tensor dense = at::zeros_like(weight.master);
  const auto& rows = weight.row_gradient->rows;
  for (std::size_t i = 0; i < rows.size(); ++i)
    dense[rows[i]].copy_(weight.row_gradient->values[static_cast<std::int64_t>(i)]);
  return dense;
}

// Of sum(logits * projection) + 3 * balance, relative to the largest of each weight.
void compare_gradients(Model& model, const std::string& name, double bound) {
  const Expected expected = expected_of(kGolden / name);
  const Batch batch = golden_batch(expected, name);
  const Outputs outputs = model.forward(batch, {.routing = true}, {.train = true});
  const Tensor logits = logits_of(outputs.heads.at(0));
  const ExpertBalance loss;
  const Tensor balance = loss.sum({.student = {&outputs, 1}, .batch = batch}) / loss.count(batch);
  ((logits * expected.at("projection").to(logits.scalar_type())).sum() + balance * 3).backward();
  const at::NoGradGuard no_grad;
  for (const WeightEntry& entry : model.weights()) {
    CAPTURE(entry.name());
    const Tensor wanted = expected_gradient(expected, entry);
    const double scale = std::max(1.0, wanted.abs().max().item<double>());
    CHECK(largest_difference(gradient_of(*entry.weight), wanted) / scale < bound);
  }
}

std::unique_ptr<Model> trainable(const std::string& name, at::ScalarType dtype) {
  ModelOptions options = frozen_options(read_model_config(kGolden / name));
  options.trainable = true;
  options.dtype = dtype;
  return load_model(kGolden / name, options, {}, nullptr);
}

}  // namespace

TEST_CASE("logits, hidden states and balance equal the reference's, fused and plain") {
  for (const std::string& name : kCases) {
    CAPTURE(name);
    compare(*load_frozen_model(kGolden / name), name, 1e-4);
    compare(*trainable(name, at::kFloat), name, 1e-4);
    compare(*trainable(name, at::kDouble), name, 1e-5);
  }
}

TEST_CASE("gradients of every weight equal the reference's, fused and plain") {
  for (const std::string& name : kCases) {
    CAPTURE(name);
    compare_gradients(*trainable(name, at::kFloat), name, 1e-4);
    compare_gradients(*trainable(name, at::kDouble), name, 1e-5);
  }
}
