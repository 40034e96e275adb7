#include "core/train/trainer.h"

#include <chrono>
#include <cmath>

#include "core/base/error.h"

namespace dsd {
namespace {

class Stopwatch {
 public:
  double seconds() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count(); }

 private:
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

}  // namespace

Trainer::Trainer(TrainerParts parts)
    : parts_(std::move(parts)),
      student_wants_(parts_.objective->student_wants()),
      teacher_wants_(parts_.objective->teacher_wants()) {
  if (parts_.adversary) perturbed_.emplace(*parts_.adversary, *parts_.student, *parts_.objective, parts_.teacher);
}

TrainResult Trainer::run(const std::optional<CheckpointMeta>& start) {
  if (start) {
    result_.steps = saved_at_ = scored_at_ = start->step;
    result_.best_score = start->best_score;
    result_.best_step = start->best_step;
    plateau_score_ = start->plateau_score;
    plateau_evaluations_ = start->plateau_evaluations;
    result_.on_plateau = parts_.settings.plateau && plateau_evaluations_ >= parts_.settings.plateau->evaluations;
  }
  while (result_.steps < parts_.steps && !result_.on_plateau) {
    const StepLine line = train_step(result_.steps);
    ++result_.steps;
    after_step(line);
    if (parts_.stop && parts_.stop->received() != 0) {
      result_.signal = parts_.stop->received();
      save_now();
      return result_;
    }
    const std::int64_t eval_every = parts_.eval.every.value_or(parts_.plan->steps_per_epoch());
    if (due(eval_every)) evaluate_now();
    if (due(parts_.settings.save_every.value_or(eval_every))) save_now();
  }
  evaluate_now();
  save_now();  // on a plateau too: a resumed run ends where this one did
  return result_;
}

StepLine Trainer::train_step(std::int64_t index) {
  const Stopwatch watch;
  const Progress progress{.step = index, .steps = parts_.steps};
  StepLine line{.step = index + 1, .steps = parts_.steps};
  line.epoch = static_cast<double>(line.step) / static_cast<double>(parts_.plan->steps_per_epoch());
  line.learning_rate = parts_.settings.learning_rate * value(parts_.learning_rate, progress);
  auto batches = batches_of(index);
  for (const auto& batch : batches) {
    line.examples += batch.streams[0].count();
    line.tokens += batch.streams[0].tokens();
  }
  parts_.objective->begin_step(batches, progress);
  line.loss = backward(batches, progress, &line.parts);
  line.temperature = parts_.objective->temperature();
  line.gradient_norm = parts_.optimiser->gradient_norm();
  line.applied = std::isfinite(line.loss) && std::isfinite(line.gradient_norm);
  if (line.applied) {
    parts_.optimiser->step(line.learning_rate, line.gradient_norm, parts_.settings.clip_norm);
    parts_.objective->after_step();
  } else {
    parts_.optimiser->skip();
  }
  line.seconds = watch.seconds();
  return line;
}

std::vector<Batch> Trainer::batches_of(std::int64_t index) {
  const auto examples = parts_.plan->step(index);
  std::vector<Batch> batches;
  for (const auto piece : micro_batches(*parts_.data, examples, parts_.settings.tokens, parts_.pool)) {
    batches.push_back(make_batch(*parts_.data, piece, parts_.kind, piece.data() - examples.data()));
    if (parts_.pool > 1) batches.back().pools = pool_bounds(std::ssize(piece), parts_.pool);
  }
  return batches;
}

double Trainer::backward(std::vector<Batch>& batches, Progress progress, std::vector<PartReport>* parts) {
  const bool with_teacher = parts_.teacher && parts_.objective->needs_teacher(progress);
  const auto key = [&](Purpose purpose) {
    return RandomKey{.seed = parts_.seed, .purpose = purpose, .step = static_cast<std::uint32_t>(progress.step)};
  };
  const Pass pass{.train = true, .embeddings = {}, .dropout = key(Purpose::dropout)};
  if (perturbed_) perturbed_->begin_step(progress, key(Purpose::adversary));
  for (auto& batch : batches) {
    std::vector<TeacherOutputs> teachers;
    if (with_teacher) teachers.push_back(parts_.teacher->outputs(batch, teacher_wants_));
    parts_.optimiser->prepare(batch);
    if (perturbed_) perturbed_->backward(batch, teachers, student_wants_, teacher_wants_, pass);
    else backward_of(batch, teachers, pass);
    batch = {};  // its tensors are not needed any more
  }
  const double objective = parts_.objective->finish_step(parts);
  return perturbed_ ? perturbed_->report(objective, parts) : objective;
}

void Trainer::backward_of(const Batch& batch, std::span<const TeacherOutputs> teachers, const Pass& pass) {
  const Outputs outputs = parts_.student->forward(batch, student_wants_, pass);
  const Tensor objective = parts_.objective->add({&outputs, 1}, teachers, batch);
  if (!objective.defined()) return;
  if (!objective.requires_grad())
    fail_as(ExitCode::bad_input, "no weight that is trained reaches a loss: 'student.freeze' leaves only others");
  objective.backward();
}

void Trainer::after_step(const StepLine& line) {
  result_.examples += line.examples;
  result_.tokens += line.tokens;
  result_.seconds += line.seconds;
  if (parts_.log) parts_.log->step(line);
  if (parts_.console) parts_.console->step(line);
  if (line.applied) {
    bad_in_a_row_ = 0;
    return;
  }
  ++result_.skipped_steps;
  if (++bad_in_a_row_ >= parts_.settings.bad_steps)
    fail_as(
        ExitCode::diverged,
        "step {}: the loss or its gradient was not finite for {} steps in a row (loss {}, gradient norm {}); {}. Lower "
        "train.learning_rate",
        line.step, bad_in_a_row_, line.loss, line.gradient_norm,
        saved_at_ > 0 ? fmt::format("the last good checkpoint is that of step {}", saved_at_)
                      : "no checkpoint had been saved");
}

void Trainer::evaluate_now() {
  if (!parts_.evaluate || scored_at_ == result_.steps) return;
  parts_.optimiser->flush();
  const Scored scored = parts_.evaluate();
  scored_at_ = result_.steps;
  result_.last = scored;
  // A score that is not a number is never the best; a first one that is, always.
  const bool best = !scored.empty() && !std::isnan(scored.front().second) &&
                    (!result_.best_score || gains(scored.front().second, *result_.best_score, 0));
  if (best) {
    result_.best_score = scored.front().second;
    result_.best_step = result_.steps;
  }
  if (parts_.log) parts_.log->scored(result_.steps, scored, best);
  if (parts_.console) parts_.console->scored(result_.steps, scored, best);
  if (best && parts_.save_best) parts_.save_best();
  watch_plateau(scored);
}

bool Trainer::gains(double score, double before, double least) const {
  const double gain = parts_.lower_is_better ? before - score : score - before;
  return gain > 0 && gain >= least;
}

// Small gains add up: each is measured from the last score that counted.
void Trainer::watch_plateau(const Scored& scored) {
  const auto& plateau = parts_.settings.plateau;
  if (!plateau || scored.empty()) return;
  const double score = scored.front().second;
  if (!std::isnan(score) && (!plateau_score_ || gains(score, *plateau_score_, plateau->min_gain))) {
    plateau_score_ = score;
    plateau_evaluations_ = 0;
  } else if (++plateau_evaluations_ >= plateau->evaluations) {
    result_.on_plateau = true;
  }
}

void Trainer::save_now() {
  // A checkpoint amid bad steps would keep what is about to be given up.
  if (!parts_.save || saved_at_ == result_.steps || bad_in_a_row_ > 0) return;
  parts_.optimiser->flush();
  parts_.save(CheckpointMeta{.step = result_.steps,
                             .store_length = parts_.store ? parts_.store->length() : 0,
                             .best_score = result_.best_score,
                             .best_step = result_.best_step,
                             .plateau_score = plateau_score_,
                             .plateau_evaluations = plateau_evaluations_});
  saved_at_ = result_.steps;
}

}  // namespace dsd
