#include "core/config/explanation.h"

#include "tests/config/sample.h"

namespace dsd::sample {
namespace {

std::string explain(std::string_view key) {
  Config config;
  return explain_tree(describe_fields(config), key);
}

bool contains(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

TEST_CASE("every key is there with type, range, default and help") {
  const std::string all = explain("");
  CHECK(contains(all, "- `teacher`: frozen. text; required.\n"));
  CHECK(contains(all, "- `steps`: steps. whole number > 0; default 1000.\n"));
  CHECK(contains(all, "- `dtype`: precision. fp32 or bf16; default fp32.\n"));
  CHECK(contains(all, "- `labels`: names. list of text; default [].\n"));
  CHECK(contains(all, "## optimizer\n\nsettings\n\n- `optimizer.lr`: peak. number > 0; default 0.0003.\n"));
  CHECK(contains(all, "- `optimizer.weight_decay`: decay. number from 0 to 1; default 0.01.\n"));
  CHECK(contains(all, "- `optimizer.clip_norm`: bound. number > 0 or null; default null.\n"));
  CHECK(contains(all, "- `losses[].weight`: multiplies. number >= 0; default 1.0.\n"));
}

TEST_CASE("all alternatives of a choice are told, once") {
  const std::string all = explain("");
  CHECK(contains(all, "- kind `hidden_mse`\n"));
  CHECK(contains(all, "- kind `plain`: no keys\n"));
  CHECK(contains(all, "kinds and their keys as for `losses[].loss`"));
  CHECK(contains(all,
                 "`main`: a choice with a default. mapping with a kind (forward_kl, hidden_mse, plain); default {kind: "
                 "forward_kl, temperature: 4.0}."));
}

TEST_CASE("a value with its own grammar shows its forms, once") {
  const std::string all = explain("");
  CHECK(contains(all,
                 "- `patience`: how long to wait. number or duration > 0; default \"1.0 min\".\n"
                 "  - `90`: seconds\n  - `3 min`: minutes\n"
                 "- `pause`: between two tries. number or duration or null; default null.\n"
                 "  - number or duration as for `patience`\n"));
  CHECK(contains(explain("pause"), "- `3 min`: minutes"));
}

TEST_CASE("a choice with a shorthand tells both ways") {
  CHECK(contains(explain("waiting"),
                 "- `waiting`: a choice with a shorthand. number or duration > 0 or mapping with a kind (growing, "
                 "steady); default {kind: growing, factor: 2.0}.\n"));
}

TEST_CASE("one key, with what is below it") {
  CHECK(explain("seed") == "- `seed`: seed. whole number >= 0; default 0.\n");
  CHECK(!contains(explain("optimizer"), "`steps`"));
  CHECK(contains(explain("extra"), "- kind `forward_kl`\n    - `extra.temperature`: softens."));
  CHECK(contains(explain("extra.temperature"), "softens"));
}

TEST_CASE("an unknown key gets a hint") {
  CHECK_THROWS_WITH_AS(explain("optimizer.weight_dacay"),
                       "there is no key 'optimizer.weight_dacay'; did you mean 'optimizer.weight_decay'?", Error);
  CHECK_THROWS_WITH_AS(explain("zzzzzz"), "there is no key 'zzzzzz'; `recipe explain` alone lists them all", Error);
}

}  // namespace
}  // namespace dsd::sample
