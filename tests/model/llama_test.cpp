// Against transformers: golden_llama/ is written by scripts/reference/llama_golden.py.
#include "core/model/families/llama.h"
#include "core/base/error.h"
#include "core/model/model.h"
#include "tests/model/expected.h"
// Last: it replaces LibTorch's CHECK.
#include "tests/check.h"

using namespace dsd;

namespace {

const std::filesystem::path kGolden = "tests/model/golden_llama";
const std::vector<std::string> kCases{"grouped", "tied_llama3", "biased_wide_heads", "qwen2", "window",
                                      "classes", "bare"};

void compare(Model& model, const std::string& name, double bound) {
  CAPTURE(name);
  const Expected expected = expected_of(kGolden / name);
  const Batch batch = batch_of(expected, name == "classes");
  const bool has_head = expected.has("logits");
  Wanted wanted{.heads = has_head, .sites = {}};
  for (int i = 0; expected.has(fmt::format("hidden.{}", i)); ++i) wanted.sites.push_back(hidden_site(i));
  const Outputs outputs = model.forward(batch, wanted, {});
  for (const Site& site : wanted.sites) {
    CAPTURE(name_of(site));
    CHECK(largest_difference(outputs.at(site), expected.at(name_of(site))) < bound);
  }
  if (!has_head) return;
  CHECK(largest_difference(logits_of(outputs.heads.at(0)), expected.at("logits")) < bound);
  // Without captures the last layer of a classifier runs for the last rows alone.
  CHECK(largest_difference(logits_of(model.forward(batch, {}, {}).heads.at(0)), expected.at("logits")) < bound);
}

}  // namespace

TEST_CASE("a decoder's logits and hidden states equal those of transformers") {
  for (const std::string& name : kCases) {
    {
      const at::NoGradGuard no_grad;
      compare(*load_frozen_model(kGolden / name), name, 1e-4);
    }
    ModelOptions options = frozen_options(read_model_config(kGolden / name));
    options.trainable = true;
    compare(*load_model(kGolden / name, options, {}, nullptr), name, 1e-4);
    options.dtype = at::kDouble;
    compare(*load_model(kGolden / name, options, {}, nullptr), name, 3e-5);
  }
}

TEST_CASE("a saved decoder is read back to the bit, under the names that transformers gave") {
  for (const std::string& name : kCases) {
    CAPTURE(name);
    const auto model = load_frozen_model(kGolden / name);
    const TemporaryFolder folder;
    save_model(*model, folder.path(), at::kFloat);
    const Checkpoint source = Checkpoint::open(kGolden / name), written = Checkpoint::open(folder.path());
    CHECK(written.names().size() == source.names().size());
    for (const std::string& tensor : written.names()) {
      CAPTURE(tensor);
      const TensorInfo* original = source.find(tensor);
      REQUIRE((original != nullptr));
      CHECK(std::ranges::equal(original->bytes, written.at(tensor).bytes));
    }
    const auto again = load_frozen_model(folder.path());
    CHECK((again->config().family == model->config().family));
    compare(*again, name, 1e-4);
  }
}

TEST_CASE("a text read in pieces gives the logits of the whole text") {
  const at::NoGradGuard no_grad;
  for (const std::string name : {"grouped", "window", "tied_llama3"}) {
    CAPTURE(name);
    const auto model = load_frozen_model(kGolden / name);
    const auto texts = random_texts({40, 21}, 41, 3);
    Batch whole = make_batch(texts);
    whole.rows[0] = at::arange(61, at::TensorOptions(at::kInt));
    const Tensor expected = logits_of(model->forward(whole, {}, {}).heads.at(0));
    KvCache cache = model->make_cache(2, 40);
    Batch first = make_batch({{texts[0].begin(), texts[0].end() - 1}, {texts[1].begin(), texts[1].end() - 1}});
    first.rows[0] = last_rows_of(first.streams[0].offsets);
    const Pass pass{.cache = &cache};
    const Tensor before = logits_of(model->forward(first, {}, pass).heads.at(0));
    CHECK(largest_difference(before, at::stack({expected[38], expected[59]})) < 1e-5);
    Batch last = make_batch({{texts[0].back()}, {texts[1].back()}});
    const Tensor after = logits_of(model->forward(last, {}, pass).heads.at(0));
    CHECK(largest_difference(after, at::stack({expected[39], expected[60]})) < 1e-5);
    CHECK(cache.counts == std::vector<std::int32_t>{40, 21});
    CHECK_THROWS_AS(model->forward(last, {}, pass), Error);
  }
}

TEST_CASE("what a decoder's config may not say") {
  const auto faulty = [](const std::string& change) {
    return fmt::format(R"({{"model_type":"llama","vocab_size":7,"hidden_size":8,"num_hidden_layers":1,
      "num_attention_heads":2,"intermediate_size":4{}}})",
                       change);
  };
  CHECK_NOTHROW(parse_model_config(faulty(""), "c"));
  for (const char* change : {R"(,"num_key_value_heads":3)", R"(,"head_dim":3)", R"(,"hidden_act":"gelu")",
                             R"(,"rope_scaling":{"type":"yarn"})", R"(,"rope_scaling":7)",
                             R"(,"attention_dropout":0.1)", R"(,"rms_norm_eps":-1)", R"(,"eos_token_id":"x")",
                             R"(,"rope_scaling":{"rope_type":"llama3","low_freq_factor":4,"high_freq_factor":4})"}) {
    CAPTURE(change);
    CHECK_THROWS_AS(parse_model_config(faulty(change), "c"), Error);
  }
}
