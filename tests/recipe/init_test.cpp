#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "cli/commands.h"
#include "cli/table_sniff.h"
#include "core/base/files.h"
#include "tests/recipe/faults.h"

namespace dsd {
namespace {

namespace fs = std::filesystem;

class Folder {
 public:
  Folder() : path_(fs::temp_directory_path() / ("dsd init's test " + std::to_string(::getpid()))) {
    fs::remove_all(path_);
    fs::create_directories(path_);
  }
  ~Folder() { fs::remove_all(path_); }
  std::string write(const std::string& name, const std::string& text) const {
    write_atomically(path_ / name, text);
    return path_ / name;
  }
  std::string at(const std::string& name) const { return path_ / name; }

 private:
  fs::path path_;
};

InitOptions options(const std::string& data, const std::string& out) {
  return {.data = data, .out = out, .teacher = {}, .force = false};
}

std::string rows(int count, const std::string& ending = "\n") {
  std::string text = "id\ttext\tlabel" + ending;
  for (int i = 0; i < count; ++i)
    text +=
        std::to_string(i) + "\ta good day number " + std::to_string(i) + "\t" + (i % 3 ? "yes" : "no: never") + ending;
  return text;
}

TEST_CASE("a TSV with a dev file beside it") {
  const Folder folder;
  const auto data = folder.write("train.tsv", rows(100));
  folder.write("dev.tsv", rows(10));
  folder.write("test.tsv", rows(10));
  folder.write("unlabelled.tsv", rows(10));
  CHECK(run_init(options(data, folder.at("mine.yaml"))) == 0);
  const Recipe recipe = load_recipe(folder.at("mine.yaml"));
  CHECK(recipe.task == "classification");
  CHECK(fs::path(recipe.data.root) == fs::path(folder.at("")).parent_path());
  CHECK(recipe.data.train == "train.tsv");
  CHECK(recipe.data.dev == "dev.tsv");
  CHECK(recipe.data.test == "test.tsv");
  CHECK(recipe.data.unlabelled == std::vector<std::string>{"unlabelled.tsv"});
  CHECK(recipe.data.columns.text == "text");
  CHECK(!recipe.data.columns.text_pair);
  CHECK(recipe.data.labels == std::vector<std::string>{"no: never", "yes"});
  CHECK(recipe.data.max_length == 16);  // 5 words: 7 tokens and 2 special ones
  CHECK(recipe.teacher.path == "runs/mine-teacher");

  CHECK_THROWS_WITH_AS(run_init(options(data, folder.at("mine.yaml"))),
                       (folder.at("mine.yaml") + ": is there already; --force replaces it").c_str(), Error);
  auto again = options(data, folder.at("mine.yaml"));
  again.force = true;
  CHECK(run_init(again) == 0);
}

TEST_CASE("without a dev file, every tenth row is held out and none is lost") {
  const Folder folder;
  const auto data = folder.write("reviews.tsv", rows(95, "\r\n"));
  CHECK(run_init(options(data, folder.at("r.yaml"))) == 0);
  const Recipe recipe = load_recipe(folder.at("r.yaml"));
  const auto train = read_text(fs::path(recipe.data.root) / *recipe.data.train, 1 << 20);
  const auto dev = read_text(fs::path(recipe.data.root) / *recipe.data.dev, 1 << 20);
  CHECK(std::ranges::count(train, '\n') == 1 + 86);
  CHECK(std::ranges::count(dev, '\n') == 1 + 9);
  CHECK(dev.starts_with("id\ttext\tlabel\r\n9\t"));
}

TEST_CASE("JSONL of pairs, with labels that are numbers or truth values") {
  const Folder folder;
  std::string text;
  for (int i = 0; i < 40; ++i)
    text += R"({"premise": "it rains )" + std::to_string(i) + R"(", "hypothesis": "it is wet", "label": )" +
            (i % 2 ? "1" : "0") + ", \"extra\": [1]}\n";
  const auto data = folder.write("train.jsonl", text);
  CHECK(run_init(options(data, folder.at("p.yaml"))) == 0);
  const Recipe recipe = load_recipe(folder.at("p.yaml"));
  CHECK(recipe.data.columns.text == "premise");
  CHECK(recipe.data.columns.text_pair == "hypothesis");
  CHECK(recipe.data.labels == std::vector<std::string>{"0", "1"});
}

TEST_CASE("numbers with fractions are a regression") {
  const Folder folder;
  std::string text = "sentence1\tsentence2\tscore\n";
  for (int i = 0; i < 40; ++i) text += "a b c\td e f\t" + std::to_string(i % 7) + ".25\n";
  CHECK(run_init(options(folder.write("t.tsv", text), folder.at("s.yaml"))) == 0);
  const Recipe recipe = load_recipe(folder.at("s.yaml"));
  CHECK(recipe.task == "regression");
  CHECK(recipe.data.labels.empty());
  CHECK(recipe.data.columns.label == "score");
}

TEST_CASE("columns with names of their own are told by what they hold; long texts by their length") {
  const Folder folder;
  std::string text = "nr\tkind\twhat\n";
  for (int i = 0; i < 50; ++i) {
    text += std::to_string(i) + "\t" + (i % 5 ? "spam" : "ham") + "\t";
    for (int j = 0; j < 10 * (i % 10 + 1); ++j) text += "word ";
    text += "\n";
  }
  const auto data = folder.write("t.tsv", text);
  const TableFacts facts = sniff_table(data);
  const Roles roles = find_roles(facts, data);
  CHECK(roles.label == "kind");
  CHECK(roles.text == "what");
  // 95 of 100 need the longest of ten lengths: 100 words, 140 tokens and 2 special ones, in steps of 16.
  CHECK(estimate_max_length(facts, roles) == 144);
}

TEST_CASE("what cannot be read is refused with its line, and nothing is written") {
  const Folder folder;
  const auto refused = [&](const std::string& name, const std::string& text, const std::string& reason) {
    const auto data = folder.write(name, text);
    try {
      run_init(options(data, folder.at("out.yaml")));
      FAIL(reason << ": nothing was thrown");
    } catch (const Error& error) {
      CHECK_MESSAGE(std::string(error.what()).starts_with(data + reason), error.what());
    }
    CHECK(!fs::exists(folder.at("out.yaml")));
  };
  refused("a.tsv", "", ": holds no example");
  refused("a.tsv", "text\tlabel\n", ": holds no example");
  refused("a.tsv", "text\tlabel\nx\ty\nz\n", ":3: 1 columns, but the first line names 2");
  refused("a.tsv", "this is a whole sentence\t1\n", ":1: 'this is a whole sentence' is no name of a column");
  refused("a.tsv", "text\ttext\nx\ty\n", ":1: 'text' is no name of a column");
  refused("a.tsv", "text\nx\n", ":1: 1 column(s)");
  refused("a.tsv", "text\tlabel\nx\ty\n", ": column 'label' has 1 different value(s)");
  refused("a.tsv", rows(19), ": 19 examples are too few to hold some out");
  refused("a.tsv", "a\tb\nx\ty\nz\tw\n", ": no column looks like labels (a, b)");
  refused("a.jsonl", "{\"text\": \"x\", \"label\": 1}\n[1]\n", ":2: is not a JSON object");
  refused("a.jsonl", "{\"text\": \n", ":1: is not a JSON object");
  refused("a.csv", "text,label\n", ": neither .tsv nor .jsonl");
  CHECK_THROWS_AS(run_init(options(folder.at("missing.tsv"), folder.at("out.yaml"))), Error);
  CHECK_THROWS_AS(sniff_table(folder.at("")), Error);
}

}  // namespace
}  // namespace dsd
