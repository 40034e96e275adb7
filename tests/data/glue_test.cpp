// GLUE's official layouts: each on rows made by hand, and the real files where this checkout has them.
#include <map>

#include "core/data/glue.h"
#include "tests/data/support.h"

#include "tests/check.h"

namespace dsd {
namespace {

using testing::data_at;
using testing::error_of;
using testing::Folder;
using testing::read_split;
using Rows = std::vector<testing::PlainRow>;

TEST_CASE("CoLA has no header in train and dev, and one in test") {
  const Folder folder;
  folder.write("CoLA/train.tsv", "gj04\t1\t\tOne more.\nks08\t0\t*\tMore one \"is.");
  folder.write("CoLA/test.tsv", "index\tsentence\n0\tBill left.\n");
  const auto data = data_at(folder.text());
  CHECK(read_split("cola", data, Split::train).rows == Rows{{"One more.", "", "1"}, {"More one \"is.", "", "0"}});
  CHECK(read_split("CoLA", data, Split::test).rows == Rows{{"Bill left.", "", ""}});
  folder.write("CoLA/dev.tsv", "gj04\t1\n");
  CHECK(error_of([&] { read_split("cola", data, Split::dev); }) ==
        folder.text() + "/CoLA/dev.tsv:1: 2 columns, needs 4 (sentence, label); columns are separated by tabs");
}

TEST_CASE("SST-2 keeps trailing blanks; the suite's folder and the task's are one, however it is written") {
  for (const std::string name : {"SST-2", "sst2", "sst-2", "SST2"}) {
    const Folder folder;
    folder.write(name + "/dev.tsv", "sentence\tlabel\nit 's \" charming . \t1\n");
    const Rows expected{{"it 's \" charming . ", "", "1"}};
    CHECK(read_split("sst2", data_at(folder.text()), Split::dev).rows == expected);
    CHECK(read_split("SST-2", data_at(folder.text() + "/" + name), Split::dev).rows == expected);
  }
}

TEST_CASE("MRPC's header opens with a byte order mark") {
  const Folder folder;
  folder.write("MRPC/dev.tsv",
               "\xEF\xBB\xBFQuality\t#1 ID\t#2 ID\t#1 String\t#2 String\r\n1\t7\t8\t\" A b .\tC \" d .\r\n");
  CHECK(read_split("mrpc", data_at(folder.text()), Split::dev).rows == Rows{{"\" A b .", "C \" d .", "1"}});
}

TEST_CASE("STS-B has values") {
  const Folder folder;
  const std::string head = "index\tgenre\tfilename\tyear\told_index\tsource1\tsource2\tsentence1\tsentence2";
  folder.write("STS-B/dev.tsv",
               head + "\tscore\n0\tg\tf\t2012\t0\tnone\tnone\ta\tb\t5.000\n0\tg\tf\ty\t0\tn\tn\tc\td\t2.5\n");
  folder.write("STS-B/test.tsv", head + "\n0\tg\tf\t2012\t0\tnone\tnone\ta\tb\n");
  CHECK(read_split("stsb", data_at(folder.text()), Split::dev).rows == Rows{{"a", "b", "5.000"}, {"c", "d", "2.5"}});
  CHECK(read_split("stsb", data_at(folder.text()), Split::test).rows == Rows{{"a", "b", ""}});
}

TEST_CASE("QQP's rows that lack columns are skipped and counted; in test they are an error") {
  const Folder folder;
  folder.write("QQP/train.tsv",
               "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n1\t2\t3\t\"\"\"A\"\" b\"\tc\t0\n4\t5\t6\tbroken\n"
               "7\t8\t9\td\te\t1\nbroken too\n");
  folder.write("QQP/test.tsv", "id\tquestion1\tquestion2\n0\ta\n");
  const auto read = read_split("qqp", data_at(folder.text()), Split::train);
  CHECK(read.rows == Rows{{"\"\"\"A\"\" b\"", "c", "0"}, {"d", "e", "1"}});
  CHECK(read.notes ==
        std::vector{folder.text() + "/QQP/train.tsv: 2 of 4 rows lack columns and were skipped (first: line 3)"});
  CHECK(error_of([&] { read_split("qqp", data_at(folder.text()), Split::test); }) ==
        folder.text() + "/QQP/test.tsv:2: 2 columns, needs 3 (question1, question2); columns are separated by tabs");
}

TEST_CASE("MNLI: gold in the last column, '-' is none, two parts, both must be there") {
  const Folder folder;
  const std::string head = "index\tsentence1\tsentence2\tlabel1\tlabel2\tgold_label\n";
  folder.write("MNLI/dev_matched.tsv", head + "0\ta\tb\tneutral\tentailment\tentailment\n1\tc\td\tneutral\tx\t-\n");
  const auto data = data_at(folder.text());
  CHECK(error_of([&] { read_split("mnli", data, Split::dev); }) ==
        folder.text() +
            "/MNLI/dev_mismatched.tsv: is missing; task 'mnli' needs it for its dev split; "
            "scripts/get_glue.sh DIR fetches GLUE, or set data.dev");
  folder.write("MNLI/dev_mismatched.tsv", head + "0\te\tf\tneutral\tx\tcontradiction\n");
  const auto matched = read_split("mnli", data, Split::dev, 0);
  CHECK(matched.rows == Rows{{"a", "b", "entailment"}});
  CHECK(matched.notes ==
        std::vector{folder.text() +
                    "/MNLI/dev_matched.tsv: 1 of 2 rows have no gold label ('-') and were skipped (first: line 3)"});
  CHECK(read_split("mnli", data, Split::dev, 1).rows == Rows{{"e", "f", "contradiction"}});
  const auto files = split_files(find_task("mnli", data), data, Split::dev);
  CHECK(files[0].part == "matched");
  CHECK(files[1].part == "mismatched");
}

TEST_CASE("QNLI, RTE and WNLI") {
  const Folder folder;
  folder.write("QNLI/dev.tsv", "index\tquestion\tsentence\tlabel\n0\tq\ts\tnot_entailment\n");
  folder.write("RTE/dev.tsv", "index\tsentence1\tsentence2\tlabel\n0\ta\tb\tentailment\n");
  folder.write("WNLI/dev.tsv", "index\tsentence1\tsentence2\tlabel\n0\ta\tb\t1\n");
  const auto data = data_at(folder.text());
  CHECK(read_split("qnli", data, Split::dev).rows == Rows{{"q", "s", "not_entailment"}});
  CHECK(read_split("rte", data, Split::dev).rows == Rows{{"a", "b", "entailment"}});
  CHECK(read_split("wnli", data, Split::dev).rows == Rows{{"a", "b", "1"}});
}

TEST_CASE("a task of pairs that is given single sentences says so") {
  const Folder folder;
  folder.write("RTE/train.tsv", "sentence\tlabel\na\tentailment\n");
  folder.write("RTE/more.txt", "a\tb\nonly one\n");
  auto data = data_at(folder.text());
  CHECK(error_of([&] { read_split("rte", data, Split::train); }) ==
        folder.text() +
            "/RTE/train.tsv:1: no column 'sentence1' in the header; 'sentence' is near (it has: sentence, "
            "label); task 'rte' compares two texts; is this RTE's official file?");
  data.unlabelled = {"more.txt"};
  CHECK(error_of([&] { read_split("rte", data, Split::unlabelled); }) ==
        folder.text() + "/RTE/more.txt:2: one text, but task 'rte' compares two; separate them by a tab");
}

TEST_CASE("a folder that is not there, and a split that is not there") {
  const Folder folder;
  CHECK(error_of([&] { find_task("sst2", data_at(folder.text() + "/no")); }) ==
        folder.text() + "/no: no such folder; set data.root (--data) to the folder of the data");
  CHECK(error_of([&] { read_split("sst2", data_at(folder.text()), Split::train); }) ==
        folder.text() +
            "/train.tsv: is missing, and so is a folder SST-2 beside it; task 'sst2' needs it for its train split; "
            "scripts/get_glue.sh DIR fetches "
            "GLUE, or set data.train");
  folder.write("SST-2/train.tsv", "");
  CHECK(error_of([&] { read_split("sst2", data_at(folder.text()), Split::train); }) ==
        folder.text() + "/SST-2/train.tsv: is empty; expected a header and rows");
  folder.write("SST-2/train.tsv", "sentence\tlabel\n");
  CHECK(error_of([&] { read_split("sst2", data_at(folder.text()), Split::train); }) ==
        folder.text() + "/SST-2/train.tsv: has a header and no rows");
}

TEST_CASE("labels have readable names, in the order of their classes") {
  const Folder folder;
  const Task task = find_task("sst2", data_at(folder.text()));
  CHECK(task.labels == std::vector<std::string>{"0", "1"});
  CHECK(task.label_names == std::vector<std::string>{"negative", "positive"});
  CHECK(task.class_of("POSITIVE") == 1);
  CHECK(task.class_of("0") == 0);
  CHECK_FALSE(task.class_of("neutral"));
  CHECK(find_task("mnli", data_at(folder.text())).labels ==
        std::vector<std::string>{"entailment", "neutral", "contradiction"});
  CHECK(glue_tasks().size() == 9);
}

// Rows as counted by Python's split on '\n' and '\t'; label shares by the same.
struct Count {
  const char* task;
  Split split;
  std::size_t part, rows, of_first_label;
};

TEST_CASE("the official files give the official counts") {
  if (!std::filesystem::exists(testing::kGlue)) {
    MESSAGE("skipped: no GLUE in " << testing::kGlue.string());
    return;
  }
  const auto data = data_at(testing::kGlue.string());
  const Count counts[] = {
      {"cola", Split::train, 0, 8551, 2528},   {"cola", Split::dev, 0, 1043, 322},  {"cola", Split::test, 0, 1063, 0},
      {"sst2", Split::train, 0, 67349, 29780}, {"sst2", Split::dev, 0, 872, 428},   {"sst2", Split::test, 0, 1821, 0},
      {"mrpc", Split::train, 0, 3668, 1194},   {"mrpc", Split::dev, 0, 408, 129},   {"mrpc", Split::test, 0, 1725, 0},
      {"stsb", Split::train, 0, 5749, 0},      {"stsb", Split::dev, 0, 1500, 0},    {"stsb", Split::test, 0, 1379, 0},
      {"rte", Split::train, 0, 2490, 1249},    {"rte", Split::dev, 0, 277, 146},    {"rte", Split::test, 0, 3000, 0},
      {"mnli", Split::train, 0, 9999, 3408},   {"mnli", Split::dev, 0, 9815, 3479}, {"mnli", Split::dev, 1, 1000, 346}};
  for (const auto& count : counts) {
    CAPTURE(count.task);
    const Task task = find_task(count.task, data);
    const auto read = read_split(count.task, data, count.split, count.part);
    CHECK(read.rows.size() == count.rows);
    CHECK(read.notes.empty());
    if (count.of_first_label == 0) continue;
    std::size_t first = 0;
    for (const auto& row : read.rows) first += row.label == task.labels[0] ? 1 : 0;
    CHECK(first == count.of_first_label);
  }
}

}  // namespace
}  // namespace dsd
