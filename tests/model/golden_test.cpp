// Against transformers: golden/ is written by scripts/reference/bert_golden.py.
#include "core/base/error.h"
#include "core/model/model.h"
#include "tests/check.h"
#include "tests/model/expected.h"

using namespace dsd;

namespace {

constexpr double kTolerance = 1e-5;

const std::filesystem::path kGolden = "tests/model/golden";

Batch batch_of(const Expected& expected) {
  const Tensor offsets = expected.at("offsets");
  const Tensor ids = expected.at("ids");
  const Tensor positions = at::arange(ids.size(0), at::TensorOptions(at::kInt));
  for (std::int64_t s = 0; s + 1 < offsets.size(0); ++s) {
    const auto begin = offsets[s].item<std::int64_t>(), end = offsets[s + 1].item<std::int64_t>();
    positions.slice(0, begin, end).sub_(begin);
  }
  Batch batch;
  batch.streams.push_back(
      {.ids = ids, .offsets = offsets, .positions = positions, .segments = expected.at("segments"), .spans = {}});
  batch.rows.push_back(expected.has("rows") ? expected.at("rows") : offsets.slice(0, 0, -1));
  return batch;
}

Wanted everything(const Expected& expected, bool has_head) {
  Wanted wanted{.heads = has_head, .sites = {}};
  for (int i = 0; expected.has(fmt::format("hidden.{}", i)); ++i) wanted.sites.push_back(hidden_site(i));
  if (expected.has("pooled")) wanted.sites.push_back({.kind = Site::Kind::pooled});
  return wanted;
}

void compare(Model& model, const Expected& expected, const std::string& name) {
  const bool has_head = expected.has("logits");
  const Batch batch = batch_of(expected);
  const Wanted wanted = everything(expected, has_head);
  const Outputs outputs = model.forward(batch, wanted, {});
  for (const Site& site : wanted.sites) {
    const std::string key = site.kind == Site::Kind::pooled ? "pooled" : name_of(site);
    CAPTURE(name);
    CAPTURE(key);
    CHECK(largest_difference(outputs.at(site), expected.at(key)) < kTolerance);
  }
  if (!has_head) return;
  const Tensor logits = expected.at("logits");
  CHECK(outputs.heads.at(0).classes == logits.size(1));
  CHECK(outputs.heads.at(0).rows.equal(batch.rows[0]));
  CHECK(largest_difference(logits_of(outputs.heads.at(0)), logits) < kTolerance);
  // Without captures the last layer runs for the head's rows alone.
  CHECK(largest_difference(logits_of(model.forward(batch, {}, {}).heads.at(0)), logits) < kTolerance);
}

const std::vector<std::string> kCases{"classes", "regression", "several_labels", "masked_tokens",
                                      "untied",  "old_names",  "no_pooler"};

}  // namespace

TEST_CASE("logits and hidden states equal those of transformers") {
  for (const std::string& name : kCases) {
    const Expected expected = expected_of(kGolden / name);
    {
      const at::NoGradGuard no_grad;
      compare(*load_frozen_model(kGolden / name), expected, name);
    }
    ModelOptions options = frozen_options(read_model_config(kGolden / name));
    options.trainable = true;
    compare(*load_model(kGolden / name, options, {}, nullptr), expected, name);
    options.dtype = at::kDouble;
    compare(*load_model(kGolden / name, options, {}, nullptr), expected, name);
  }
}

TEST_CASE("what a config states of its head") {
  const auto head = [](const char* name) { return frozen_options(read_model_config(kGolden / name)); };
  CHECK(head("classes").head == HeadKind::classes);
  CHECK(head("classes").outputs == 3);
  CHECK(head("regression").head == HeadKind::values);
  CHECK(head("regression").outputs == 1);
  CHECK(head("several_labels").head == HeadKind::classes);
  CHECK(head("several_labels").outputs == 4);
  CHECK(head("masked_tokens").head == HeadKind::masked_tokens);
  CHECK(head("old_names").head == HeadKind::none);
}

TEST_CASE("a saved model is read back to the bit, under the names that transformers gave") {
  for (const std::string& name : kCases) {
    CAPTURE(name);
    const auto model = load_frozen_model(kGolden / name);
    const TemporaryFolder folder;
    save_model(*model, folder.path(), at::kFloat);
    const Checkpoint source = Checkpoint::open(kGolden / name), written = Checkpoint::open(folder.path());
    for (const std::string& tensor : written.names()) {
      if (name == "old_names") continue;  // spelt anew
      const TensorInfo* original = source.find(tensor);
      CAPTURE(tensor);
      REQUIRE((original != nullptr));
      CHECK(std::ranges::equal(original->bytes, written.at(tensor).bytes));
    }
    // Untied, transformers writes a second bias that it does not read.
    CHECK(written.names().size() + (name == "untied" || name == "old_names" ? 1 : 0) == source.names().size());
    const auto again = load_frozen_model(folder.path());
    CHECK(again->config().head.labels == model->config().head.labels);
    CHECK(again->config().head.problem_type == model->config().head.problem_type);
    compare(*again, expected_of(kGolden / name), name);
  }
}

TEST_CASE("a model in bf16 shadows stays near the exact one") {
  const at::NoGradGuard no_grad;
  const Expected expected = expected_of(kGolden / "classes");
  const auto model = load_frozen_model(kGolden / "classes", true);
  CHECK((weight_of(*model, "layer.0.mlp.up.weight").shadow.scalar_type() == at::kBFloat16));
  CHECK_FALSE(weight_of(*model, "classifier.weight").shadow.defined());
  const Tensor logits = model->forward(batch_of(expected), {}, {}).heads.at(0).dense;
  const double difference = largest_difference(logits, expected.at("logits"));
  CHECK(difference > 0);
  CHECK(difference < 0.05);
}
