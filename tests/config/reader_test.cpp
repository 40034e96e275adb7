#include "core/config/reader.h"

#include "tests/config/sample.h"

namespace dsd::sample {
namespace {

const std::string kHead = "teacher: t\nstudent: s\n";

using Lines = std::vector<std::string>;

TEST_CASE("every fault is reported at once, in the order of the file, with a hint") {
  const std::string text =
      "teacher: models/t\n"
      "studnet: models/s\n"
      "steps: -5\n"
      "seed: 1\n"
      "seed: 2\n"
      "resume: yes\n"
      "dtype: bf61\n"
      "optimizer:\n"
      "  lr: fast\n"
      "  weight_decay: 1.5\n"
      "  wd: 0.1\n"
      "losses:\n"
      "  - weight: 1\n"
      "    loss: {kind: forward_lk, temperature: 2}\n"
      "  - weight: [1]\n"
      "    loss: {kind: hidden_mse, layers: [0, 1.5, -1]}\n";
  CHECK(faults_of(text) ==
        Lines{"bad.yaml:2:1: error: unknown key 'studnet' in the recipe; did you mean 'student'?",
              "bad.yaml:3:8: error: 'steps' must be > 0, got -5",
              "bad.yaml:5:1: error: key 'seed' is given twice in the recipe",
              "bad.yaml:6:9: error: 'resume' must be true or false, got 'yes'",
              "bad.yaml:7:8: error: 'dtype' is 'bf61'; did you mean 'bf16'?",
              "bad.yaml:9:7: error: 'optimizer.lr' must be a number, got 'fast'",
              "bad.yaml:10:17: error: 'optimizer.weight_decay' must be <= 1, got 1.5",
              "bad.yaml:11:3: error: unknown key 'wd' in 'optimizer'; expected one of: lr, weight_decay, clip_norm",
              "bad.yaml:14:18: error: 'losses[0].loss.kind' is 'forward_lk'; did you mean 'forward_kl'?",
              "bad.yaml:15:13: error: 'losses[1].weight' must be a number, got a list",
              "bad.yaml:16:42: error: 'losses[1].loss.layers[1]' must be a whole number, got '1.5'",
              "bad.yaml:16:47: error: 'losses[1].loss.layers[2]' must be >= 0, got -1"});
}

TEST_CASE("what is absent keeps its default, what is there is read") {
  const Config silent = read(kHead);
  CHECK(silent.steps == 1000);
  CHECK(std::get<ForwardKl>(silent.main).temperature == 4.0);
  const Config config = read(kHead +
                             "steps: +12\nresume: true\ndtype: \"bf16\"\noptimizer: {clip_norm: .5}\n"
                             "losses: [{loss: {kind: hidden_mse, layers: [0, 2]}}]\nextra: {kind: plain}\n");
  CHECK(config.steps == 12);
  CHECK(config.resume);
  CHECK(config.dtype == Dtype::bf16);
  CHECK(config.optimizer.clip_norm == 0.5);
  CHECK(config.optimizer.lr == 3e-4);
  CHECK(std::get<HiddenMse>(config.losses.at(0).loss).layers == std::vector<std::int64_t>{0, 2});
  CHECK(std::holds_alternative<Plain>(*config.extra));
}

TEST_CASE("numbers are read as they are written, whatever YAML 1.1 says") {
  CHECK(read(kHead + "steps: 010\n").steps == 10);  // not octal
  CHECK(read(kHead + "optimizer: {lr: 5e-5}\n").optimizer.lr == 5e-5);
  CHECK(read(kHead + "optimizer: {lr: 1}\n").optimizer.lr == 1.0);
  for (const char* bad : {"1_000", "0x10", "1e3", "\"5\"", "3.0", "1:30", "~", "inf", "+-5", "++5", "", "5 5"}) {
    CAPTURE(bad);
    CHECK(faults_of(kHead + "steps: " + bad + "\n").size() == 1);
  }
  for (const char* bad : {".inf", ".nan", "nan", "inf", "1e999", "'2'", "2,5"}) {
    CAPTURE(bad);
    CHECK(faults_of(kHead + "optimizer:\n  lr: " + bad + "\n").size() == 1);
  }
  CHECK(faults_of(kHead + "steps: 9223372036854775808\n") ==
        Lines{"bad.yaml:3:8: error: 'steps' is 9223372036854775808, which does not fit into 64 bits"});
}

TEST_CASE("text that looks like a number or a truth value must be quoted, but not in lists") {
  CHECK(
      faults_of("teacher: 17\nstudent: true\n") ==
      Lines{"bad.yaml:1:10: error: 'teacher' must be text, got a number: 17; put it in quotes if it is meant",
            "bad.yaml:2:10: error: 'student' must be text, got a truth value: true; put it in quotes if it is meant"});
  CHECK(read("teacher: \"17\"\nstudent: 'true'\n").teacher == "17");
  CHECK(read(kHead + "labels: [0, 1, true, no]\n").labels == Lines{"0", "1", "true", "no"});
  CHECK(faults_of(kHead + "labels: [a, [b], ~, \"\"]\n") ==
        Lines{"bad.yaml:3:13: error: 'labels[1]' must be text, got a list",
              "bad.yaml:3:18: error: 'labels[2]' must be text, got nothing",
              "bad.yaml:3:21: error: 'labels[3]' must not be empty"});
}

TEST_CASE("a value with its own grammar: told by its column, or as a number is") {
  CHECK(read(kHead + "patience: 3 min\n").patience.seconds == 180);
  CHECK(read(kHead + "patience: \"3 min\"\n", {"pause=2 min"}).pause->seconds == 120);
  CHECK(read(kHead + "patience: 90\npause: null\n").patience.seconds == 90);
  CHECK(faults_of(kHead + "patience: 3 hours\n") ==
        Lines{"bad.yaml:3:11: error: 'patience' is '3 hours': column 2 must be ' min' or the end"});
  CHECK(faults_of(kHead + "patience: 0\n") == Lines{"bad.yaml:3:11: error: 'patience' must be > 0, got 0"});
  CHECK(faults_of(kHead + "patience: long\n") ==
        Lines{"bad.yaml:3:11: error: 'patience' must be a number or duration (3 min), got 'long'"});
  for (const char* bad : {"[1]", "{kind: 1}", "\"90\"", "null", "''"}) {
    CAPTURE(bad);
    CHECK(faults_of(kHead + "patience: " + bad + "\n").size() == 1);
  }
}

TEST_CASE("a choice with a shorthand takes a value in place of a mapping") {
  CHECK(std::get<Steady>(read(kHead + "waiting: 3 min\n").waiting).pause.seconds == 180);
  CHECK(std::get<Steady>(*read(kHead, {"again=90"}).again).pause.seconds == 90);
  CHECK(std::get<Steady>(read(kHead + "waiting: {kind: steady, pause: 5}\n").waiting).pause.seconds == 5);
  CHECK(std::get<Growing>(read(kHead + "waiting: {factor: 3}\n").waiting).factor == 3);
  CHECK(faults_of(kHead + "waiting: 0\n") == Lines{"bad.yaml:3:10: error: 'waiting' must be > 0, got 0"});
  CHECK(faults_of(kHead + "again: soon\n") ==
        Lines{"bad.yaml:3:8: error: 'again' must be a number or duration (3 min), got 'soon'"});
  CHECK(faults_of(kHead + "again: [1]\n") ==
        Lines{"bad.yaml:3:8: error: 'again' must be a mapping with a 'kind' (growing, steady), got a list"});
  CHECK(faults_of(kHead + "again: {pause: 3}\n") ==
        Lines{"bad.yaml:3:1: error: 'again' needs a 'kind', one of: growing, steady"});
}

TEST_CASE("a required key: missing gives one fault, misspelt gives one fault at the misspelt key") {
  CHECK(faults_of("student: s\n") == Lines{"bad.yaml:1:1: error: the recipe needs 'teacher'"});
  CHECK(faults_of("techer: t\nstudent: s\n") ==
        Lines{"bad.yaml:1:1: error: unknown key 'techer' in the recipe; did you mean 'teacher'?"});
  const auto far = faults_of("student: s\nxyz: t\n");
  REQUIRE(far.size() == 1);
  CHECK(
      far[0].starts_with("bad.yaml:2:1: error: unknown key 'xyz' in the recipe, which needs 'teacher'; expected one"));
  // A slip elsewhere does not hide it.
  CHECK(faults_of("student: s\nseeed: 1\n") ==
        Lines{"bad.yaml:1:1: error: the recipe needs 'teacher'",
              "bad.yaml:2:1: error: unknown key 'seeed' in the recipe; did you mean 'seed'?"});
}

TEST_CASE("choices: a kind that is missing, misspelt, doubled, retyped") {
  CHECK(faults_of(kHead + "extra: {temperature: 2}\n") ==
        Lines{"bad.yaml:3:1: error: 'extra' needs a 'kind', one of: forward_kl, hidden_mse, plain"});
  CHECK(faults_of(kHead + "extra: {kidn: plain, temperature: 2}\n") ==
        Lines{"bad.yaml:3:9: error: unknown key 'kidn' in 'extra', which needs a 'kind', one of: forward_kl, "
              "hidden_mse, plain"});
  CHECK(faults_of(kHead + "extra: {kind: plain, kind: plain}\n") ==
        Lines{"bad.yaml:3:22: error: key 'kind' is given twice in 'extra'"});
  CHECK(faults_of(kHead + "extra: {kind: [plain]}\n") ==
        Lines{"bad.yaml:3:15: error: 'extra.kind' must be one of forward_kl, hidden_mse, plain, got a list"});
  CHECK(
      faults_of(kHead + "extra: plain\n") ==
      Lines{
          "bad.yaml:3:8: error: 'extra' must be a mapping with a 'kind' (forward_kl, hidden_mse, plain), got 'plain'"});
  CHECK(faults_of(kHead + "extra: {kind: plain, temperature: 2}\n") ==
        Lines{"bad.yaml:3:22: error: unknown key 'temperature' in 'extra'; expected one of: kind"});
  // Without a kind, the default's alternative is meant.
  CHECK(std::get<ForwardKl>(read(kHead + "main: {temperature: 3}\n").main).temperature == 3.0);
  // With one, that alternative's own defaults hold.
  CHECK(std::get<ForwardKl>(read(kHead + "main: {kind: forward_kl}\n").main).temperature == 1.0);
}

TEST_CASE("null is for optional keys alone") {
  CHECK(!read(kHead + "optimizer: {clip_norm: null}\nextra:\n").extra);
  CHECK(
      faults_of(kHead + "steps: null\nlosses:\noptimizer: ~\nmain:\nresume:\n") ==
      Lines{"bad.yaml:3:1: error: 'steps' must be a whole number, got nothing",
            "bad.yaml:4:1: error: 'losses' must be a list, got nothing",
            "bad.yaml:5:1: error: 'optimizer' must be a mapping, got nothing",
            "bad.yaml:6:1: error: 'main' must be a mapping with a 'kind' (forward_kl, hidden_mse, plain), got nothing",
            "bad.yaml:7:1: error: 'resume' must be true or false, got nothing"});
}

TEST_CASE("a value that begins on a later line is told at its key") {
  CHECK(faults_of(kHead + "steps:\n  a: 1\nresume:\n- x\nlosses:\n  5\n") ==
        Lines{"bad.yaml:3:1: error: 'steps' must be a whole number, got a mapping",
              "bad.yaml:5:1: error: 'resume' must be true or false, got a list",
              "bad.yaml:7:1: error: 'losses' must be a list, got '5'"});
}

TEST_CASE("a top level that is no mapping is one fault") {
  CHECK(faults_of("") == Lines{"bad.yaml:1:1: error: the recipe must be a mapping, got nothing"});
  CHECK(faults_of("- a\n- b\n") == Lines{"bad.yaml:1:1: error: the recipe must be a mapping, got a list"});
  CHECK(faults_of("# only\n\nhello\n") == Lines{"bad.yaml:3:1: error: the recipe must be a mapping, got 'hello'"});
}

TEST_CASE("messages keep to one short line, whatever the file holds") {
  const auto lines = faults_of(kHead + "\"a\\nb\": 1\n" + std::string(900, 'x') + ": 1\ndtype: \"" +
                               std::string(59, 'y') + "\xC3\xA4\xC3\xA4\"\n");
  REQUIRE(lines.size() == 3);
  CHECK(lines[0].find("'a\\x0ab'") != std::string::npos);
  CHECK(lines[1].size() < 250);
  CHECK(lines[2].find(std::string(59, 'y') + "...") != std::string::npos);
}

TEST_CASE("a flood of faults is cut, and quick") {
  std::string text = kHead;
  for (int i = 0; i < 30000; ++i) text += "k" + std::to_string(i) + ":\n";
  Diagnostics faults("bad.yaml");
  Config config;
  read_tree(*parse_yaml(text, 0, faults), describe_fields(config), "the recipe", faults);
  try {
    faults.raise();
    FAIL("nothing was raised");
  } catch (const Error& error) {
    CHECK(error.code() == ExitCode::bad_input);
    CHECK(std::string_view(error.what()).ends_with("and 29800 more faults"));
  }
}

TEST_CASE("a path has its place: the value's, or the nearest written key's above it") {
  Diagnostics faults("bad.yaml");
  const auto tree = *parse_yaml("a:\n  b: [1, 2]\nc: {d: 5}\n", 0, faults);
  CHECK(place_of(tree, "a.b[1]") == Mark{0, 2, 10});
  CHECK(place_of(tree, "a.b[7]") == Mark{0, 2, 6});
  CHECK(place_of(tree, "a.x.y") == Mark{0, 1, 1});
  CHECK(place_of(tree, "c.d") == Mark{0, 3, 8});
  CHECK(place_of(tree, "zzz") == Mark{0, 1, 1});
}

}  // namespace
}  // namespace dsd::sample
