// Prints which rows of the training file each step of a run takes, one line a step, so that other tools can be given
// the same examples in the same order: bench_order TASK DATA MODEL BATCH SEED STEPS
#include <charconv>
#include <cstdio>
#include <string_view>

#include "core/base/error.h"
#include "core/data/plan.h"
#include "core/text/tokenizer.h"

namespace {

using namespace dsd;

std::int64_t number(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (code != std::errc() || end != text.data() + text.size() || value < 0) fail("'{}' is not a number", text);
  return value;
}

void print_order(char** arguments) {
  DataConfig config;
  config.root = arguments[2];
  const Task task = find_task(arguments[1], config);
  const Tokenizer tokenizer = Tokenizer::load(arguments[3]);
  Dataset data;
  for (const SplitFile& file : split_files(task, config, Split::train)) data.append(task, config, file, tokenizer, 0);
  Plan plan(data, number(arguments[4]), static_cast<std::uint64_t>(number(arguments[5])));
  for (std::int64_t step = 0; step < number(arguments[6]); ++step) {
    std::string line;
    for (const std::int64_t row : plan.step(step)) line += fmt::format("{}{}", line.empty() ? "" : " ", row);
    std::puts(line.c_str());
  }
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 7) {
    std::fputs("usage: bench_order TASK DATA MODEL BATCH SEED STEPS\n", stderr);
    return 2;
  }
  try {
    print_order(arguments);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return 1;
  }
  return 0;
}
