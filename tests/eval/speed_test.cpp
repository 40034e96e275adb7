#include "core/eval/speed.h"

#include <chrono>
#include <thread>

#include "tests/eval/support.h"

#include "tests/check.h"

namespace dsd {
namespace {

using testing::classes_named;
using testing::KnownModel;
using testing::SmallTask;

KnownModel model_that_takes(std::chrono::microseconds time) {
  return {classes_named({"a", "b"}), [time](std::span<const std::int32_t>) {
            std::this_thread::sleep_for(time);
            return std::vector{0.0F, 1.0F};
          }};
}

TEST_CASE("a model that takes four times as long is told apart, at each batch and end to end") {
  const SmallTask small("sst2", "SST-2/dev.tsv", "sentence\tlabel\na b\t1\nc\t0\nd e f\t1\n");
  const Tokenizer tokenizer = testing::letter_tokenizer(small.folder);
  const auto texts = read_texts(small.task, small.config, split_files(small.task, small.config, Split::dev).front(), 2);
  REQUIRE(texts.size() == 2);
  CHECK(texts[1].text == "c");
  KnownModel slow = model_that_takes(std::chrono::microseconds(8000));
  KnownModel fast = model_that_takes(std::chrono::microseconds(2000));
  const std::vector<SpeedCandidate> candidates{{.model = &slow, .tokenizer = &tokenizer},
                                               {.model = &fast, .tokenizer = &tokenizer}};
  const auto speeds = measure_speed(candidates, texts, {.max_length = 16, .passes = 5});
  REQUIRE(speeds.size() == 2);
  for (const auto figure : {&Speed::model_1, &Speed::model_32, &Speed::end_to_end_1, &Speed::end_to_end_32}) {
    CHECK(speeds[0].*figure < 125.5);  // a sentence sleeps at least 8 ms
    CHECK(speeds[1].*figure < 502);
    CHECK(speeds[1].*figure > speeds[0].*figure);
  }
}

}  // namespace
}  // namespace dsd
