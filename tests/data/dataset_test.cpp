#include <cmath>
#include <numeric>

#include "core/data/compact_integers.h"
#include "core/data/plan.h"
#include "tests/data/support.h"

#include "tests/check.h"

namespace dsd {
namespace {

using testing::error_of;
using testing::Folder;
using Ids = std::vector<std::int32_t>;

std::vector<std::int64_t> all_of(const Dataset& data) {
  std::vector<std::int64_t> all(static_cast<std::size_t>(data.size()));
  std::iota(all.begin(), all.end(), 0);
  return all;
}

Ids numbers(const Tensor& tensor) {
  return {tensor.const_data_ptr<std::int32_t>(), tensor.const_data_ptr<std::int32_t>() + tensor.numel()};
}

// RTE in two rows: with the letter tokenizer (a is 5, ##a is 31), [CLS] is 2 and [SEP] 3.
Dataset two_pairs(const Folder& folder) {
  folder.write("RTE/dev.tsv", "index\tsentence1\tsentence2\tlabel\n0\tab\tc\tnot_entailment\n1\tz\ta b\tentailment\n");
  const auto data = testing::data_at(folder.text());
  const Task task = find_task("rte", data);
  Dataset set;
  set.append(task, data, split_files(task, data, Split::dev).front(), testing::letter_tokenizer(folder), 0);
  return set;
}

TEST_CASE("a dataset gives back ids, segments and labels") {
  const Folder folder;
  const Dataset set = two_pairs(folder);
  CHECK(set.size() == 2);
  CHECK(set.tokens() == 12);
  CHECK(set.labelled() == 2);
  CHECK(set.length(1) == 6);
  const Example first = set.read(0);
  CHECK(first.ids == Ids{2, 5, 32, 3, 7, 3});
  CHECK(first.second_begins == 4);
  CHECK(first.label == 1);
  CHECK(std::isnan(first.value));
  CHECK(set.read(1).ids == Ids{2, 30, 3, 5, 6, 3});
  CHECK(set.read(1).second_begins == 3);
  CHECK(set.label(1) == 0);
  REQUIRE(set.parts().size() == 1);
  CHECK(set.parts()[0].end == 2);
}

TEST_CASE("a batch is packed: ids, offsets, positions, segments, rows left to the head, labels, keys") {
  const Folder folder;
  const Dataset set = two_pairs(folder);
  const std::vector<std::int64_t> order{1, 0};
  const Batch batch = make_batch(set, order, TaskKind::classes, 7);
  CHECK(numbers(batch.streams[0].ids) == Ids{2, 30, 3, 5, 6, 3, 2, 5, 32, 3, 7, 3});
  CHECK(numbers(batch.streams[0].offsets) == Ids{0, 6, 12});
  CHECK(numbers(batch.streams[0].positions) == Ids{0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 5});
  CHECK(numbers(batch.streams[0].segments) == Ids{0, 0, 0, 1, 1, 1, 0, 0, 0, 0, 1, 1});
  CHECK(batch.rows.empty());
  CHECK(batch.head_rows() == 2);
  CHECK(numbers(std::get<Classes>(batch.labels).of) == Ids{0, 1});
  CHECK(batch.first == 7);
  CHECK((batch.keys == std::vector{key_of(set.read(1)), key_of(set.read(0))}));
}

TEST_CASE("a key depends on ids and segments, and on nothing else") {
  const Example example{.ids = {2, 5, 3, 6, 3}, .second_begins = 3, .label = 1};
  Example other = example;
  other.label = -1;
  other.value = 2;
  CHECK(key_of(example) == key_of(other));
  other.second_begins = 2;
  CHECK(key_of(example) != key_of(other));
  other = example;
  other.ids[1] = 7;
  CHECK(key_of(example) != key_of(other));
}

TEST_CASE("values, rows without labels, and long and wide examples come back") {
  Dataset set;
  Ids longest(70000);
  std::iota(longest.begin(), longest.end(), 100000);
  set.append(Example{.ids = {1, 2}, .second_begins = 2});
  set.append(Example{.ids = longest, .second_begins = 69999, .value = 2.5F});
  for (std::int32_t i = 0; i < 200; ++i)
    set.append(Example{.ids = Ids(static_cast<std::size_t>(i % 7), i), .label = 300});
  CHECK(set.read(1).ids == longest);
  CHECK(set.read(1).second_begins == 69999);
  CHECK(std::isnan(set.value(0)));
  CHECK(set.value(1) == 2.5F);
  CHECK(std::isnan(set.value(2)));
  CHECK(set.label(1) == -1);
  CHECK(set.label(150) == 300);
  CHECK(set.labelled() == 201);
  for (std::int64_t i = 2; i < set.size(); ++i) {
    const auto expected = static_cast<std::int32_t>(i - 2);
    CHECK(set.read(i).ids == Ids(static_cast<std::size_t>(expected % 7), expected));
  }
}

TEST_CASE("a limit counts rows of each file, and the fingerprint knows ids, labels and order") {
  const Folder folder;
  folder.write("SST-2/train.tsv", "sentence\tlabel\na\t0\nb\t1\nc\t1\n");
  const auto config = testing::data_at(folder.text());
  const Task task = find_task("sst2", config);
  const auto file = split_files(task, config, Split::train).front();
  const auto tokenizer = testing::letter_tokenizer(folder);
  Dataset limited, whole, again;
  limited.append(task, config, file, tokenizer, 2);
  whole.append(task, config, file, tokenizer, 0);
  again.append(task, config, file, tokenizer, 0);
  CHECK(limited.size() == 2);
  CHECK(whole.size() == 3);
  CHECK(whole.fingerprint() == again.fingerprint());
  CHECK(whole.fingerprint() != limited.fingerprint());
  folder.write("SST-2/train.tsv", "sentence\tlabel\na\t0\nb\t1\nc\t0\n");
  Dataset relabelled;
  relabelled.append(task, config, file, tokenizer, 0);
  CHECK(relabelled.fingerprint() != whole.fingerprint());
}

TEST_CASE("micro-batches hold at most so many tokens, and an example that is longer stands alone") {
  Dataset set;
  for (const std::size_t length : {3, 2, 9, 1, 1, 4}) set.append(Example{.ids = Ids(length, 1)});
  const auto all = all_of(set);
  std::vector<std::size_t> sizes;
  for (const auto piece : micro_batches(set, all, 5)) sizes.push_back(piece.size());
  CHECK(sizes == std::vector<std::size_t>{2, 1, 2, 1});
  CHECK(by_length(set) == std::vector<std::int64_t>{2, 5, 0, 1, 3, 4});
}

TEST_CASE("a temporary folder that cannot be written to is named") {
  const char* before = std::getenv("TMPDIR");
  const std::string kept = before == nullptr ? "" : before;
  ::setenv("TMPDIR", "/nowhere", 1);
  CHECK(error_of([] { Dataset(); }) ==
        "/nowhere: cannot make a temporary file: No such file or directory; set TMPDIR to a folder with room");
  if (before == nullptr) ::unsetenv("TMPDIR");
  else ::setenv("TMPDIR", kept.c_str(), 1);
}

TEST_CASE("compact integers widen as the largest one needs") {
  CompactIntegers integers;
  const std::vector<std::uint32_t> values{0, 255, 256, 65535, 65536, 7, 4294967295U};
  for (const auto value : values) integers.push_back(value);
  for (std::size_t i = 0; i < values.size(); ++i) CHECK(integers[i] == values[i]);
  CHECK(integers.size() == values.size());
}

}  // namespace
}  // namespace dsd
