#include "core/config/overrides.h"

#include "tests/config/sample.h"

namespace dsd::sample {
namespace {

const std::string kHead = "teacher: t\nstudent: s\n";

using Lines = std::vector<std::string>;

TEST_CASE("an override sets a key that is there, one that is not, and one below what is not") {
  CHECK(read(kHead + "seed: 1\n", {"seed=7"}).seed == 7);
  CHECK(read(kHead, {"seed=7", "optimizer.lr=1e-4"}).optimizer.lr == 1e-4);
  CHECK(read(kHead + "optimizer: {lr: 0.5}\n", {"optimizer.weight_decay=0.25"}).optimizer.lr == 0.5);
  CHECK(read(kHead, {"seed=1", "seed=2"}).seed == 2);
  CHECK(read("student: s\n", {"teacher=a=b"}).teacher == "a=b");
}

TEST_CASE("values are YAML: lists, mappings, null, and text without quotes") {
  CHECK(read(kHead, {"labels=[0, b]"}).labels == Lines{"0", "b"});
  CHECK(read(kHead, {"teacher=2024"}).teacher == "2024");
  CHECK(!read(kHead + "optimizer: {clip_norm: 1}\n", {"optimizer.clip_norm=null"}).optimizer.clip_norm);
  const Config config = read(kHead, {"losses=[{weight: 2, loss: {kind: plain}}]", "losses[0].weight=3"});
  CHECK(config.losses.at(0).weight == 3.0);
}

TEST_CASE("choices: a kind alone, a key of the default's, a key that the new kind does not know") {
  CHECK(std::holds_alternative<Plain>(*read(kHead, {"extra.kind=plain"}).extra));
  CHECK(std::holds_alternative<Plain>(*read(kHead + "extra: null\n", {"extra.kind=plain"}).extra));
  CHECK(std::get<ForwardKl>(read(kHead, {"main.temperature=9"}).main).temperature == 9.0);
  const std::string kl = kHead + "extra: {kind: forward_kl, temperature: 3}\n";
  CHECK(std::holds_alternative<HiddenMse>(*read(kl, {"extra.kind=hidden_mse"}).extra));
  CHECK(std::get<ForwardKl>(*read(kl, {"extra.temperature=5"}).extra).temperature == 5.0);
  CHECK(!read(kl, {"extra=null"}).extra);
  // One that comes with the new kind is checked.
  CHECK(faults_of(kl, {"extra.kind=hidden_mse", "extra.temperature=5"}) ==
        Lines{"--set extra.temperature=5: error: unknown key 'temperature' in 'extra'; expected one of: kind, layers"});
}

TEST_CASE("an index reaches into a list, by either form; in a mapping it is a key") {
  for (const char* key : {"labels[1]=x", "labels.1=x"})
    CHECK(read(kHead + "labels: [a, b]\n", {key}).labels == std::vector<std::string>{"a", "x"});
  CHECK(
      faults_of(kHead + "optimizer: {lr: 1}\n", {"optimizer.2=1"}) ==
      Lines{
          "--set optimizer.2=1: error: unknown key '2' in 'optimizer'; expected one of: lr, weight_decay, clip_norm"});
}

TEST_CASE("faults of overrides name the override, after those of the file") {
  CHECK(faults_of(kHead + "steps: 0\n", {"optimizer.lrr=1", "seed=-1", "extra.temperature=1"}) ==
        Lines{"bad.yaml:3:8: error: 'steps' must be > 0, got 0",
              "--set optimizer.lrr=1: error: unknown key 'lrr' in 'optimizer'; did you mean 'lr'?",
              "--set seed=-1: error: 'seed' must be >= 0, got -1",
              "--set extra.temperature=1: error: 'extra' needs a 'kind', one of: forward_kl, hidden_mse, plain"});
  for (const char* bad :
       {"seed", "=1", "a..b=1", ".a=1", "a.=1", "labels[=1", "labels[x]=1", "labels[0]x=1", "[0]=1", ""}) {
    CAPTURE(bad);
    CHECK(faults_of(kHead, {bad}) ==
          Lines{std::string("--set ") + bad + ": error: an override reads key=value, for example train.batch=16"});
  }
  CHECK(faults_of(kHead, {"seed="}) == Lines{"--set seed=: error: 'seed' is given no value; write null for none"});
  CHECK(faults_of(kHead, {"seed.x=1"}) == Lines{"--set seed.x=1: error: 'seed' must be a whole number, got a mapping"});
  CHECK(faults_of(kHead + "seed: 3\n", {"seed.x=1"}) ==
        Lines{"--set seed.x=1: error: 'seed.x' leads through a value that is not a mapping"});
  CHECK(faults_of(kHead, {"labels[0]=x"}) ==
        Lines{"--set labels[0]=x: error: the list in 'labels[0]' has no element 0"});
  CHECK(faults_of(kHead, {"labels=[a"}).size() == 1);
  CHECK(faults_of(kHead, {"labels=*x"}).size() == 1);
}

TEST_CASE("a doubled key stays a fault when it is overridden") {
  CHECK(faults_of(kHead + "seed: 1\nseed: 2\n", {"seed=3"}).size() == 1);
}

TEST_CASE("text is given as it is") {
  for (const char* text : {"a", "/data/my: folder", "#1", "null", "17", "true", "[x", "*a", "C:\\x", "a\"b", "a = b",
                           " a ", "\xC3\xA4", "tab\there", "two\nlines", "-", "---", "a: b"}) {
    CAPTURE(text);
    CHECK(read(kHead, {text_override("teacher", text)}).teacher == text);
  }
}

}  // namespace
}  // namespace dsd::sample
