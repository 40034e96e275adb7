// Data of one's own: TSV with a header, JSONL and text, columns and labels as the recipe names them.
#include "tests/data/support.h"

#include "tests/check.h"

namespace dsd {
namespace {

using testing::error_of;
using testing::Folder;
using testing::read_split;
using Rows = std::vector<testing::PlainRow>;

DataConfig own(const Folder& folder, const std::string& train) {
  DataConfig data = testing::data_at(folder.text());
  data.train = data.dev = train;
  return data;
}

TEST_CASE("TSV by the header's names, in any order, with columns that nobody asks for") {
  const Folder folder;
  folder.write("a.tsv", "label\tid\ttext\nfood\t1\ta pie\nanimal\t2\ta cat \n\nfood\t3\t\"x\n");
  const auto data = own(folder, "a.tsv");
  CHECK(read_split("classification", data, Split::train).rows ==
        Rows{{"a pie", "", "food"}, {"a cat ", "", "animal"}, {"\"x", "", "food"}});
  CHECK(find_task("classification", data).labels == std::vector<std::string>{"animal", "food"});
}

TEST_CASE("JSONL by keys; booleans and numbers are labels too") {
  const Folder folder;
  folder.write("a.jsonl", "{\"text\": \"a\\tb\", \"label\": true}\n\n{\"label\": 2, \"text\": \"\\u00e9\"}\n");
  CHECK(read_split("classification", own(folder, "a.jsonl"), Split::train).rows ==
        Rows{{"a\tb", "", "true"}, {"\xc3\xa9", "", "2"}});
}

TEST_CASE("pairs by data.columns.text_pair, and by a tab in text") {
  const Folder folder;
  folder.write("a.tsv", "q\tp\ty\none\ttwo\t1.5\n");
  folder.write("more.txt", "three\tfour\n");
  auto data = own(folder, "a.tsv");
  data.columns = {.text = "q", .text_pair = "p", .label = "y"};
  data.unlabelled = {"more.txt"};
  CHECK(read_split("regression", data, Split::train).rows == Rows{{"one", "two", "1.5"}});
  CHECK(read_split("regression", data, Split::unlabelled).rows == Rows{{"three", "four", ""}});
}

TEST_CASE("unlabelled files need no label column") {
  const Folder folder;
  folder.write("a.tsv", "text\tlabel\na\tx\nb\ty\n");
  folder.write("more.tsv", "text\nc\nd\n");
  folder.write("more.jsonl", "{\"text\": \"e\"}\n");
  folder.write("more.txt", "f g\n");
  auto data = own(folder, "a.tsv");
  data.unlabelled = {"more.tsv", "more.jsonl", "more.txt"};
  CHECK(read_split("classification", data, Split::unlabelled, 0).rows == Rows{{"c", "", ""}, {"d", "", ""}});
  CHECK(read_split("classification", data, Split::unlabelled, 1).rows == Rows{{"e", "", ""}});
  CHECK(read_split("classification", data, Split::unlabelled, 2).rows == Rows{{"f g", "", ""}});
}

TEST_CASE("a test file is labelled where it has the column") {
  const Folder folder;
  folder.write("a.tsv", "text\tlabel\na\tx\nb\ty\n");
  folder.write("blind.tsv", "text\nc\n");
  auto data = own(folder, "a.tsv");
  data.test = "blind.tsv";
  CHECK(read_split("classification", data, Split::test).rows == Rows{{"c", "", ""}});
  data.test = "a.tsv";
  CHECK(read_split("classification", data, Split::test).rows == Rows{{"a", "", "x"}, {"b", "", "y"}});
}

// The error of reading and tokenising a training file of the given bytes.
std::string fault(const std::string& name, std::string_view bytes, const std::string& task = "classification") {
  const Folder folder;
  const auto file = folder.write(name, bytes);
  auto data = own(folder, name);
  if (task == "classification") data.labels = {"animal", "food"};
  const auto tokenizer = testing::letter_tokenizer(folder);
  const auto text = error_of([&] {
    const Task found = find_task(task, data);
    Dataset().append(found, data, split_files(found, data, Split::train).front(), tokenizer, 0);
  });
  const auto prefix = file.string();
  return text.starts_with(prefix) ? text.substr(prefix.size()) : text;
}

TEST_CASE("each fault names its line, and says what to do") {
  CHECK(fault("a.tsv", "") == ": is empty; expected a header and rows");
  CHECK(fault("a.jsonl", "\n \n") == ": is empty; expected one JSON object a line");
  CHECK(fault("a.tsv", "text\tlabel\nx\tfood\ny\n") ==
        ":3: 1 column, needs 2 (text, label); columns are separated by tabs");
  CHECK(fault("a.tsv", "text\tlabel\nx\ty\tfood\n") ==
        ":2: 3 columns, but the header has 2; take the tab out of the text");
  CHECK(fault("a.tsv", "txt\tlabel\nx\tfood\n") ==
        ":1: no column 'text' in the header; 'txt' is near (it has: txt, label); name the columns in data.columns");
  CHECK(fault("a.tsv", "text\tlabel\nx\tfod\n") == ":2: unknown label 'fod'; did you mean 'food'?");
  CHECK(fault("a.tsv", "text\tlabel\nx\tmachine\n") == ":2: unknown label 'machine'; expected one of: animal, food");
  CHECK(fault("a.tsv", "text\tlabel\nx\t\n") ==
        ":2: the label is empty; rows without labels belong in a file of data.unlabelled");
  CHECK(fault("a.tsv", "text\tlabel\nx\xc3\tfood\n") ==
        ":2: byte 2 of the line is not valid UTF-8; convert the file to UTF-8");
  CHECK(fault("a.tsv", "text\tlabel\nx\t1.5e\n", "regression") ==
        ":2: '1.5e' is not a number, as the labels of task 'regression' are");
  CHECK(fault("a.tsv", "text\tlabel\nx\tnan\n", "regression") ==
        ":2: 'nan' is not a number, as the labels of task 'regression' are");
  CHECK(fault("a.jsonl", "{\"text\": \"a\", \"label\": \"food\"}\n{\"text\": \"a\", \"labl\": \"food\"}\n") ==
        ":2: no key 'label'; 'labl' is near; name the columns in data.columns");
  CHECK(fault("a.jsonl", "{\"text\": [1], \"label\": \"food\"}\n") == ":1: key 'text' is [1], not text");
  CHECK(fault("a.jsonl", "{\"text\": \"a\", \"label\": null}\n") ==
        ":1: key 'label' is null, not a label; rows without labels belong in a file of data.unlabelled");
  CHECK(fault("a.jsonl", "[1]\n") == ":1: a JSON object is expected, with the key 'text'");
  CHECK(fault("a.jsonl", "{\"text\": \"a\", \"label\": \"food\"}\n{\"text\": }\n")
            .starts_with(":2:10: not valid JSON: "));
  CHECK(fault("a.csv", "text,label\n") ==
        ": the ending '.csv' tells no format; rename it (.tsv, .jsonl, .txt) or set data.format");
  CHECK(fault("a.txt", "x\n") == ": a text file has no labels; task 'classification' needs columns (.tsv or .jsonl)");
}

TEST_CASE("one label is no choice") {
  const Folder folder;
  const auto file = folder.write("a.tsv", "text\tlabel\nx\tfood\n");
  CHECK(error_of([&] { find_task("classification", own(folder, "a.tsv")); }) ==
        file.string() + ": column 'label' holds one label only, 'food'; there is nothing to tell apart");
}

}  // namespace
}  // namespace dsd
