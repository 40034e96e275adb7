#include "losses/feature_loss.h"

#include <ATen/ATen.h>

#include "core/base/error.h"

namespace dsd {
namespace {

bool of_attention(Site::Kind kind) {
  return kind == Site::Kind::query || kind == Site::Kind::key || kind == Site::Kind::value;
}

Site site_of(Site::Kind kind, std::int64_t layer) {
  return {.kind = kind, .layer = static_cast<int>(of_attention(kind) ? layer - 1 : layer)};
}

Wanted wanted_of(std::span<const FeatureLoss::Match> matches, Site FeatureLoss::Match::*side) {
  Wanted wanted{.heads = false, .sites = {}};
  for (const auto& match : matches)
    if (!wanted.contains(match.*side)) wanted.sites.push_back(match.*side);
  return wanted;
}

}  // namespace

Wanted FeatureLoss::student_wants() const { return wanted_of(matches_, &Match::student); }
Wanted FeatureLoss::teacher_wants() const { return wanted_of(matches_, &Match::teacher); }

double FeatureLoss::count(const Batch& batch) const { return token_count(batch); }

FeatureLoss::States FeatureLoss::states(const LossInput& input, const Match& match) const {
  if (input.teachers.empty()) fail("{} needs a teacher", name());
  Tensor student = input.student[0].at(match.student);
  if (at::isReducedFloatingType(student.scalar_type())) student = student.to(at::kFloat);
  const Tensor& teacher = input.teachers[0].at(match.teacher);
  return {student, teacher.to(student.device(), student.scalar_type())};
}

void FeatureLoss::look(const LossInput& input) {
  for (std::size_t i = 0; i < matches_.size(); ++i) {
    const auto [student, teacher] = states(input, matches_[i]);
    moments_[i].add(student, teacher);
  }
}

void FeatureLoss::start() {
  similarity_.clear();
  for (const Moments& moments : moments_) similarity_.push_back(moments.similarity());
  start_from(moments_);
  moments_.assign(matches_.size(), {});
}

std::vector<std::string> FeatureLoss::matches_text() const {
  std::vector<std::string> lines;
  for (std::size_t i = 0; i < matches_.size(); ++i) {
    const Match& match = matches_[i];
    std::string line =
        fmt::format("{}: student's {} [T, {}] with teacher's {} [T, {}]{}", name(), name_of(match.student),
                    match.student_width, name_of(match.teacher), match.teacher_width, note(i));
    if (!similarity_.empty()) line += fmt::format("; linear CKA {:.3f}", similarity_[i]);
    lines.push_back(std::move(line));
  }
  return lines;
}

std::vector<FeatureLoss::Match> matches_of(Site::Kind kind, std::span<const LayerPair> pairs, const ModelShapes& shapes,
                                           std::string_view loss) {
  std::vector<FeatureLoss::Match> matches;
  for (const LayerPair& pair : pairs) {
    if (of_attention(kind) && (pair.student == 0 || pair.teacher == 0))
      fail_as(ExitCode::bad_input,
              "losses.features: {} compares attention, and layer 0, what enters the first layer, has none", loss);
    matches.push_back({.layers = pair,
                       .student = site_of(kind, pair.student),
                       .teacher = site_of(kind, pair.teacher),
                       .student_width = shapes.student.width(kind),
                       .teacher_width = shapes.teacher.width(kind)});
  }
  return matches;
}

double token_count(const Batch& batch) { return static_cast<double>(batch.streams.at(0).tokens()); }
double sequence_count(const Batch& batch) { return static_cast<double>(batch.streams.at(0).count()); }

Tensor sequence_of_tokens(const Batch& batch, at::Device device) {
  const Tensor& offsets = batch.streams.at(0).offsets;
  return at::repeat_interleave((offsets.slice(0, 1) - offsets.slice(0, 0, -1)).to(at::kLong)).to(device);
}

}  // namespace dsd
