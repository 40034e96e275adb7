// Text of a language model: documents cut into pieces, which rows count, batches, and what is refused.
#include "core/data/language_model.h"

#include <numeric>

#include "core/data/plan.h"
#include "tests/data/support.h"

#include "tests/check.h"

namespace dsd {
namespace {

using testing::error_of;
using testing::Folder;
namespace fs = std::filesystem;
using Ids = std::vector<std::int32_t>;

// The letter tokenizer: [CLS] 2, [SEP] 3; a is 5, ##a 31.
struct Text {
  Folder folder;
  DataConfig data;
  Tokenizer tokenizer;

  explicit Text(std::string_view bytes, const std::string& name = "a.txt")
      : data(testing::data_at(folder.text())), tokenizer(testing::letter_tokenizer(folder)) {
    folder.write(name, bytes);
    data.train = data.dev = name;
  }

  Dataset load(std::int64_t limit = 0) const {
    const Task task = find_task("language_model", data);
    Dataset set;
    set.append(task, data, split_files(task, data, Split::train).front(), tokenizer, limit);
    return set;
  }
  std::string fault() const {
    const auto text = error_of([&] { load(); });
    const auto prefix = (folder.path() / *data.train).string();
    return text.starts_with(prefix) ? text.substr(prefix.size()) : text;
  }
};

Ids numbers(const Tensor& tensor) {
  return {tensor.const_data_ptr<std::int32_t>(), tensor.const_data_ptr<std::int32_t>() + tensor.numel()};
}

std::vector<std::int64_t> all_of(const Dataset& data) {
  std::vector<std::int64_t> all(static_cast<std::size_t>(data.size()));
  std::iota(all.begin(), all.end(), 0);
  return all;
}

TEST_CASE("a document is cut into pieces whose last target is the token after them") {
  Text text("a b c d e");  // [CLS] a b c d e [SEP]
  text.data.max_length = 3;
  const Dataset set = text.load();
  REQUIRE(set.size() == 2);
  CHECK(set.read(0).ids == Ids{2, 5, 6, 7});
  CHECK(set.read(1).ids == Ids{7, 8, 9, 3});
  CHECK(set.read(1).first_target == 1);
  CHECK(set.length(0) == 3);
  CHECK(set.tokens() == 6);
  CHECK(set.targets() == 6);
  CHECK(set.labelled() == 2);
  CHECK(set.parts()[0].text_bytes == 9);
  CHECK(set.target_counts()[3] == 1);
  CHECK(set.target_counts()[2] == 0);
  CHECK(set.notes()[0] ==
        text.folder.text() + "/a.txt: 1 document in 2 pieces, 6 tokens to tell; no file names a token that ends one");
}

TEST_CASE("every token but the first is told once, whatever the length of pieces") {
  std::string bytes;
  for (int i = 0; i < 100; ++i) bytes += std::string(1, static_cast<char>('a' + i % 26)) + " ";
  for (const std::int64_t length : {3, 7, 50, 101, 102, 1000}) {
    Text text(bytes);
    text.data.max_length = length;
    const Dataset set = text.load();
    CHECK(set.targets() == 101);
    CHECK(set.size() == (101 + length - 1) / length);
    Ids told{2};
    for (std::int64_t i = 0; i < set.size(); ++i) {
      const Example piece = set.read(i);
      CHECK(piece.ids.front() == told.back());
      told.insert(told.end(), piece.ids.begin() + 1, piece.ids.end());
    }
    CHECK(told == text.tokenizer.encode(bytes).ids);
  }
}

TEST_CASE("documents, and the token that ends one") {
  Text text("a b\n---\nc\n---\n");
  text.data.separator = "---";
  CHECK(text.load().size() == 2);
  CHECK(text.load(1).size() == 1);
  text.folder.write("tokenizer/tokenizer_config.json", R"({"eos_token": {"content": "z", "lstrip": false}})");
  const Dataset named = text.load();
  CHECK(named.read(1).ids == Ids{2, 7, 3, 30});
  CHECK(named.notes()[0].ends_with(
      "2 documents in 2 pieces, 7 tokens to tell; each ends in 'z' of tokenizer_config.json"));
  text.folder.write("tokenizer/tokenizer_config.json", R"({"eos_token": "[SEP]"})");
  CHECK(text.load().read(1).ids == Ids{2, 7, 3});  // the template has put it there already
  text.folder.write("tokenizer/tokenizer_config.json", "{}");
  text.folder.write("tokenizer/config.json", R"({"eos_token_id": 6})");
  text.folder.write("tokenizer/generation_config.json", R"({"eos_token_id": [8, 9]})");
  CHECK(text.load().read(1).ids == Ids{2, 7, 3, 8});
  text.folder.write("tokenizer/generation_config.json", "{}");
  CHECK(text.load().read(1).ids == Ids{2, 7, 3, 6});
  text.folder.write("tokenizer/tokenizer_config.json", R"({"eos_token": "<end>"})");
  CHECK(error_of([&] { text.load(); }).find("'eos_token' is '<end>', which ") != std::string::npos);
}

TEST_CASE("of a prompt and its answer, the answer's tokens are told") {
  Text text(
      "{\"q\": \"a b\", \"r\": \"cd e\"}\n\n{\"q\": \"a\", \"more\": \"f\", \"r\": \"g\"}\n{\"q\": \"a\", \"r\": "
      "\"\"}\n",
      "a.jsonl");
  text.data.columns.prompt = "q";
  text.data.columns.answer = "r";
  text.data.columns.input = "more";
  const Dataset set = text.load();
  REQUIRE(set.size() == 2);
  CHECK(set.read(0).ids == Ids{2, 5, 6, 7, 34, 9, 3});  // [CLS] a b c ##d e [SEP]
  CHECK(set.read(0).first_target == 3);
  CHECK(set.read(1).ids == Ids{2, 5, 10, 11, 3});
  CHECK(set.read(1).first_target == 3);
  CHECK(set.targets() == 4 + 2);
  CHECK(set.parts()[0].text_bytes == 5);
  REQUIRE(set.notes().size() == 2);
  CHECK(set.notes()[1].ends_with("a.jsonl: 1 row without text was skipped (first: line 4)"));
  const Batch batch = make_batch(set, all_of(set), TaskKind::next_token, 0);
  CHECK(numbers(batch.rows[0]) == Ids{2, 3, 4, 5, 8, 9});
  CHECK(numbers(std::get<Classes>(batch.labels).of) == Ids{7, 34, 9, 3, 11, 3});
}

TEST_CASE("a token that holds a byte of the answer is the answer's") {
  Text text("{\"q\": \"a\", \"r\": \"b c\"}\n", "a.jsonl");
  text.data.columns.prompt = "q";
  text.data.columns.answer = "r";
  text.data.prompt_template = "{prompt}";
  const Example glued = text.load().read(0);  // "ab c": a ##b c
  CHECK(glued.ids == Ids{2, 5, 32, 7, 3});
  CHECK(glued.first_target == 2);
}

TEST_CASE("prompts by a template, or on lines of their own") {
  DataConfig data;
  CHECK(prompt_text(data, "p", "") == "p\n");
  CHECK(prompt_text(data, "p", "i") == "p\ni\n");
  data.prompt_template = "Q: {prompt} ({input})\nA: ";
  CHECK(prompt_text(data, "{input}", "i") == "Q: {input} (i)\nA: ");
}

TEST_CASE("a prompt longer than a piece is not told, and its answer's later pieces are") {
  Text text("{\"q\": \"a b c d e f\", \"r\": \"g h i\"}\n", "a.jsonl");
  text.data.columns.prompt = "q";
  text.data.columns.answer = "r";
  text.data.max_length = 4;  // [CLS] a b c | d e f g | h i [SEP]: 10 tokens after the first
  const Dataset set = text.load();
  REQUIRE(set.size() == 2);
  CHECK(set.read(0).ids == Ids{8, 9, 10, 11, 12});
  CHECK(set.read(0).first_target == 3);
  CHECK(set.read(1).ids == Ids{12, 13, 3});
  CHECK(set.read(1).first_target == 1);
  CHECK(set.targets() == 4);
  CHECK(set.notes()[1].find("1 row is longer than data.max_length 4") != std::string::npos);
}

TEST_CASE("rows of JSONL without prompts are documents") {
  Text text("{\"text\": \"a b\"}\n{\"text\": \"c\"}\n", "a.jsonl");
  const Dataset set = text.load();
  CHECK(set.size() == 2);
  CHECK(set.read(1).ids == Ids{2, 7, 3});
}

TEST_CASE("a batch has the inputs, the rows whose next token counts, and those tokens") {
  Text text("a b---c d e");
  text.data.separator = "---";
  const Dataset set = text.load();
  const std::vector<std::int64_t> order{1, 0};
  const Batch batch = make_batch(set, order, TaskKind::next_token, 5);
  CHECK(numbers(batch.streams[0].ids) == Ids{2, 7, 8, 9, 2, 5, 6});
  CHECK(numbers(batch.streams[0].offsets) == Ids{0, 4, 7});
  CHECK(numbers(batch.streams[0].positions) == Ids{0, 1, 2, 3, 0, 1, 2});
  CHECK(numbers(batch.streams[0].segments) == Ids(7, 0));
  CHECK(numbers(batch.rows[0]) == Ids{0, 1, 2, 3, 4, 5, 6});
  CHECK(numbers(std::get<Classes>(batch.labels).of) == Ids{7, 8, 9, 3, 5, 6, 3});
  CHECK(batch.first == 5);
  CHECK(batch.keys.size() == 2);
}

TEST_CASE("a key depends on what is read and on which rows count, not on the last target") {
  const Example piece{.ids = {2, 5, 6, 7}, .first_target = 1};
  Example other = piece;
  other.ids.back() = 9;
  CHECK(key_of(piece) == key_of(other));
  other.first_target = 2;
  CHECK(key_of(piece) != key_of(other));
  other = piece;
  other.ids[1] = 9;
  CHECK(key_of(piece) != key_of(other));
}

TEST_CASE("micro-batches count what a model reads") {
  Text text("a b c d e f g h i j");
  text.data.max_length = 3;
  const Dataset set = text.load();
  const auto all = all_of(set);
  CHECK(micro_batches(set, all, 6).front().size() == 2);
}

TEST_CASE("faults name file and line") {
  CHECK(Text("").fault() == ": is empty; expected text");
  CHECK(Text("\n \n").load().targets() == 1);  // [CLS] and [SEP] of a blank document
  CHECK(Text("a\n\xFF").fault() == ":2: byte 1 of the line is not valid UTF-8; convert the file to UTF-8");
  CHECK(Text("a", "a.tsv").fault() ==
        ": a language model reads text and JSONL, not TSV: a text may hold tabs and line breaks");
  CHECK(Text("", "a.jsonl").fault() == ": is empty; expected one JSON object a line");
  CHECK(Text("{\"txt\": \"a\"}", "a.jsonl").fault() ==
        ":1: no key 'text'; 'txt' is near; name it in data.columns.text, or a prompt and an answer");
  CHECK(Text("[\n{\"text\": \"a\"}\n]\n", "a.json").fault() ==
        ":1: the file is one JSON array; write an object a line: jq -c '.[]' FILE.json > FILE.jsonl");
  CHECK(Text("{\"text\": \"\"}\n", "a.jsonl").fault() ==
        ": holds no token that another one comes before: there is nothing to tell");
  Text rows("{\"q\": \"a\", \"r\": \"b\"}\n{\"q\": \"a\"}\n", "a.jsonl");
  rows.data.columns.prompt = "q";
  rows.data.columns.answer = "r";
  CHECK(rows.fault() == ":2: no key 'r'; 'q' is near; name the keys in data.columns");
  Text prompts("a");
  prompts.data.columns.prompt = "q";
  prompts.data.columns.answer = "r";
  CHECK(prompts.fault() == ": a text file has no prompts and answers; data.columns.prompt is for JSONL");
}

// [CLS] and [SEP] alone are one target; a tokenizer without a template has none for one token.
TEST_CASE("text without a whole target is refused") {
  Text text("a");
  text.folder.write("tokenizer/vocab.txt", "");
  const fs::path bare =
      text.folder.write("bare/tokenizer.json", R"({"version": "1.0", "truncation": null, "padding": null,
    "added_tokens": [], "normalizer": null, "pre_tokenizer": {"type": "Whitespace"}, "post_processor": null,
    "decoder": null, "model": {"type": "WordPiece", "unk_token": "u", "continuing_subword_prefix": "##",
    "max_input_chars_per_word": 100, "vocab": {"u": 0, "a": 1}}})");
  text.tokenizer = Tokenizer::load(bare);
  CHECK(text.fault() == ": holds no token that another one comes before: there is nothing to tell");
}

}  // namespace
}  // namespace dsd
