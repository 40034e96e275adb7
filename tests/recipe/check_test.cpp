#include "core/recipe/check.h"

#include "tests/recipe/faults.h"

namespace dsd {
namespace {

using Lines = std::vector<std::string>;

const std::string kGlue = "task: sst2\ndata: {root: glue}\nteacher: {path: t}\n";
const std::string kOwn = "task: classification\ndata:\n  root: d\n  train: a.tsv\n  dev: b.tsv\nteacher: {path: t}\n";

TEST_CASE("recipes that break no rule") {
  CHECK(faults_of(kGlue).empty());
  CHECK(faults_of(kOwn).empty());
  CHECK(faults_of(kGlue, {"teacher.path=null", "student.path=s"}).empty());
  CHECK(faults_of(kGlue, {"teacher.path=null", "student.path=s", "losses.soft_weight=0", "losses.hard_weight=0"})
            .empty());
  CHECK(faults_of(kGlue, {"losses.soft_weight=0 -> 1 in 4 stages", "losses.hard_weight=0"}).empty());
  CHECK(faults_of(kGlue, {"losses.soft.kind=mean_squared_error"}).empty());
  CHECK(faults_of(kOwn, {"data.labels=[a, b]", "teacher.labels=[b, a]"}).empty());
}

TEST_CASE("the task must be known") {
  CHECK(faults_of("task: sst3\ndata: {root: glue}\n") ==
        Lines{"r.yaml:1:7: error: unknown task 'sst3'; did you mean 'sst2'?"});
}

TEST_CASE("something must be there to start from and to minimise") {
  CHECK(faults_of("task: sst2\ndata: {root: glue}\nstudent: {layers: 2}\n") ==
        Lines{"r.yaml:3:1: error: 'student.path' and 'teacher.path' are both missing: name the checkpoint that the "
              "student starts from"});
  CHECK(faults_of(kGlue + "losses: {soft_weight: 0, hard_weight: 0}\n") ==
        Lines{"r.yaml:4:23: error: the soft and the hard weight are both 0 throughout: there is nothing to minimise"});
  CHECK(faults_of(kGlue, {"losses.soft_weight=0 over 50%, then 0", "losses.hard_weight=0 -> 0 cosine"}).size() == 1);
  CHECK(faults_of(kGlue + "schedules:\n  learning_rate: 0, warm-up 10%\n") ==
        Lines{"r.yaml:5:18: error: 'schedules.learning_rate' is 0 throughout: nothing would be learnt"});
}

TEST_CASE("the student's layers and widths must agree") {
  CHECK(faults_of(kGlue + "student: {layers: 3, from_layers: [0, 2]}\n") ==
        Lines{"r.yaml:4:35: error: 'student.from_layers' names 2 layers, but 'student.layers' is 3"});
  CHECK(faults_of(kGlue + "student: {start: random, from_layers: [0, 2]}\n") ==
        Lines{"r.yaml:4:39: error: 'student.from_layers' copies layers, but 'student.start' is random"});
  CHECK(faults_of(kGlue + "student: {hidden: 100, heads: 3}\n") ==
        Lines{"r.yaml:4:31: error: 'student.hidden' 100 cannot be divided by 'student.heads' 3"});
}

TEST_CASE("what is pruned shrinks, and has weights") {
  CHECK(faults_of(kGlue + "student: {start: pruned, hidden: 100, heads: 3}\n").empty());
  CHECK(faults_of(kGlue + "student: {start: pruned, from_layers: [0, 3]}\n").empty());
  CHECK(faults_of(kGlue + "student: {start: pruned, importance: {examples: 9}}\n") ==
        Lines{"r.yaml:4:18: error: 'student.start' is pruned, but nothing is to shrink; give 'student.layers', "
              "'hidden', 'heads', 'intermediate' or 'experts'"});
  CHECK(faults_of(kGlue + "student: {layers: 2, importance: {examples: 9}}\n") ==
        Lines{"r.yaml:4:22: error: 'student.importance' is measured for 'student.start: pruned' alone"});
  CHECK(faults_of(kGlue + "student: {preset: v3, start: pruned, layers: 2}\n") ==
        Lines{"r.yaml:4:30: error: 'student.preset' has no weights to prune; name a checkpoint in 'student.path'"});
  CHECK(faults_of(kGlue + "student: {start: pruned, layers: 2, importance: {examples: 0}}\n").size() == 1);
}

TEST_CASE("numbers that change are in their ranges at every step") {
  CHECK(faults_of(kGlue + "losses:\n  temperature: 2 -> 0 linear\n") ==
        Lines{"r.yaml:5:16: error: 'losses.temperature' is '2 -> 0 linear': column 6 must be > 0, got 0"});
  CHECK(
      faults_of(kGlue, {"losses.temperature=2 -> 1 lineer"}) ==
      Lines{"--set losses.temperature=2 -> 1 lineer: error: 'losses.temperature' is '2 -> 1 lineer': column 8 must be "
            "'in N stages', 'linear', 'cosine', 'exponential', 'root', 'over', 'then', ', warm-up' or the end, got "
            "'lineer'; "
            "did you mean 'linear'?"});
  for (const char* zero :
       {"0", "2 -> 1 cosine, warm-up 10%", "0 -> 1 linear", "0 -> 1 in 4 stages", "2, warm-up 50%"}) {
    CAPTURE(zero);
    CHECK(faults_of(kGlue, {std::string("losses.temperature=") + zero}).size() == 1);
  }
  CHECK(faults_of(kGlue, {"losses.soft_weight=1 -> -1"}).size() == 1);
  CHECK(faults_of(kGlue,
                  {"losses.temperature=4 -> 1 linear", "losses.soft_weight=1 -> 0", "losses.hard_weight=1, warm-up 5%"})
            .empty());
  CHECK(
      faults_of(kGlue + "schedules: {learning_rate: {kind: linear}}\n") ==
      Lines{"r.yaml:4:28: error: 'schedules.learning_rate' must be a number or schedule (0.9 -> 0.1 cosine over 60%), "
            "got a mapping"});
}

TEST_CASE("a temperature by how hard a row is") {
  const auto fault = [](const std::string& recipe, const std::string& temperature, std::vector<std::string> more = {}) {
    more.push_back("losses.temperature=" + temperature);
    const auto lines = faults_of(recipe, more);
    REQUIRE_MESSAGE(lines.size() == 1, temperature);
    return lines[0].substr(lines[0].find(": error: ") + 9);
  };
  for (const char* kind : {"flsw", "cwsm", "entropy", "class_difficulty", "learned"}) {
    CAPTURE(kind);
    CHECK(faults_of(kGlue, {std::string("losses.temperature={kind: ") + kind + "}"}).empty());
  }
  CHECK(fault(kGlue, "{kind: flsw, min: 3, max: 3}") == "'losses.temperature.min' 3 must be below 'max' 3");
  CHECK(fault(kGlue, "{kind: cwsm, base: 4 -> 1 linear, min: 2}") ==
        "'losses.temperature.base' goes from 1 to 4, beyond 'min' 2 and 'max' 20");
  CHECK(fault(kGlue, "{kind: learned, min: 9, max: 8}") == "'losses.temperature.min' 9 must be below 'max' 8");
  CHECK(fault(kGlue, "{kind: flsw, direction: softer}").starts_with("'losses.temperature.direction' is 'softer'"));
  CHECK(fault(kGlue, "{base: 2}") ==
        "'losses.temperature' needs a 'kind', one of: scheduled, flsw, cwsm, entropy, "
        "class_difficulty, learned");
  CHECK(fault(kGlue, "{kind: cwsm}", {"losses.soft.kind=mean_squared_error"}) ==
        "mean_squared_error softens nothing, so 'losses.temperature' cannot be cwsm");
  CHECK(fault("task: stsb\ndata: {root: glue}\nteacher: {path: t}\n", "{kind: cwsm}") ==
        "mean_squared_error softens nothing, so 'losses.temperature' cannot be cwsm");
  CHECK(fault(kGlue, "{kind: learned}", {"losses.soft.kind=dist"}) ==
        "dist compares a pool's examples at one temperature, so 'losses.temperature' cannot be learned");
  for (const char* loss : {"soft_cross_entropy", "reverse_kl", "generalised_jsd", "skew_kl", "skew_reverse_kl",
                           "total_variation", "taid", "decoupled_kd", "contrastive"}) {
    CAPTURE(loss);
    CHECK(faults_of(kGlue, {"losses.temperature={kind: flsw}", std::string("losses.soft.kind=") + loss}).empty());
  }
  for (const char* loss : {"dist", "mean_squared_error"})
    CHECK(faults_of(kGlue, {"losses.temperature=4 -> 1", std::string("losses.soft.kind=") + loss}).empty());
  const std::string text = "task: language_model\ndata: {root: d, train: a, dev: b}\nteacher: {path: t}\n";
  CHECK(fault(text, "{kind: learned}") ==
        "a learned temperature needs the scores of a few classes; over a vocabulary use flsw, cwsm or entropy");
  CHECK(
      fault(text, "{kind: flsw}", {"teacher.keep=top_k"}) ==
      "'keep: top_k' remembers the likeliest tokens at one temperature, and 'losses.temperature' changes; keep hidden "
      "states, or fix it");
}

TEST_CASE("a curriculum by the teacher needs a teacher that is learned from, and what it measures") {
  const auto fault = [](const std::string& recipe, std::vector<std::string> overrides) {
    const auto lines = faults_of(recipe, overrides);
    REQUIRE(lines.size() == 1);
    return lines[0].substr(lines[0].find(": error: ") + 9);
  };
  CHECK(faults_of(kGlue, {"data.curriculum={by: length}"}).empty());
  CHECK(faults_of(kGlue, {"data.curriculum={by: teacher_loss, competence: 0.01 -> 1 root}"}).empty());
  CHECK(faults_of(kGlue, {"data.curriculum.by=teacher_entropy"}).empty());
  const std::string needs = "a curriculum by the teacher needs one that is learned from; use 'by: length'";
  CHECK(fault(kGlue, {"data.curriculum={by: teacher_loss}", "teacher.path=null", "student.path=s"}) == needs);
  CHECK(fault(kGlue, {"data.curriculum={by: teacher_loss}", "losses.soft_weight=0"}) == needs);
  CHECK(faults_of(kGlue, {"data.curriculum={by: teacher_loss}", "losses.soft_weight=0",
                          "losses.features=[{loss: {kind: hidden}}]"})
            .empty());
  CHECK(fault("task: stsb\ndata: {root: glue}\nteacher: {path: t}\n", {"data.curriculum={by: teacher_entropy}"}) ==
        "task 'stsb' has numbers, which have no entropy; use 'by: teacher_loss'");
  CHECK(fault("task: language_model\ndata: {root: d, train: a, dev: b}\nteacher: {path: t, keep: top_k}\n",
              {"data.curriculum={by: teacher_loss}"}) ==
        "a curriculum by the teacher needs its whole scores, and 'teacher.keep' is top_k; use 'by: length'");
  CHECK(fault(kGlue, {"data.curriculum={competence: 0 -> 1 root}"}) ==
        "'data.curriculum.competence' is '0 -> 1 root': column 1 must be > 0, got 0");
  CHECK(fault(kGlue, {"data.curriculum={competence: 0.1 -> 2}"}) ==
        "'data.curriculum.competence' is '0.1 -> 2': column 8 must be <= 1, got 2");
}

TEST_CASE("losses must fit the task") {
  CHECK(faults_of("task: stsb\ndata: {root: glue}\nteacher: {path: t}\nlosses:\n  soft: {kind: forward_kl}\n"
                  "  hard: {kind: cross_entropy}\n") ==
        Lines{"r.yaml:5:3: error: task 'stsb' has numbers, and forward_kl compares classes; use mean_squared_error",
              "r.yaml:6:3: error: task 'stsb' has numbers, and cross_entropy is for classes; use mean_squared_error"});
  CHECK(
      faults_of(kGlue, {"losses.hard.kind=mean_squared_error"}) ==
      Lines{"--set losses.hard.kind=mean_squared_error: error: task 'sst2' has classes, and mean_squared_error is for "
            "numbers; use cross_entropy"});
}

TEST_CASE("what a loss against the teacher asks of its settings") {
  const auto fault = [](std::string_view soft, const std::vector<std::string>& more = {}) {
    std::vector<std::string> overrides{fmt::format("losses.soft={}", soft)};
    overrides.insert(overrides.end(), more.begin(), more.end());
    const auto lines = faults_of(kGlue, overrides);
    REQUIRE(lines.size() == 1);
    return lines[0].substr(lines[0].find(": error: ") + 9);
  };
  for (const char* soft : {"{kind: soft_cross_entropy, standardise: true}", "{kind: skew_kl, teacher_share: 0.2}",
                           "{kind: skew_reverse_kl}", "{kind: total_variation, correct_teacher: probability_shift}",
                           "{kind: taid}", "{kind: decoupled_kd, correct_teacher: mft, margin: 0.3}", "{kind: dist}",
                           "{kind: contrastive}", "{kind: mean_squared_error, standardise: true}"})
    CHECK(faults_of(kGlue, {fmt::format("losses.soft={}", soft)}).empty());
  CHECK(fault("{kind: decoupled_kd, target_weight: 0, others_weight: 0}") ==
        "both weights of decoupled_kd are 0: there is nothing to minimise");
  CHECK(fault("{kind: dist, inter_weight: 0, intra_weight: 0}") ==
        "both weights of dist are 0: there is nothing to minimise");
  CHECK(fault("{kind: taid, from: 0.9, to: 0.5}") == "'losses.soft.from' 0.9 is above 'losses.soft.to' 0.5");
  CHECK(fault("{kind: forward_kl, margin: 0.3}") == "'losses.soft.margin' is for 'correct_teacher: mft'; remove it");
  CHECK(faults_of("task: stsb\ndata: {root: glue}\nteacher: {path: t}\nlosses:\n"
                  "  soft: {kind: mean_squared_error, standardise: true}\n") ==
        Lines{"r.yaml:5:49: error: task 'stsb' has one number a row, which standardising makes 0; remove "
              "'standardise'"});
  // Labels are compared as they are.
  CHECK(faults_of("task: stsb\ndata: {root: glue}\nteacher: {path: t}\nlosses:\n"
                  "  hard: {kind: mean_squared_error, standardise: true}\n")
            .size() == 1);
}

TEST_CASE("pools of examples fit a step and a micro-batch") {
  const auto fault = [](const std::vector<std::string>& overrides) {
    const auto lines = faults_of(kGlue, overrides);
    REQUIRE(lines.size() == 1);
    return lines[0].substr(lines[0].find(": error: ") + 9);
  };
  CHECK(faults_of(kGlue, {"losses.soft.kind=dist", "losses.pool=16"}).empty());
  CHECK(fault({"losses.pool=16"}) == "'losses.pool' is for dist and contrastive; remove it");
  CHECK(fault({"losses.soft.kind=dist", "losses.pool=12"}) ==
        "'train.batch' 32 is no whole number of pools of 'losses.pool' 12");
  CHECK(fault({"losses.soft.kind=contrastive", "train.batch=1"}) ==
        "'train.batch' is 1, and the loss compares examples of a step; raise it");
  const std::string wide =
      "a pool of 64 examples of 'data.max_length' 256 must fit 'train.tokens' 8192; raise it, or give a smaller "
      "'losses.pool'";
  CHECK(fault({"losses.soft.kind=dist", "train.batch=64", "data.max_length=256"}) == wide);
  CHECK(fault({"losses.soft.kind=dist", "train.batch=128", "losses.pool=64", "data.max_length=256"}) == wide);
  CHECK(faults_of(kGlue, {"losses.soft.kind=dist", "losses.pool=1"}).size() == 1);
}

TEST_CASE("a task of one's own names its files, columns and labels; GLUE's are its own") {
  CHECK(faults_of("task: classification\ndata: {root: d}\nteacher: {path: t}\n") ==
        Lines{"r.yaml:2:1: error: task 'classification' needs 'data.train', the training file under data.root",
              "r.yaml:2:1: error: task 'classification' needs 'data.dev', the file that scores are taken on"});
  CHECK(faults_of(kOwn, {"data.columns.text=label"}).size() == 1);
  CHECK(faults_of(kOwn, {"data.columns.text_pair=text"}).size() == 1);
  CHECK(faults_of(kOwn, {"data.labels=[a, b, a]"}) ==
        Lines{"--set data.labels=[a, b, a]: error: label 'a' is named twice"});
  CHECK(faults_of(kOwn, {"data.labels=[a]"}).size() == 1);
  CHECK(faults_of(kOwn, {"data.labels=[a, b]", "teacher.labels=[a, c]"}).size() == 1);
  CHECK(faults_of(kOwn, {"task=regression", "data.labels=[a, b]"}).size() == 1);
  CHECK(faults_of(kOwn, {"task=regression", "teacher.labels=[a, b]"}).size() == 1);
  CHECK(faults_of(kGlue, {"data.columns.text=sentence"}).size() == 1);
  CHECK(faults_of(kGlue, {"data.labels=[a, b]"}).size() == 1);
}

const std::string kText = "task: language_model\ndata:\n  root: d\n  train: a.txt\n  dev: b.txt\nteacher: {path: t}\n";

TEST_CASE("a language model reads documents, or prompts and answers") {
  CHECK(faults_of(kText).empty());
  CHECK(faults_of(kText, {"data.separator='---'"}).empty());
  CHECK(faults_of(kText, {"data.articles=true"}).empty());
  CHECK(faults_of(kText, {"data.columns.prompt=q", "data.columns.answer=a"}).empty());
  const std::vector<std::string> prompts{"data.columns.prompt=q", "data.columns.answer=a", "data.columns.input=i",
                                         "data.prompt_template='{prompt} {input}'"};
  CHECK(faults_of(kText, prompts).empty());
  const auto fault = [](std::vector<std::string> overrides) {
    const auto lines = faults_of(kText, overrides);
    REQUIRE(lines.size() == 1);
    return lines[0].substr(lines[0].find(": error: ") + 9);
  };
  CHECK(fault({"data.columns.label=y"}) ==
        "task 'language_model' has neither labels nor pairs; give 'columns.text', or a prompt and an answer");
  CHECK(fault({"data.labels=[a, b]"}) ==
        "task 'language_model' has tokens, not labels; 'data.labels' is for 'classification'");
  CHECK(fault({"teacher.labels=[a, b]"}) == "task 'language_model' has tokens, not labels; remove 'teacher.labels'");
  CHECK(fault({"data.unlabelled=[c.txt]"}) ==
        "task 'language_model' learns from all text; name one file in 'data.train'");
  CHECK(fault({"data.format=tsv"}) ==
        "task 'language_model' reads text and JSONL, not TSV: a text may hold tabs and line breaks");
  CHECK(fault({"data.separator=''"}) == "'data.separator' must not be empty");
  CHECK(fault({"data.separator=x", "data.articles=true"}) ==
        "'data.articles' and 'data.separator' both tell where a document ends; keep one");
  CHECK(fault({"data.columns.answer=a"}) ==
        "'data.columns.prompt' and 'data.columns.answer' go together; give both or neither");
  CHECK(fault({"data.columns.input=i"}) ==
        "'data.columns.input' stands beside a prompt; give 'data.columns.prompt' too");
  CHECK(fault({"data.prompt_template='{prompt}'"}) ==
        "'data.prompt_template' is for prompts; give 'data.columns.prompt' too");
  CHECK(fault({"data.columns.prompt=q", "data.columns.answer=a", "data.prompt_template=x"}) ==
        "'data.prompt_template' has no place for the prompt; write {prompt} there");
  CHECK(fault({"data.columns.prompt=q", "data.columns.answer=a", "data.prompt_template='{prompt} {input}'"}) ==
        "'data.prompt_template' has {input} and 'data.columns.input' is missing; give both or neither");
  CHECK(fault({"losses.hard.kind=mean_squared_error"}) ==
        "task 'language_model' has tokens, and mean_squared_error is for numbers; use cross_entropy");
}

TEST_CASE("over a vocabulary a loss that asks for all scores at once is refused, with what to use") {
  const auto fault = [](const std::vector<std::string>& overrides) {
    const auto lines = faults_of(kText, overrides);
    REQUIRE(lines.size() == 1);
    return lines[0].substr(lines[0].find(": error: ") + 9);
  };
  for (const char* kind : {"forward_kl", "soft_cross_entropy", "reverse_kl", "generalised_jsd", "skew_kl",
                           "skew_reverse_kl", "total_variation", "taid"})
    CHECK(faults_of(kText, {fmt::format("losses.soft.kind={}", kind)}).empty());
  for (const char* kind : {"decoupled_kd", "mean_squared_error"})
    CHECK(fault({fmt::format("losses.soft.kind={}", kind)}) ==
          fmt::format("task 'language_model' never has all its scores at once, and {} asks for them; use forward_kl",
                      kind));
  for (const char* kind : {"dist", "contrastive"})
    CHECK(fault({fmt::format("losses.soft.kind={}", kind), "losses.pool=2"}).ends_with("use forward_kl"));
  CHECK(fault({"losses.soft={kind: skew_kl, standardise: true}"}) ==
        "task 'language_model' never has all its scores at once, and 'standardise' asks for them; use skew_kl without "
        "it");
  CHECK(fault({"losses.soft={kind: forward_kl, correct_teacher: mft}"}).ends_with("use forward_kl without it"));
  CHECK(fault({"losses.soft.kind=taid", "teacher.keep=top_k"}) ==
        "'keep: top_k' remembers the likeliest tokens, and taid mixes all scores with the student's; keep hidden "
        "states");
}

TEST_CASE("what is remembered over a vocabulary") {
  CHECK(faults_of(kText, {"teacher.keep=top_k", "teacher.top_k=8", "teacher.store=s"}).empty());
  CHECK(faults_of(kText, {"teacher.keep=top_k", "losses.temperature=4 -> 1 linear"}).size() == 1);
  CHECK(faults_of(kText, {"losses.temperature=4 -> 1 linear"}).empty());
  CHECK(faults_of(kText, {"teacher.store=s", "teacher.remember=false"}).size() == 1);
  CHECK(faults_of(kGlue, {"teacher.keep=top_k"}) ==
        Lines{"--set teacher.keep=top_k: error: task 'sst2' has few scores, which are remembered as they are; "
              "'teacher.keep' is for 'language_model'"});
  for (const char* key : {"data.separator=x", "data.articles=true", "data.columns.prompt=q", "teacher.store=s"})
    CHECK(faults_of(kOwn, {key}).size() == 1);
}

TEST_CASE("text without labels needs a teacher") {
  CHECK(faults_of("task: sst2\ndata: {root: glue, unlabelled: [more.txt]}\nstudent: {path: s}\n") ==
        Lines{"r.yaml:2:32: error: 'data.unlabelled' needs a teacher to label it; give 'teacher.path' or remove it"});
}

TEST_CASE("one example must fit a micro-batch") {
  CHECK(faults_of(kGlue + "train: {tokens: 64}\n") ==
        Lines{"r.yaml:4:17: error: 'train.tokens' is 64, too few for one example of 'data.max_length' 128"});
  CHECK(faults_of(kGlue, {"eval.tokens=64"}).size() == 1);
}

TEST_CASE("losses on features: layers that exist, one way to name them, and something to compare") {
  const auto with = [](const std::string& loss) {
    return kGlue + "student: {layers: 2, hidden: 100}\nlosses:\n  features:\n    - loss: {" + loss + "}\n";
  };
  CHECK(faults_of(with("kind: hidden")).empty());
  CHECK(faults_of(with("kind: hidden, pairs: [{student: 0, teacher: 0}, {student: 2, teacher: 9}]")).empty());
  CHECK(faults_of(with("kind: hidden, pairs: [{student: 1, teacher: 1}, {student: 3, teacher: 9}]")) ==
        Lines{"r.yaml:7:72: error: hidden names layer 3 of a student of 2 layers"});
  CHECK(
      faults_of(with("kind: cosine, layers: top, pairs: [{student: 1, teacher: 1}]")) ==
      Lines{"r.yaml:7:48: error: 'losses.features[0].loss.pairs' and 'losses.features[0].loss.layers' both tell which "
            "layers are matched; keep one"});
  CHECK(
      faults_of(with("kind: attention, pairs: [{student: 1, teacher: 0}]")) ==
      Lines{"r.yaml:7:61: error: layer 0 is what enters the first layer, and has no attention to compare; count layers "
            "from 1"});
  CHECK(faults_of(with("kind: minilm_v2, relation_heads: 48")) ==
        Lines{"r.yaml:7:47: error: 'student.hidden' 100 cannot be shared out to 48 relation heads"});
  CHECK(faults_of(with("kind: minilm_v2, query_weight: 0, key_weight: 0, value_weight: 0")).size() == 1);
  CHECK(faults_of(with("kind: hiden")) ==
        Lines{"r.yaml:7:20: error: 'losses.features[0].loss.kind' is 'hiden'; did you mean 'hidden'?"});
  CHECK(faults_of(with("layers: top")).size() == 1);
  CHECK(faults_of(with("kind: hidden, pairs: [{student: 1}]")).size() == 1);
}

TEST_CASE("weights that are all 0 are refused, those of losses on features counted in") {
  const std::vector<std::string> none{"losses.soft_weight=0", "losses.hard_weight=0"};
  CHECK(faults_of(kGlue + "losses: {features: [{loss: {kind: hidden}}]}\n", none).empty());
  CHECK(
      faults_of(kGlue + "losses: {features: [{loss: {kind: hidden}, weight: 0}]}\n", none) ==
      Lines{"--set losses.soft_weight=0: error: the soft and the hard weight, and those of all losses on features, are "
            "0 throughout: there is nothing to minimise"});
  CHECK(faults_of(kGlue + "losses: {features: [{loss: {kind: hidden}, weight: 0 -> 1 linear}]}\n", none).empty());
  CHECK(faults_of(kGlue + "losses:\n  features:\n    - loss: {kind: hidden}\n      weight: 1 -> -1\n") ==
        Lines{"r.yaml:7:15: error: 'losses.features[0].weight' is '1 -> -1': column 6 must be >= 0, got -1"});
  CHECK(faults_of(kGlue, {"teacher.keep_dtype=bf16"}).size() == 1);
  CHECK(faults_of(kGlue + "losses: {features: [{loss: {kind: hidden}}]}\n", {"teacher.keep_dtype=bf16"}).empty());
}

}  // namespace
}  // namespace dsd
