// Groups of weights that are not trained: which weights they are in each family, and what cannot be named.
#include "core/model/freeze.h"

#include <set>

#include "core/base/error.h"
// Last: it replaces LibTorch's CHECK.
#include "tests/check.h"

using namespace dsd;

namespace {

FreezeGroup group(const char* text) {
  FreezeGroup read;
  REQUIRE_FALSE(read.read(text, any).has_value());
  return read;
}

std::unique_ptr<Model> model_of(const FamilyConfig& family) {
  return random_model({.family = family, .head = {}, .json = ""}, {.head = HeadKind::next_token, .outputs = 1},
                      {.seed = 1, .purpose = Purpose::weights});
}

// The parameters that are still trained once `groups` are frozen.
std::set<std::string> trained(Model& model, const std::vector<FreezeGroup>& groups) {
  freeze(model, groups);
  std::set<std::string> names;
  for (const Parameter& parameter : model.parameters()) {
    if (parameter.weight->master.requires_grad()) names.insert(parameter.name);
    else CHECK_FALSE(parameter.weight->master.grad().defined());
  }
  return names;
}

std::string fault(Model& model, const std::vector<FreezeGroup>& groups) {
  try {
    freeze(model, groups);
  } catch (const Error& error) {
    CHECK((error.code() == ExitCode::bad_input));
    return error.what();
  }
  return "";
}

LlamaConfig llama() {
  LlamaConfig config;
  config.vocab_size = 20, config.hidden_size = 8, config.intermediate_size = 12;
  config.num_hidden_layers = 3, config.num_attention_heads = config.num_key_value_heads = 2, config.head_dim = 4;
  return config;
}

template <class Config>
Config experts() {
  Config config;
  config.vocab_size = 20, config.hidden_size = 8, config.intermediate_size = 12;
  config.num_hidden_layers = 4, config.num_attention_heads = config.num_key_value_heads = 2, config.head_dim = 4;
  return config;
}

bool starts(const std::set<std::string>& names, const std::string& stem) {
  return std::ranges::any_of(names, [&](const std::string& name) { return name.starts_with(stem); });
}

}  // namespace

TEST_CASE("embeddings, layers and what follows them are the whole of a decoder") {
  const auto model = model_of(llama());
  const auto left = trained(*model, {group("embeddings"), group("layers.1-")});
  CHECK_FALSE(starts(left, "embeddings."));
  CHECK(starts(left, "layer.0."));
  CHECK_FALSE(starts(left, "layer.1."));
  CHECK_FALSE(starts(left, "layer.2."));
  CHECK(left.contains("norm.weight"));
  CHECK(fault(*model, {group("layers.0"), group("head")}).find("nothing is left to train") != std::string::npos);
  const auto other = model_of(llama());
  CHECK(fault(*other, {group("layers.3")}).find("'layers.3' names a layer beyond the student's 3") !=
        std::string::npos);
  CHECK(fault(*other, {group("layers.1-3")}).find("beyond the student's 3") != std::string::npos);
}

TEST_CASE("layers that share weights are frozen together or not at all") {
  auto config = experts<V3Config>();
  config.stages = 2, config.layers_per_stage = 2;
  const auto model = model_of(config);
  CHECK(fault(*model, {group("layers.2")}).find("only some of the layers 2 to 3, which share weights") !=
        std::string::npos);
  const auto left = trained(*model, {group("layers.2-3")});
  CHECK(starts(left, "stage.0."));
  CHECK_FALSE(starts(left, "stage.1."));
  const auto r1 = model_of(experts<R1Config>());
  CHECK(fault(*r1, {group("layers.0-2")}).find("only some of the layers 0 to 3") != std::string::npos);
  CHECK_FALSE(starts(trained(*r1, {group("layers")}), "experts."));
}

TEST_CASE("a student that becomes a teacher has nothing trained") {
  const auto model = model_of(llama());
  freeze_all(*model);
  CHECK(trained(*model, {}).empty());
}
