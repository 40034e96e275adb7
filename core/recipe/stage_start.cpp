#include "core/recipe/stage_start.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "core/base/nearest.h"

namespace dsd {
namespace {

constexpr std::array<std::string_view, 4> kWords{"student", "previous", "teacher_layers", "random"};

}  // namespace

std::optional<GrammarFault> StageStart::read(std::string_view text, const Range&) {
  for (std::size_t i = 0; i < kWords.size(); ++i) {
    if (text != kWords[i]) continue;
    *this = {.kind = static_cast<Kind>(i), .folder = {}};
    return std::nullopt;
  }
  if (text.find('/') != std::string_view::npos) {
    *this = {.kind = Kind::folder, .folder = std::string(text)};
    return std::nullopt;
  }
  const auto meant = nearest(text, kWords);
  return GrammarFault{0, meant ? fmt::format("is '{}'; did you mean '{}'?", text, *meant)
                               : fmt::format("is '{}'; expected one of: {}, or a folder's path, which has a '/'", text,
                                             fmt::join(kWords, ", "))};
}

std::string StageStart::text() const {
  return kind == Kind::folder ? folder : std::string(kWords.at(static_cast<std::size_t>(kind)));
}

}  // namespace dsd
