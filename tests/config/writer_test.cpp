#include "core/config/writer.h"

#include <bit>
#include <cmath>
#include <random>

#include "tests/config/sample.h"

namespace dsd::sample {
namespace {

TEST_CASE("every key is written, in the order of the struct") {
  Config config{.teacher = "t", .student = "17"};
  config.losses.push_back({.weight = 2.0, .loss = HiddenMse{{0, 1}}});
  config.extra = ForwardKl{};
  CHECK(write_tree(describe_fields(config)) ==
        "teacher: t\nstudent: \"17\"\nsteps: 1000\nseed: 0\nresume: false\ndtype: fp32\n"
        "optimizer:\n  lr: 0.0003\n  weight_decay: 0.01\n  clip_norm: null\n"
        "losses: [{weight: 2.0, loss: {kind: hidden_mse, layers: [0, 1]}}]\nlabels: []\n"
        "main:\n  kind: forward_kl\n  temperature: 4.0\nextra:\n  kind: forward_kl\n  temperature: 1.0\n"
        "patience: \"1.0 min\"\npause: null\n"
        "waiting:\n  kind: growing\n  factor: 2.0\nagain: null\n");
}

TEST_CASE("what is written reads as the same, and is written the same again") {
  std::mt19937_64 rng(3);
  for (int i = 0; i < 300; ++i) {
    Config config{.teacher = "t", .student = "s"};
    config.steps = static_cast<std::int64_t>(rng() >> 1) | 1;
    config.seed = static_cast<std::int64_t>(rng() >> 1);
    double lr = 0;
    while (!std::isfinite(lr) || lr <= 0) lr = std::bit_cast<double>(rng());
    config.optimizer.lr = lr;
    if (i % 2) config.optimizer.clip_norm = std::ldexp(1.0, static_cast<int>(rng() % 400) - 200);
    if (i % 3) config.extra = HiddenMse{{static_cast<std::int64_t>(rng() % 9), 2}};
    if (i % 5)
      config.losses = {{.weight = 0.1, .loss = Plain{}}, {.weight = 0.0, .loss = ForwardKl{.temperature = lr}}};
    const std::string first = write_tree(describe_fields(config));
    Config again = read(first);
    CHECK(again.optimizer.lr == lr);
    CHECK(again.steps == config.steps);
    CHECK(write_tree(describe_fields(again)) == first);
  }
}

TEST_CASE("a value with its own grammar: a number stands bare, all else is quoted where it must be") {
  Config config{.teacher = "t", .student = "s", .patience = {90}, .pause = Duration{120}};
  const std::string text = write_tree(describe_fields(config));
  CHECK(text.find("patience: 90.0\npause: \"2.0 min\"\n") != std::string::npos);
  const Config again = read(text);
  CHECK(again.patience.seconds == 90);
  CHECK(again.pause->seconds == 120);
}

TEST_CASE("a choice with a shorthand is written as its one value") {
  Config config{.teacher = "t", .student = "s", .waiting = Steady{{90}}, .again = Steady{{120}}};
  const std::string text = write_tree(describe_fields(config));
  CHECK(text.ends_with("waiting: 90.0\nagain: \"2.0 min\"\n"));
  CHECK(write_inline(slot_of(config.again)) == "\"2.0 min\"");
  const Config again = read(text);
  CHECK(std::get<Steady>(again.waiting).pause.seconds == 90);
  CHECK(std::get<Steady>(*again.again).pause.seconds == 120);
}

TEST_CASE("any text survives") {
  std::mt19937 rng(5);
  constexpr std::string_view letters = "ab01 :#-?{}[],&*!|>'\"%@`~\\/\t\n=<.y";
  for (int i = 0; i < 3000; ++i) {
    std::string text;
    for (auto left = 1 + rng() % 6; left > 0; --left) text += letters[rng() % letters.size()];
    CAPTURE(text);
    Config config{.teacher = text, .student = "s"};
    config.labels = {text, "x"};
    const Config again = read(write_tree(describe_fields(config)));
    CHECK(again.teacher == text);
    CHECK(again.labels.at(0) == text);
  }
  for (const char* word :
       {"null", "Null", "~", "true", "yes", "1e5", "0x1", ".5", "inf", "nan", "-", "---", "...", "<<"}) {
    Config config{.teacher = word, .student = "s"};
    CHECK(read(write_tree(describe_fields(config))).teacher == word);
  }
}

TEST_CASE("numbers show as numbers") {
  CHECK(number_text(2.0) == "2.0");
  CHECK(number_text(5e-5) == "5e-05");
  CHECK(number_text(0.1) == "0.1");
}

}  // namespace
}  // namespace dsd::sample
