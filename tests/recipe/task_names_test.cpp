#include "core/recipe/task_names.h"

#include "tests/recipe/faults.h"

namespace dsd {
namespace {

TEST_CASE("every way to write one of the nine is one name") {
  for (const char* name : {"sst2", "SST-2", "sst-2", "SST_2", "sst 2"}) CHECK(find_task_name(name)->name == "sst2");
  for (const char* name : {"stsb", "STS-B", "sts-b", "sts_b"}) CHECK(find_task_name(name)->name == "stsb");
  for (const char* name : {"CoLA", "MRPC", "QQP", "MNLI", "QNLI", "RTE", "WNLI"}) CHECK(find_task_name(name));
  for (const char* name : {"language_model", "language-model", "LanguageModel"})
    CHECK(find_task_name(name)->name == "language_model");
  CHECK(task_names().size() == 12);
}

TEST_CASE("what labels are, and whose data") {
  CHECK(find_task_name("STS-B")->kind == TaskKind::values);
  CHECK(find_task_name("regression")->kind == TaskKind::values);
  CHECK(find_task_name("regression")->own);
  CHECK(find_task_name("Classification")->own);
  CHECK(find_task_name("mnli")->kind == TaskKind::classes);
  CHECK(!find_task_name("mnli")->own);
  CHECK(find_task_name("language_model")->kind == TaskKind::next_token);
  CHECK(find_task_name("language_model")->own);
}

TEST_CASE("an unknown task is refused with the nearest") {
  CHECK(!find_task_name("sst3"));
  CHECK(!find_task_name(""));
  CHECK_THROWS_WITH_AS(require_task_name("SST-3"), "unknown task 'SST-3'; did you mean 'sst2'?", Error);
}

}  // namespace
}  // namespace dsd
