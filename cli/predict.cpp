// `dsdistill predict MODEL [TEXT...]`: a label and its probability for each line, as lines come.
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <cstdio>

#include "cli/commands.h"
#include "cli/threads.h"
#include "core/base/error.h"
#include "core/base/files.h"
#include "core/data/dataset.h"
#include "core/data/lines.h"
#include "core/formats/json.h"
#include "core/formats/locate.h"
#include "core/model/model.h"
#include "core/text/utf8.h"

namespace dsd {
namespace {

constexpr std::size_t kBatch = 32;
constexpr std::string_view kNothing = "-\t-\t";  // a line that could not be labelled keeps its place

// One input line on its way through.
struct Line {
  std::string text;
  std::string place;  // for messages
  Example example;
  std::string complaint;  // empty: it can be labelled
};

// Whether the model was trained on pairs, as our trainer writes into config.json; unknown for models from elsewhere.
std::optional<bool> trained_on_pairs(const ModelConfig& config) {
  if (config.json.empty()) return std::nullopt;
  const Json json = parse_json(config.json, "config.json");
  const auto ours = json.find("dsdistill");
  if (ours == json.end() || !ours->is_object()) return std::nullopt;
  const auto pair = ours->find("pair");
  return pair != ours->end() && pair->is_boolean() ? std::optional(pair->get<bool>()) : std::nullopt;
}

class Predictor {
 public:
  Predictor(const PredictOptions& options, const Sink& json)
      : options_(options),
        json_(json),
        folder_(locate_model(options.model)),
        model_(load_frozen_model(folder_)),
        tokenizer_(Tokenizer::load(folder_)),
        pairs_(trained_on_pairs(model_->config())) {
    const HeadInfo& head = model_->config().head;
    if (head.labels.empty()) fail("{}: has no head for classes or values; fine-tune it on a task first", options.model);
    values_ = head.problem_type == ProblemType::regression;
  }

  void add(std::string text, std::string place) {
    Line line{.text = std::move(text), .place = std::move(place), .example = {}, .complaint = {}};
    try {
      line.example = example_of(line.text);
    } catch (const Error& error) {
      line.complaint = error.what();
    }
    waiting_.push_back(std::move(line));
    if (waiting_.size() >= kBatch) finish();
  }

  // Labels what waits.
  void finish() {
    std::vector<Example> examples;
    for (const auto& line : waiting_)
      if (line.complaint.empty()) examples.push_back(line.example);
    const Tensor scores = examples.empty() ? Tensor() : scores_of(examples);
    std::int64_t row = 0;
    for (const auto& line : waiting_) {
      if (line.complaint.empty()) write(line, scores[row++]);
      else complain(line);
    }
    waiting_.clear();
    if (std::fflush(stdout) != 0) fail("standard output: cannot be written to");
  }

  bool all_labelled() const { return all_labelled_; }

 private:
  Example example_of(const std::string& text) const {
    if (const auto bad = check_utf8(text)) fail("byte {} is not valid UTF-8", *bad + 1);
    const std::size_t tab = text.find('\t');
    const bool is_pair = tab != std::string::npos;
    if (pairs_ == true && !is_pair) fail("one text, but {} compares two; separate them by a tab", options_.model);
    if (pairs_ == false && is_pair) fail("two texts (there is a tab), but {} labels single ones", options_.model);
    if (!is_pair) return tokenised(tokenizer_, text, std::nullopt, options_.max_length);
    const std::string_view whole = text;
    return tokenised(tokenizer_, whole.substr(0, tab), whole.substr(tab + 1), options_.max_length);
  }

  // [N, C] probabilities, or [N, 1] values.
  Tensor scores_of(std::span<const Example> examples) {
    const at::NoGradGuard no_gradients;
    const Outputs outputs = model_->forward(make_batch(examples), Wanted{}, Pass{});
    const Tensor logits = outputs.heads.at(0).dense.to(at::kCPU, at::kDouble);
    return values_ ? logits : logits.softmax(1);
  }

  void write(const Line& line, const Tensor& row) {
    const std::span scores(row.const_data_ptr<double>(), static_cast<std::size_t>(row.numel()));
    const auto& labels = model_->config().head.labels;
    Json json{{"text", line.text}};
    if (values_) {
      print(fmt::format("{:.6g}\t{}\n", scores[0], line.text));
      json["value"] = scores[0];
    } else {
      const auto best = static_cast<std::size_t>(std::ranges::max_element(scores) - scores.begin());
      print(fmt::format("{}\t{:.4f}\t{}\n", labels[best], scores[best], line.text));
      json["label"] = labels[best];
      json["probability"] = scores[best];
      for (std::size_t c = 0; c < scores.size(); ++c) json["probabilities"][labels[c]] = scores[c];
    }
    write_record(json);
  }

  void complain(const Line& line) {
    all_labelled_ = false;
    std::fflush(stdout);
    fmt::print(stderr, "{}: error: {}\n", line.place, line.complaint);
    print(fmt::format("{}{}\n", values_ ? kNothing.substr(0, 2) : kNothing, line.text));
    write_record({{"text", nullptr}, {"error", fmt::format("{}: {}", line.place, line.complaint)}});
  }

  static void print(const std::string& text) {
    if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size()) fail("standard output: cannot be written to");
  }

  void write_record(const Json& json) {
    if (!json_) return;
    json_(records_++ == 0 ? "\n    " : ",\n    ");
    json_(json.dump());
  }

  const PredictOptions& options_;
  const Sink& json_;  // may be empty
  std::filesystem::path folder_;
  std::unique_ptr<Model> model_;
  Tokenizer tokenizer_;
  std::optional<bool> pairs_;
  bool values_ = false;
  std::vector<Line> waiting_;
  bool all_labelled_ = true;
  std::int64_t records_ = 0;
};

// A line is answered as soon as no other waits behind it.
void predict_lines(Predictor& predictor) {
  LineReader lines = LineReader::standard_input();
  std::string_view line;
  while (lines.next_unchecked(line)) {
    predictor.add(std::string(line), lines.place());
    if (!lines.is_ready()) predictor.finish();
  }
}

bool predict(const PredictOptions& options, const Sink& json) {
  Predictor predictor(options, json);
  for (std::size_t i = 0; i < options.texts.size(); ++i) predictor.add(options.texts[i], fmt::format("text {}", i + 1));
  if (options.texts.empty()) predict_lines(predictor);
  predictor.finish();
  return predictor.all_labelled();
}

}  // namespace

int run_predict(const PredictOptions& options) {
  use_threads(options.threads);
  bool all = true;
  if (options.json.empty()) {
    all = predict(options, {});
  } else {
    const std::string version = version_text();
    write_atomically(options.json, [&](const Sink& sink) {
      sink(fmt::format("{{\n  \"version\": 1,\n  \"writer\": {},\n  \"model\": {},\n  \"predictions\": [",
                       json_quoted(version.substr(0, version.find('\n'))), json_quoted(options.model)));
      all = predict(options, sink);
      sink("\n  ]\n}\n");
    });
  }
  return static_cast<int>(all ? ExitCode::done : ExitCode::failed);
}

}  // namespace dsd
