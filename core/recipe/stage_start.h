#pragma once
// Where the weights of a stage's student come from.

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "core/config/fields.h"

namespace dsd {

struct StageStart {
  enum class Kind { student, previous, teacher_layers, random, folder } kind = Kind::student;
  std::string folder;

  static constexpr std::array<std::pair<std::string_view, std::string_view>, 5> forms{
      {{"student", "as 'student' says: its path, its preset or the teacher's layers"},
       {"previous", "the student of the stage before: its layers, or those that 'student.from_layers' names"},
       {"teacher_layers", "layers of the stage's teacher"},
       {"random", "random weights, in the sizes of 'student'"},
       {"./folder", "a model or run folder; its path has a '/'"}}};
  static constexpr Grammar grammar{.name = "start", .example = "previous", .forms = forms};
  std::optional<GrammarFault> read(std::string_view text, const Range& range);
  std::string text() const;
  bool operator==(const StageStart&) const = default;
};

}  // namespace dsd
