#include "core/config/explanation.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>
#include <map>

#include "core/base/error.h"
#include "core/base/nearest.h"
#include "core/config/path.h"
#include "core/config/writer.h"

namespace dsd {
namespace {

std::string bound_text(double bound, bool whole) {
  return whole ? fmt::format("{}", static_cast<std::int64_t>(bound)) : fmt::format("{}", bound);
}

std::string range_text(const Range& range, bool whole) {
  const bool low = std::isfinite(range.min), high = std::isfinite(range.max);
  const std::string least = low ? bound_text(range.min, whole) : "", most = high ? bound_text(range.max, whole) : "";
  if (low && high && !range.open_min) return fmt::format(" from {} to {}", least, most);
  if (low && high) return fmt::format(" above {}, at most {}", least, most);
  if (low) return fmt::format(" {} {}", range.open_min ? ">" : ">=", least);
  return high ? fmt::format(" <= {}", most) : "";
}

// A value that a null optional or an empty list would hold, kept alive by `owner`.
struct Sample {
  std::shared_ptr<void> owner;
  Slot slot;
};
Sample sample_of(const OptionalSlot& optional) {
  auto owner = optional.type->fresh();
  return {owner, optional.type->emplace(owner.get())};
}
Sample sample_of(const ListSlot& list) {
  auto owner = list.type->fresh();
  return {owner, list.type->append(owner.get())};
}

std::string type_text(const Slot& slot, const Range& range);

std::string choice_text(const ChoiceSlot& choice) {
  const std::string kinds =
      fmt::format("mapping with a {} ({})", choice.type->told_by, fmt::join(choice.type->kinds, ", "));
  if (choice.type->shorthand == choice.type->kinds.size()) return kinds;
  const auto owner = choice.type->fresh();
  const Field only = choice.type->emplace(owner.get(), choice.type->shorthand).fields.at(0);
  return type_text(only.slot, only.range) + " or " + kinds;
}

std::string type_text(const Slot& slot, const Range& range) {
  if (std::holds_alternative<bool*>(slot)) return "true or false";
  if (std::holds_alternative<std::int64_t*>(slot)) return "whole number" + range_text(range, true);
  if (std::holds_alternative<double*>(slot)) return "number" + range_text(range, false);
  if (std::holds_alternative<std::string*>(slot)) return "text";
  if (const auto* own = std::get_if<GrammarSlot>(&slot))
    return std::string(own->type->grammar->name) + range_text(range, false);
  if (const auto* named = std::get_if<EnumSlot>(&slot)) return fmt::format("{}", fmt::join(named->type->names, " or "));
  if (const auto* optional = std::get_if<OptionalSlot>(&slot))
    return type_text(sample_of(*optional).slot, range) + " or null";
  if (const auto* list = std::get_if<ListSlot>(&slot)) return "list of " + type_text(sample_of(*list).slot, range);
  if (const auto* choice = std::get_if<ChoiceSlot>(&slot)) return choice_text(*choice);
  if (const auto* owners = std::get_if<OwnersSlot>(&slot)) {
    const auto keys = owners->type->fresh();
    return "list of mapping, or " + type_text(owners->type->instead(keys.get()), any);
  }
  return "mapping";
}

class Explainer {
 public:
  explicit Explainer(std::string wanted) : wanted_(std::move(wanted)) {}

  // Plain keys before mappings, so that a heading never stands over a key that is not below it.
  void map(const MapSlot& slots, const std::string& path, int indent) {
    for (const bool sections : {false, true})
      for (const auto& field : slots.fields)
        if (std::holds_alternative<MapSlot>(field.slot) == sections) explain(field, join_path(path, field.key), indent);
  }

  std::string out;
  std::vector<std::string> all_paths;

 private:
  bool is_shown(const std::string& path) const {
    return wanted_.empty() || path == wanted_ || path.starts_with(wanted_ + ".") || path.starts_with(wanted_ + "[");
  }

  void explain(const Field& field, const std::string& path, int indent) {
    all_paths.push_back(path);
    const auto* fields = std::get_if<MapSlot>(&field.slot);
    if (is_shown(path)) {
      if (fields) section(field, path);
      else line(field, path, indent);
    }
    inside(field.slot, path, indent);
  }

  void section(const Field& field, const std::string& path) {
    out += fmt::format("{}## {}{}\n\n{}\n\n", out.empty() ? "" : "\n", path, field.range.required ? " (required)" : "",
                       field.help);
  }

  void line(const Field& field, const std::string& path, int indent) {
    const std::string holds = field.range.required ? "required" : "default " + write_inline(field.slot);
    out += fmt::format("{:{}}- `{}`: {}. {}; {}.\n", "", indent, path, field.help, type_text(field.slot, field.range),
                       holds);
  }

  // What stands below a key: a struct's keys, a choice's alternatives, the same of an optional or a list.
  void inside(const Slot& slot, const std::string& path, int indent) {
    if (const auto* fields = std::get_if<MapSlot>(&slot)) {
      map(*fields, path, indent);
    } else if (const auto* choice = std::get_if<ChoiceSlot>(&slot)) {
      alternatives(*choice, path, indent + 2);
    } else if (const auto* own = std::get_if<GrammarSlot>(&slot)) {
      if (is_shown(path)) forms(*own->type, path, indent + 2);
    } else if (const auto* optional = std::get_if<OptionalSlot>(&slot)) {
      const Sample sample = sample_of(*optional);
      inside(sample.slot, path, indent);
    } else if (const auto* list = std::get_if<ListSlot>(&slot)) {
      const Sample sample = sample_of(*list);
      inside(sample.slot, path + "[]", indent);
    } else if (const auto* owners = std::get_if<OwnersSlot>(&slot)) {
      const auto keys = owners->type->fresh();
      map(owners->type->element(keys.get()), path + "[]", indent + 2);
      inside(owners->type->instead(keys.get()), path, indent);
    }
  }

  // What several keys share is told at the first that is shown, and the others say where.
  bool told_before(const void* type, std::string_view what, const std::string& path, int indent) {
    const auto [told, first] = told_.emplace(type, path);
    if (!first) out += fmt::format("{:{}}- {} as for `{}`\n", "", indent, what, told->second);
    return !first;
  }

  void forms(const GrammarType& type, const std::string& path, int indent) {
    if (told_before(&type, type.grammar->name, path, indent)) return;
    for (const auto& [form, meaning] : type.grammar->forms)
      out += fmt::format("{:{}}- `{}`: {}\n", "", indent, form, meaning);
  }

  void alternatives(const ChoiceSlot& choice, const std::string& path, int indent) {
    if (is_shown(path) && told_before(choice.type, "kinds and their keys", path, indent)) return;
    // Alternatives are seen in a value of their own, made anew for each: the default must stay as it is.
    for (std::size_t i = 0; i < choice.type->kinds.size(); ++i) {
      const auto owner = choice.type->fresh();
      const MapSlot fields = choice.type->emplace(owner.get(), i);
      if (is_shown(path))
        out += fmt::format("{:{}}- {} `{}`{}\n", "", indent, choice.type->told_by, choice.type->kinds[i],
                           fields.fields.empty() ? ": no keys" : "");
      map(fields, path, indent + 2);
    }
  }

  std::string wanted_;
  std::map<const void*, std::string> told_;
};

}  // namespace

std::string explain_tree(MapSlot defaults, std::string_view key) {
  Explainer explainer{std::string(key)};
  explainer.map(defaults, "", 0);
  if (!explainer.out.empty()) return explainer.out;
  const std::vector<std::string_view> known(explainer.all_paths.begin(), explainer.all_paths.end());
  const auto near = nearest(key, known);
  fail_as(ExitCode::bad_input, "there is no key '{}'{}", key,
          near ? fmt::format("; did you mean '{}'?", *near) : "; `recipe explain` alone lists them all");
}

}  // namespace dsd
