#include "core/config/reader.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>
#include <set>

#include "core/base/nearest.h"
#include "core/config/path.h"

namespace dsd {
namespace {

// Whether an unquoted word would be another type in YAML: text that looks so must say that it is meant as text.
std::optional<std::string_view> other_type(const Node& node) {
  if (node.quoted) return std::nullopt;
  if (node.scalar == "true" || node.scalar == "false") return "a truth value";
  double value = 0;
  const char* const end = node.scalar.data() + node.scalar.size();
  const auto result = std::from_chars(node.scalar.data(), end, value);
  if (result.ptr == end && result.ec == std::errc{}) return "a number";
  return std::nullopt;
}

class Reader {
 public:
  Reader(std::string_view whole, Diagnostics& faults) : whole_(whole), faults_(faults) {}

  // `place` is the mapping's key, or its beginning where it has none.
  void read_map(const Node& node, Mark place, const std::string& path, MapSlot& map) {
    if (node.kind != Node::Kind::map) return add(node.mark, "{} must be a mapping, got {}", name(path), describe(node));
    check_keys(node, place, path, map, {}, 0);
    read_fields(node, path, map);
  }

 private:
  void read_fields(const Node& node, const std::string& path, MapSlot& map) {
    for (auto& field : map.fields) {
      for (const auto& entry : node.entries) {
        if (entry.key != field.key) continue;
        read_value(entry.value, entry.mark, join_path(path, entry.key), field.slot, field.range, false);
        break;  // a second one is a fault of its own
      }
    }
  }

  // Doubled, unknown and missing keys. One slip gives one fault: a required key that is missing because it was misspelt
  // is told at the misspelt one. Unknown keys from before `replaced_by` (an override that changed the kind) are let go.
  void check_keys(const Node& node, Mark place, const std::string& path, const MapSlot& map,
                  std::vector<std::string_view> known, int replaced_by) {
    std::set<std::string_view> present;
    std::vector<const Node::Entry*> strangers;
    for (const auto& field : map.fields) known.push_back(field.key);
    for (const auto& entry : node.entries) {
      if (!present.insert(entry.key).second)
        add(entry.mark, "key '{}' is given twice in {}", clipped(entry.key), name(path));
      else if (std::ranges::find(known, entry.key) == known.end() && entry.mark.source >= replaced_by)
        strangers.push_back(&entry);
    }
    Keys keys{known, {}, {}};
    for (const auto& field : map.fields)
      if (field.range.required && !present.contains(field.key)) keys.missing.push_back(field.key);
    std::ranges::copy_if(known, std::back_inserter(keys.absent), [&](auto key) { return !present.contains(key); });
    for (const auto* stranger : strangers) report_stranger(*stranger, path, keys);
    for (const auto key : keys.missing) add(place, "{} needs '{}'", name(path), key);
  }

  struct Keys {
    std::vector<std::string_view> known, absent, missing;
  };

  void report_stranger(const Node::Entry& entry, const std::string& path, Keys& keys) {
    auto meant = nearest(entry.key, keys.absent);
    if (!meant) meant = nearest(entry.key, keys.known);
    const std::string key = clipped(entry.key);
    if (meant) {
      add(entry.mark, "unknown key '{}' in {}; did you mean '{}'?", key, name(path), *meant);
      std::erase(keys.missing, *meant);
    } else if (!keys.missing.empty()) {
      add(entry.mark, "unknown key '{}' in {}, which needs '{}'; expected one of: {}", key, name(path), keys.missing[0],
          fmt::join(keys.known, ", "));
      keys.missing.erase(keys.missing.begin());
    } else {
      add(entry.mark, "unknown key '{}' in {}; expected one of: {}", key, name(path), fmt::join(keys.known, ", "));
    }
  }

  void read_value(const Node& node, Mark place, const std::string& path, Slot& slot, const Range& range, bool in_list) {
    std::visit([&](auto& typed) { read(node, place, path, typed, range, in_list); }, slot);
  }

  void read(const Node& node, Mark place, const std::string& path, MapSlot& map, const Range&, bool) {
    read_map(node, place, path, map);
  }

  void read(const Node& node, Mark place, const std::string& path, ChoiceSlot& choice, const Range& range, bool) {
    const auto kinds = choice.type->kinds;
    if (node.kind != Node::Kind::map)
      return add(node.mark, "{} must be a mapping with a 'kind' ({}), got {}", name(path), fmt::join(kinds, ", "),
                 describe(node));
    MapSlot fields;
    int replaced_by = 0;
    if (const Node* kind = node.find("kind")) {
      const auto found = kind->kind == Node::Kind::scalar ? std::ranges::find(kinds, kind->scalar) : kinds.end();
      if (found == kinds.end()) {
        const std::string given = kind->kind == Node::Kind::scalar ? clipped(kind->scalar) : describe(*kind);
        return add(kind->mark, "unknown kind '{}' for {}{}", given, name(path), suggestion(given, kinds));
      }
      fields = choice.type->emplace(choice.value, static_cast<std::size_t>(found - kinds.begin()));
      replaced_by = kind->mark.source;
    } else if (range.required) {  // nothing holds by default
      return report_no_kind(node, place, path, kinds);
    } else {
      fields = choice.type->fields(choice.value);
    }
    check_keys(node, place, path, fields, {"kind"}, replaced_by);
    read_fields(node, path, fields);
  }

  void report_no_kind(const Node& node, Mark place, const std::string& path, std::span<const std::string_view> kinds) {
    constexpr std::array<std::string_view, 1> wanted{"kind"};
    for (const auto& entry : node.entries)
      if (nearest(entry.key, wanted))
        return add(entry.mark, "unknown key '{}' in {}; did you mean 'kind'?", clipped(entry.key), name(path));
    add(place, "{} needs a 'kind', one of: {}", name(path), fmt::join(kinds, ", "));
  }

  void read(const Node& node, Mark, const std::string& path, ListSlot& list, const Range& range, bool) {
    if (node.kind != Node::Kind::list) return add(node.mark, "{} must be a list, got {}", name(path), describe(node));
    list.type->clear(list.value);
    for (std::size_t i = 0; i < node.items.size(); ++i) {
      Slot item = list.type->append(list.value);
      read_value(node.items[i], node.items[i].mark, fmt::format("{}[{}]", path, i), item, range, true);
    }
  }

  void read(const Node& node, Mark place, const std::string& path, OptionalSlot& optional, const Range& range, bool) {
    if (node.kind == Node::Kind::null) return optional.type->reset(optional.value);
    const bool held = optional.type->has(optional.value);
    Slot inner = held ? optional.type->get(optional.value) : optional.type->emplace(optional.value);
    Range inside = range;
    inside.required = !held;
    read_value(node, place, path, inner, inside, false);
  }

  void read(const Node& node, Mark, const std::string& path, EnumSlot& named, const Range&, bool) {
    const auto names = named.type->names;
    if (node.kind != Node::Kind::scalar)
      return add(node.mark, "{} must be one of {}, got {}", name(path), fmt::join(names, ", "), describe(node));
    const auto found = std::ranges::find(names, node.scalar);
    if (found == names.end())
      return add(node.mark, "{} is '{}'{}", name(path), clipped(node.scalar), suggestion(node.scalar, names));
    named.type->set(named.value, static_cast<std::size_t>(found - names.begin()));
  }

  // A name in a list (labels 0 and 1) and on the command line is text without quotes; elsewhere a number is a slip.
  void read(const Node& node, Mark, const std::string& path, std::string* out, const Range&, bool in_list) {
    if (node.kind != Node::Kind::scalar) return add(node.mark, "{} must be text, got {}", name(path), describe(node));
    if (node.scalar.empty()) return add(node.mark, "{} must not be empty", name(path));
    if (!in_list && node.mark.source == 0)
      if (const auto other = other_type(node))
        return add(node.mark, "{} must be text, got {}: {}; put it in quotes if it is meant", name(path), *other,
                   clipped(node.scalar));
    *out = node.scalar;
  }

  void read(const Node& node, Mark, const std::string& path, bool* out, const Range&, bool) {
    const bool plain = node.kind == Node::Kind::scalar && !node.quoted;
    if (!plain || (node.scalar != "true" && node.scalar != "false"))
      return add(node.mark, "{} must be true or false, got {}", name(path), describe(node));
    *out = node.scalar == "true";
  }

  void read(const Node& node, Mark, const std::string& path, double* out, const Range& range, bool) {
    read_number(node, path, out, range, "a number");
  }

  void read(const Node& node, Mark, const std::string& path, std::int64_t* out, const Range& range, bool) {
    read_number(node, path, out, range, "a whole number");
  }

  template <class T>
  void read_number(const Node& node, const std::string& path, T* out, const Range& range, std::string_view wanted) {
    T value{};
    std::string_view text = node.scalar;
    if (text.starts_with('+') && !text.starts_with("+-")) text.remove_prefix(1);  // from_chars takes no plus
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    const bool whole = node.kind == Node::Kind::scalar && !node.quoted && end == text.data() + text.size();
    if (whole && error == std::errc::result_out_of_range)
      return add(node.mark, "{} is {}, which does not fit into 64 bits", name(path), clipped(node.scalar));
    if (!whole || error != std::errc{} || !std::isfinite(static_cast<double>(value)))
      return add(node.mark, "{} must be {}, got {}", name(path), wanted, describe(node));
    const auto number = static_cast<double>(value);
    if (number < range.min || (range.open_min && number == range.min))
      return add(node.mark, "{} must be {} {}, got {}", name(path), range.open_min ? ">" : ">=", range.min,
                 node.scalar);
    if (number > range.max) return add(node.mark, "{} must be <= {}, got {}", name(path), range.max, node.scalar);
    *out = value;
  }

  template <class... Args>
  void add(Mark mark, fmt::format_string<Args...> format, Args&&... args) {
    faults_.add(mark, fmt::format(format, std::forward<Args>(args)...));
  }

  std::string name(const std::string& path) const { return path.empty() ? whole_ : fmt::format("'{}'", path); }

  std::string whole_;
  Diagnostics& faults_;
};

}  // namespace

void read_tree(const Node& root, MapSlot fields, std::string_view whole, Diagnostics& faults) {
  Reader(whole, faults).read_map(root, root.mark, "", fields);
}

Mark place_of(const Node& root, std::string_view path) {
  Mark mark = root.mark;
  const Node* node = &root;
  for (const auto& part : split_path(path)) {
    const Node* next = nullptr;
    Mark key_mark = mark;
    if (part.index) {
      if (*part.index < node->items.size()) next = &node->items[*part.index], key_mark = next->mark;
    } else {
      for (const auto& entry : node->entries)
        if (entry.key == part.key && !next) next = &entry.value, key_mark = entry.mark;
    }
    if (!next) return mark;
    node = next;
    mark = next->kind == Node::Kind::map ? key_mark : next->mark;
  }
  return mark;
}

}  // namespace dsd
