// Cutting is exact: what is zero goes without a trace, and what stays keeps its bits.
#include "core/compress/prune.h"

#include "core/base/error.h"
#include "tests/check.h"
#include "tests/compress/families.h"

using namespace dsd;

namespace {

bool is_bert(const Sample& sample) { return std::holds_alternative<BertConfig>(sample.config.family); }

// What is done to a model and to its double alike.
using Change = std::function<void(Model&)>;

void each(Model& model, std::string_view ending, const std::function<void(const Tensor&)>& change) {
  for (const WeightEntry& entry : model.weights())
    if (entry.name().ends_with(ending)) change(entry.weight->master);
}

struct Pruned {
  Tensor before, after;  // logits in float64
  Kept kept;
  std::int64_t parameters = 0, parameters_before = 0;
};

// Scores are measured in fp32 and the cut is made in float64, so that rounding hides nothing.
Pruned prune(const Sample& sample, const PruneSizes& sizes, const Change& change) {
  const auto measured = make(sample, at::kFloat), base = make(sample, at::kDouble);
  change(*measured);
  change(*base);
  const Importance importance = measure_importance(*measured, once({text_batch()}));
  ModelConfig config = base->config();
  config.family = pruned_family(config.family, sizes);
  Pruned result{.before = logits_of(*base, sample), .after = {}, .kept = {}};
  result.kept = choose_parts(importance, base->config().family, config.family);
  std::vector<std::string> fresh;
  const auto small =
      pruned_model(*base, config, result.kept, importance, true, options_of(sample, at::kDouble), kWeights, &fresh);
  CHECK(fresh.empty());
  result.after = logits_of(*small, sample);
  result.parameters = small->parameter_count();
  result.parameters_before = base->parameter_count();
  return result;
}

void check_exact(const Pruned& pruned) {
  CHECK(pruned.parameters < pruned.parameters_before);
  CHECK(pruned.before.abs().max().item<double>() > 0.1);
  CHECK(largest_difference(pruned.before, pruned.after) < 1e-6);
}

bool holds(const Tensor& index, std::int64_t value) { return (index == value).any().item<bool>(); }

std::string fault_of(const FamilyConfig& family, const PruneSizes& sizes) {
  try {
    pruned_family(family, sizes);
  } catch (const Error& error) {
    CHECK(error.code() == ExitCode::bad_input);
    return error.what();
  }
  return "";
}

// Channel c of everything that a layer adds to the residual stream, and of what reads it.
constexpr std::int64_t kDead[] = {2, 3, 17, 23, 5, 11, 12, 20};

void kill_channels(Model& model) {
  for (const WeightEntry& entry : model.weights()) {
    const Tensor& master = entry.weight->master;
    const std::string& stem = entry.stem;
    for (const std::int64_t c : kDead) {
      if (stem.starts_with("embeddings.") && master.dim() == 2) master.select(1, c).zero_();
      if (stem.ends_with("attention.out.weight") || stem.ends_with("mlp.down.weight") || stem == "pooler.weight" ||
          stem == "masked_tokens.transform.weight" || (master.dim() == 1 && master.size(0) == 24))
        master.select(0, c).zero_();
      if (stem.ends_with("experts.down.weight")) master.view({5, 24, 10}).select(1, c).zero_();
    }
  }
}

// A norm that takes the mean away leaves no trace of a channel that is 0 where the others' mean is 0 too.
void centre(Model& model) {
  const Tensor alive = at::ones({24}, at::kDouble);
  for (const std::int64_t c : kDead) alive[c].zero_();
  const auto centred = [&](const Tensor& master, std::int64_t axis) {
    const Tensor mask = (axis == 0 && master.dim() == 2 ? alive.unsqueeze(1) : alive).to(master.scalar_type());
    master.copy_((master - (master * mask).sum(axis, true) / 16) * mask);
  };
  for (const WeightEntry& entry : model.weights()) {
    const Tensor& master = entry.weight->master;
    const std::string& stem = entry.stem;
    if (entry.use == WeightUse::gain) master.copy_(alive);
    else if (stem.starts_with("embeddings.") && master.dim() == 2) centred(master, 1);
    else if (stem.ends_with("attention.out.weight") || stem.ends_with("mlp.down.weight")) centred(master, 0);
    else if (stem.ends_with("out.bias") || stem.ends_with("down.bias") || stem.ends_with("norm.bias"))
      centred(master, 0);
  }
}

}  // namespace

TEST_CASE("dropping nothing gives the same bits") {
  for (const Sample& sample : samples()) {
    CAPTURE(sample.name);
    const auto base = make(sample, at::kFloat);
    const Importance importance = measure_importance(*base, once({text_batch()}));
    const FamilyConfig& family = base->config().family;
    const Kept kept = choose_parts(importance, family, family);
    const auto same =
        pruned_model(*base, base->config(), kept, importance, true, options_of(sample, at::kFloat), kWeights, nullptr);
    CHECK(same->config().family == family);
    const auto before = checkpoint_tensors(*base), after = checkpoint_tensors(*same);
    REQUIRE(before.size() == after.size());
    for (std::size_t i = 0; i < before.size(); ++i) CHECK(before[i].value.equal(after[i].value));
    CHECK(logits_of(*base, sample).equal(logits_of(*same, sample)));
  }
}

TEST_CASE("neurons that are zero go without a trace") {
  for (const Sample& sample : samples()) {
    CAPTURE(sample.name);
    const Pruned pruned = prune(sample, {.intermediate = 7}, [](Model& model) {
      each(model, ".down.weight", [](const Tensor& down) {
        for (const int neuron : {1, 5, 8}) down.select(1, neuron).zero_();
      });
    });
    check_exact(pruned);
    CHECK_FALSE(holds(pruned.kept.neurons[0][0], 5));
  }
}

TEST_CASE("heads that are zero go without a trace, all that read the same keys at once") {
  for (const Sample& sample : samples()) {
    if (is_bert(sample)) continue;  // its width follows its heads: below
    CAPTURE(sample.name);
    const Pruned pruned = prune(sample, {.heads = 2}, [&](Model& model) {
      each(model, "attention.out.weight", [&](const Tensor& out) { out.narrow(1, 0, out.size(1) / 2).zero_(); });
    });
    check_exact(pruned);
    for (const Tensor& groups : pruned.kept.heads) CHECK_FALSE(holds(groups, 0));
  }
}

TEST_CASE("channels that are zero go without a trace, tied embeddings and norms included") {
  for (const Sample& sample : samples()) {
    if (is_bert(sample)) continue;
    CAPTURE(sample.name);
    const Pruned pruned = prune(sample, {.hidden = 16}, kill_channels);
    check_exact(pruned);
    for (const std::int64_t dead : kDead) CHECK_FALSE(holds(pruned.kept.channels, dead));
  }
}

TEST_CASE("a bert's channels and heads go together, exactly where its norms' means are those of what stays") {
  for (const HeadKind head : {HeadKind::classes, HeadKind::masked_tokens}) {
    const Sample sample = bert_sample(head);
    CAPTURE(sample.name);
    const Pruned pruned = prune(sample, {.hidden = 18, .heads = 3}, [](Model& model) {
      kill_channels(model);
      centre(model);
      each(model, "attention.out.weight", [](const Tensor& out) { out.narrow(1, 6, 6).zero_(); });
    });
    if (head == HeadKind::classes) check_exact(pruned);
    for (const Tensor& heads : pruned.kept.heads) CHECK_FALSE(holds(heads, 1));
  }
}

TEST_CASE("layers that are the identity go without a trace") {
  for (const Sample& sample : samples()) {
    CAPTURE(sample.name);
    const bool bert = is_bert(sample);
    // Of v3 a whole stage of two applications is the identity, and each stage gives up one.
    const bool v3 = std::holds_alternative<V3Config>(sample.config.family);
    if (v3) continue;
    const Pruned pruned = prune(sample, {.layers = 2}, [&](Model& model) {
      for (const WeightEntry& entry : model.weights()) {
        const Tensor& master = entry.weight->master;
        const bool dead = entry.layer == 0 || entry.layer == 2;
        if (bert && entry.name().ends_with("norm.bias")) master.zero_();
        if (bert && entry.use == WeightUse::gain) master.fill_(1);
        if (dead && (entry.stem.starts_with("attention.out") || entry.stem.starts_with("mlp.down"))) master.zero_();
        // r1's experts serve all layers: a layer without a norm's gain before them gives them nothing.
        if (dead && entry.stem == "experts.norm.weight") master.zero_();
      }
    });
    check_exact(pruned);
    CHECK(pruned.kept.layers == std::vector<std::int64_t>{1, 3});
  }
}

TEST_CASE("layers of v3 go from each stage alike, the least important of each") {
  const Sample sample = v3_sample(V3Config::Share::all_but_router);
  const Pruned pruned = prune(sample, {.layers = 2}, [](Model& model) {
    // Attention gives nothing, and two of the layers give their stage's experts nothing.
    each(model, "attention.out.weight", [](const Tensor& out) { out.zero_(); });
    for (const char* name : {"layer.1.experts.norm.weight", "layer.2.experts.norm.weight"})
      weight_in(model, name).zero_();
  });
  check_exact(pruned);
  CHECK(pruned.kept.layers == std::vector<std::int64_t>{0, 3});
}

TEST_CASE("an expert that gets no row goes without a trace") {
  for (const Sample& sample : samples()) {
    if (experts_of(sample.config.family) == nullptr) continue;
    CAPTURE(sample.name);
    const Pruned pruned = prune(sample, {.experts = 4}, [](Model& model) {
      each(model, "experts.router.weight", [](const Tensor& router) {
        // The likeliest two are one of the first pair and one of the second: expert 2's score is always between them.
        router[1].copy_(-router[0]);
        router[4].copy_(-router[3]);
        router[2].zero_();
      });
    });
    check_exact(pruned);
    for (const Tensor& experts : pruned.kept.experts) CHECK_FALSE(holds(experts, 2));
  }
}

TEST_CASE("everything at once: shapes, bits of what stays, a folder that reads as the same model") {
  for (const Sample& sample : samples()) {
    CAPTURE(sample.name);
    const auto base = make(sample, at::kFloat);
    const Importance importance = measure_importance(*base, once({text_batch()}));
    const bool experts = experts_of(sample.config.family) != nullptr;
    ModelConfig config = base->config();
    config.family = pruned_family(config.family, {.layers = 2,
                                                  .hidden = 12,
                                                  .heads = 2,
                                                  .intermediate = 5,
                                                  .experts = experts ? std::optional<std::int64_t>(3) : std::nullopt});
    const Kept kept = choose_parts(importance, base->config().family, config.family);
    const auto small =
        pruned_model(*base, config, kept, importance, true, options_of(sample, at::kFloat), kWeights, nullptr);
    CHECK(layer_count(small->config().family) == 2);
    CHECK(hidden_size(small->config().family) == 12);
    if (experts) CHECK(experts_of(small->config().family)->num_experts == 3);
    const Tensor words = weight_in(*base, "embeddings.words.weight");
    CHECK(weight_in(*small, "embeddings.words.weight").equal(words.index_select(1, kept.channels)));

    const TemporaryFolder folder;
    save_model(*small, folder.path(), at::kFloat);
    const auto read = load_frozen_model(folder.path());
    CHECK(read->config().family == small->config().family);
    CHECK(logits_of(*read, sample).equal(logits_of(*small, sample)));
  }
}

TEST_CASE("named layers are taken as they are; a head for other labels is drawn anew") {
  const Sample sample = bert_sample();
  const auto base = make(sample, at::kFloat);
  const Importance importance = measure_importance(*base, once({text_batch()}));
  ModelConfig config = base->config();
  config.family = pruned_family(config.family, {.layers = 2});
  const std::vector<std::int64_t> layers{0, 1};
  const Kept kept = choose_parts(importance, base->config().family, config.family, layers);
  CHECK(kept.layers == layers);
  std::vector<std::string> fresh;
  ModelOptions options = options_of(sample, at::kFloat);
  options.outputs = 2;
  pruned_model(*base, config, kept, importance, true, options, kWeights, &fresh);
  CHECK(fresh == std::vector<std::string>{"classifier.weight", "classifier.bias"});
}

TEST_CASE("layers of v3 that are named stay in their stages") {
  const Sample sample = v3_sample(V3Config::Share::all_but_router);
  const auto base = make(sample, at::kFloat);
  const Importance importance = measure_importance(*base, once({text_batch()}));
  const FamilyConfig family = pruned_family(sample.config.family, {.layers = 2});
  const std::vector<std::int64_t> good{1, 2}, bad{0, 1};
  CHECK(choose_parts(importance, sample.config.family, family, good).layers == good);
  CHECK_THROWS_WITH_AS(choose_parts(importance, sample.config.family, family, bad),
                       "layer 1 of the base is of its stage 0, but would stand in stage 1 of the student", Error);
}

TEST_CASE("sizes that cannot be are named") {
  const FamilyConfig bert = bert_sample().config.family, llama = llama_sample(true).config.family,
                     v3 = v3_sample(V3Config::Share::all).config.family;
  CHECK(fault_of(bert, {}).find("nothing is to shrink: the model has 4 layers x 24, MLP 10") == 0);
  CHECK(fault_of(bert, {.layers = 4, .hidden = 24}).find("nothing is to shrink") == 0);
  CHECK(fault_of(bert, {.layers = 5}) == "layers: 5 cannot be cut out of 4; pruning takes 1 to 4");
  CHECK(fault_of(bert, {.layers = 3, .intermediate = 11}) ==
        "intermediate: 11 cannot be cut out of 10; pruning takes 1 to 10");
  CHECK(fault_of(bert, {.heads = 2}) ==
        "hidden: a bert model's heads are as wide as hidden / heads, and 2 of 6 need 12; set hidden to 12, or heads to "
        "4");
  CHECK(fault_of(bert, {.hidden = 20}).find("4 of 6 need 24; set hidden to 24") != std::string::npos);
  CHECK(fault_of(bert, {.experts = 2}).find("experts: a bert model has none") == 0);
  CHECK(fault_of(llama, {.heads = 3}) ==
        "heads: 3 are not whole groups of 2 that read the same keys; take a multiple of 2");
  CHECK(fault_of(v3, {.layers = 3}) == "layers: 3 do not share out to the 2 stages; take a multiple of 2");
  CHECK(fault_of(v3, {.experts = 1}) == "experts: each row goes to 2 of them, so 1 are too few");
  CHECK(fault_of(v3, {.experts = 3}).empty());
}
