// `dsdistill loss`: one loss in float64 on numbers from the command line, the very code that training runs.
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "core/base/error.h"
#include "core/config/reader.h"
#include "losses/feature_loss.h"
#include "losses/loss.h"

namespace dsd {
namespace {

struct SoftChoice {
  SoftLossConfig loss;
  static void fields(auto& self, auto& v) { v("loss", self.loss, "loss against the teacher", required); }
};

struct HardChoice {
  HardLossConfig loss;
  static void fields(auto& self, auto& v) { v("loss", self.loss, "loss against the labels", required); }
};

struct FeatureChoice {
  FeatureLossConfig loss;
  static void fields(auto& self, auto& v) { v("loss", self.loss, "loss on features", required); }
};

template <class Choice>
auto choose(const LossOptions& options) {
  Diagnostics faults("loss");
  Choice choice;
  const std::string comma = options.settings.empty() ? "" : ", ";
  const auto text = fmt::format("loss: {{kind: {}{}{}}}", options.kind, comma, options.settings);
  if (const auto tree = parse_yaml(text, 0, faults)) read_tree(*tree, describe_fields(choice), "the loss", faults);
  faults.raise();
  return choice.loss;
}

bool is_on_features(std::string_view kind) {
  FeatureChoice choice;
  const auto map = std::get<ChoiceSlot>(describe_fields(choice).fields.at(0).slot);
  return std::ranges::find(map.type->kinds, kind) != map.type->kinds.end();
}

std::unique_ptr<Loss> soft_loss(const LossOptions& options) {
  const SoftLossConfig config = choose<SoftChoice>(options);
  if (!options.labels.empty() && !reads_labels(config))
    fail_as(ExitCode::bad_input, "{} against a teacher does not read --labels; give one of the two", options.kind);
  return make_loss(config);
}

std::vector<double> numbers(const nlohmann::json& list, std::string_view flag) {
  std::vector<double> values;
  for (const auto& item : list) {
    if (!item.is_number()) fail_as(ExitCode::bad_input, "--{}: '{}' is not a number", flag, item.dump());
    values.push_back(item.get<double>());
  }
  return values;
}

nlohmann::json parse_list(const std::string& text, std::string_view flag) {
  auto json = nlohmann::json::parse(text, nullptr, false);
  if (!json.is_array() || json.empty())
    fail_as(ExitCode::bad_input, "--{}: expected a list of numbers such as '[1, 2, 3]', or a list of such lists", flag);
  return json;
}

Tensor rows_of(const std::string& text, std::string_view flag) {  // [N, C] float64
  const auto json = parse_list(text, flag);
  if (!json[0].is_array()) return at::tensor(numbers(json, flag), at::kDouble).unsqueeze(0);
  std::vector<Tensor> rows;
  for (const auto& row : json) {
    if (!row.is_array() || row.empty() || row.size() != json[0].size())
      fail_as(ExitCode::bad_input, "--{}: the rows must be lists of one length", flag);
    rows.push_back(at::tensor(numbers(row, flag), at::kDouble));
  }
  return at::stack(rows);
}

Labels labels_of(const LossOptions& options, const Tensor& student) {
  if (options.labels.empty()) return std::monostate{};
  const auto values = numbers(parse_list(options.labels, "labels"), "labels");
  if (static_cast<std::int64_t>(values.size()) != student.size(0))
    fail_as(ExitCode::bad_input, "--labels: {} for {} rows", values.size(), student.size(0));
  if (options.teacher.empty() && options.kind == MeanSquaredErrorConfig::kind)
    return Values{at::tensor(values, at::kDouble).to(at::kFloat)};
  for (const double value : values)
    if (value != static_cast<int>(value) || value < -1 || value >= static_cast<double>(student.size(1)))
      fail_as(ExitCode::bad_input, "--labels: {} is not a class of 0..{} (-1 is none)", value, student.size(1) - 1);
  return Classes{at::tensor(values, at::kDouble).to(at::kInt)};
}

// Rows are the tokens of one sequence, as every site of a model of one layer and one head.
std::unique_ptr<Loss> feature_loss(const LossOptions& options, const Tensor& student, const Tensor& teacher) {
  const auto shape = [](const Tensor& states) {
    return ModelShape{.layers = 1, .hidden = states.size(1), .heads = 1, .key_heads = 1, .head_width = states.size(1)};
  };
  const ModelShapes shapes{.student = shape(student), .teacher = shape(teacher), .dtype = at::kDouble};
  auto loss = make_loss(choose<FeatureChoice>(options), shapes);
  if (!loss->parameters().empty())
    fail_as(ExitCode::bad_input, "{} would need a projector, which is trained; give states of one width", options.kind);
  return loss;
}

// The rows' place in a batch: each a row that a head reads, or the tokens of one sequence.
Batch batch_of(const LossOptions& options, const Tensor& student) {
  Batch batch;
  const auto rows = static_cast<std::int32_t>(student.size(0));
  batch.rows = {at::arange(rows, at::kInt)};
  batch.streams.push_back({.ids = at::zeros({rows}, at::kInt), .offsets = at::tensor({0, rows}, at::kInt)});
  batch.labels = labels_of(options, student);
  return batch;
}

}  // namespace

int run_loss(const LossOptions& options) {
  const Tensor student = rows_of(options.student, "student").requires_grad_(options.gradient);
  if (options.teacher.empty() && options.labels.empty())
    fail_as(ExitCode::bad_input, "a loss takes --teacher or --labels");
  const bool soft = !options.teacher.empty();
  const Tensor target = soft ? rows_of(options.teacher, "teacher") : Tensor();
  const bool on_features = soft && is_on_features(options.kind);
  if (on_features && target.size(0) != student.size(0))
    fail_as(ExitCode::bad_input, "--teacher: {} tokens for the student's {}", target.size(0), student.size(0));
  const auto loss = on_features ? feature_loss(options, student, target)
                    : soft      ? soft_loss(options)
                                : make_loss(choose<HardChoice>(options));

  Batch batch = batch_of(options, student);
  batch.pools = {0, student.size(0)};
  Outputs outputs{.heads = {{.dense = student}}, .captured = {}};
  TeacherOutputs teacher;
  if (soft) teacher.heads.push_back(Scores{.dense = target});
  for (const Site& site : loss->student_wants().sites) outputs.captured.emplace_back(site, student);
  for (const Site& site : loss->teacher_wants().sites) teacher.captured.emplace_back(site, target);
  const LossInput input{.student = {&outputs, 1},
                        .teachers = {&teacher, soft ? 1u : 0u},
                        .batch = batch,
                        .temperature = options.temperature,
                        .progress = {}};
  const double count = loss->count(batch);
  if (count == 0) fail_as(ExitCode::bad_input, "no row has a label");
  const Tensor mean = loss->sum(input) * (loss->factor(options.temperature) / count);
  fmt::print("{:.17g}\n", mean.item<double>());
  if (options.gradient) {
    mean.backward();
    const Tensor gradient = student.grad().contiguous();
    nlohmann::json rows = nlohmann::json::array();
    for (std::int64_t n = 0; n < gradient.size(0); ++n) {
      const double* row = gradient.const_data_ptr<double>() + n * gradient.size(1);
      rows.push_back(std::vector<double>(row, row + gradient.size(1)));
    }
    fmt::print("{}\n", rows.dump());
  }
  return 0;
}

}  // namespace dsd
