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

// A value on its way into a slot: where it stands, its key path, and what its field allows.
struct Value {
  const Node& node;
  Mark key;  // of its key, or of itself in a list
  std::string path;
  Range range;
  bool in_list = false;
  bool inherits = false;  // what it does not name is there already, so that no key is required
};

class Reader {
 public:
  Reader(std::string_view whole, Diagnostics& faults) : whole_(whole), faults_(faults) {}

  void read(const Value& value, MapSlot& map) {
    if (value.node.kind != Node::Kind::map) return add_wrong(value, "a mapping");
    check_keys(value, map, {}, 0);
    read_fields(value, map);
  }

  void read(const Value& value, ChoiceSlot& choice) { read_choice(value, choice); }

 private:
  void read_fields(const Value& value, MapSlot& map) {
    for (auto& field : map.fields) {
      for (const auto& entry : value.node.entries) {
        if (entry.key != field.key) continue;
        read_slot({entry.value, entry.mark, join_path(value.path, entry.key), field.range, false, value.inherits},
                  field.slot);
        break;  // a second one is a fault of its own
      }
    }
  }

  struct Keys {
    std::vector<std::string_view> known, absent, missing;
  };

  // Doubled, unknown and missing keys. One slip gives one fault: a required key that is missing because it was misspelt
  // is told at the misspelt one. Unknown keys from before `replaced_by` (an override that changed the kind) are let go.
  void check_keys(const Value& value, const MapSlot& map, std::vector<std::string_view> known, int replaced_by) {
    std::set<std::string_view> present;
    std::vector<const Node::Entry*> strangers;
    for (const auto& field : map.fields) known.push_back(field.key);
    for (const auto& entry : value.node.entries) {
      if (!present.insert(entry.key).second)
        add(entry.mark, "key '{}' is given twice in {}", clipped(entry.key), name(value.path));
      else if (std::ranges::find(known, entry.key) == known.end() && entry.mark.source >= replaced_by)
        strangers.push_back(&entry);
    }
    Keys keys{known, {}, {}};
    for (const auto& field : map.fields)
      if (field.range.required && !value.inherits && !present.contains(field.key)) keys.missing.push_back(field.key);
    std::ranges::copy_if(known, std::back_inserter(keys.absent), [&](auto key) { return !present.contains(key); });
    for (const auto* stranger : strangers) add_stranger(*stranger, value.path, keys);
    for (const auto key : keys.missing) add(value.key, "{} needs '{}'", name(value.path), key);
  }

  void add_stranger(const Node::Entry& entry, const std::string& path, Keys& keys) {
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

  void read_slot(const Value& value, Slot& slot) {
    std::visit([&](auto& typed) { read(value, typed); }, slot);
  }

  void read_choice(const Value& value, ChoiceSlot& choice) {
    const auto kinds = choice.type->kinds;
    if (value.node.kind == Node::Kind::scalar && choice.type->shorthand < kinds.size()) {
      Field only = choice.type->emplace(choice.value, choice.type->shorthand).fields.at(0);
      return read_slot({value.node, value.key, value.path, only.range}, only.slot);
    }
    if (value.node.kind != Node::Kind::map)
      return add_wrong(value, fmt::format("a mapping with a '{}' ({})", choice.type->told_by, fmt::join(kinds, ", ")));
    MapSlot fields;
    int replaced_by = 0;
    const auto given = std::ranges::find(value.node.entries, choice.type->told_by, &Node::Entry::key);
    if (given != value.node.entries.end()) {
      const Value kind{given->value, given->mark, join_path(value.path, choice.type->told_by), any};
      const auto index = name_index(kind, kinds);
      if (!index) return;
      fields = choice.type->emplace(choice.value, *index);
      replaced_by = given->mark.source;
    } else if (value.range.required) {  // nothing holds by default
      return add_no_kind(value, choice);
    } else {
      fields = choice.type->fields(choice.value);
    }
    check_keys(value, fields, {choice.type->told_by}, replaced_by);
    read_fields(value, fields);
  }

  // A key that no alternative has is taken for the misspelt kind.
  void add_no_kind(const Value& value, const ChoiceSlot& choice) {
    const std::string kinds = fmt::format("{}", fmt::join(choice.type->kinds, ", "));
    std::set<std::string_view> known;
    const auto sample = choice.type->fresh();
    for (std::size_t i = 0; i < choice.type->kinds.size(); ++i)
      for (const auto& field : choice.type->emplace(sample.get(), i).fields) known.insert(field.key);
    for (const auto& entry : value.node.entries)
      if (!known.contains(entry.key))
        return add(entry.mark, "unknown key '{}' in {}, which needs a '{}', one of: {}", clipped(entry.key),
                   name(value.path), choice.type->told_by, kinds);
    add(value.key, "{} needs a '{}', one of: {}", name(value.path), choice.type->told_by, kinds);
  }

  void read(const Value&, OwnersSlot&) {}

  void read(const Value& value, ListSlot& list) {
    if (value.node.kind != Node::Kind::list) return add_wrong(value, "a list");
    list.type->clear(list.value);
    for (std::size_t i = 0; i < value.node.items.size(); ++i) {
      const Node& item = value.node.items[i];
      Slot slot = list.type->append(list.value);
      read_slot({item, item.mark, fmt::format("{}[{}]", value.path, i), value.range, true}, slot);
    }
  }

  void read(const Value& value, OptionalSlot& optional) {
    if (value.node.kind == Node::Kind::null) return optional.type->reset(optional.value);
    const bool held = optional.type->has(optional.value);
    Slot slot = held ? optional.type->get(optional.value) : optional.type->emplace(optional.value);
    Value inside = value;
    inside.range.required = !held;  // a choice in it then needs its kind
    inside.inherits = held && value.inherits;
    read_slot(inside, slot);
  }

  // A number in quotes is text here as elsewhere.
  void read(const Value& value, GrammarSlot& own) {
    const Grammar& grammar = *own.type->grammar;
    const Node& node = value.node;
    const std::string wanted = fmt::format("a {} ({})", grammar.name, grammar.example);
    if (node.kind != Node::Kind::scalar || (node.quoted && reads_as_number(node.scalar)))
      return add_wrong(value, wanted);
    const auto fault = own.type->read(own.value, node.scalar, value.range);
    if (!fault) return;
    if (fault->text.empty()) return add_wrong(value, wanted);
    if (fault->column == 0) return add(node.mark, "{} {}", name(value.path), fault->text);
    add(node.mark, "{} is '{}': column {} {}", name(value.path), clipped(node.scalar), fault->column, fault->text);
  }

  void read(const Value& value, EnumSlot& named) {
    if (const auto index = name_index(value, named.type->names)) named.type->set(named.value, *index);
  }

  std::optional<std::size_t> name_index(const Value& value, std::span<const std::string_view> names) {
    if (value.node.kind != Node::Kind::scalar) {
      add_wrong(value, fmt::format("one of {}", fmt::join(names, ", ")));
      return std::nullopt;
    }
    const auto found = std::ranges::find(names, value.node.scalar);
    if (found != names.end()) return static_cast<std::size_t>(found - names.begin());
    add(value.node.mark, "{} is '{}'{}", name(value.path), clipped(value.node.scalar),
        suggestion(value.node.scalar, names));
    return std::nullopt;
  }

  // A name in a list (labels 0 and 1) and on the command line is text without quotes; elsewhere a number is a slip.
  void read(const Value& value, std::string* out) {
    const Node& node = value.node;
    if (node.kind != Node::Kind::scalar) return add_wrong(value, "text");
    if (node.scalar.empty()) return add(node.mark, "{} must not be empty", name(value.path));
    if (!value.in_list && node.mark.source == 0)
      if (const auto other = other_type(node))
        return add(node.mark, "{} must be text, got {}: {}; put it in quotes if it is meant", name(value.path), *other,
                   clipped(node.scalar));
    *out = node.scalar;
  }

  void read(const Value& value, bool* out) {
    const bool plain = value.node.kind == Node::Kind::scalar && !value.node.quoted;
    if (!plain || (value.node.scalar != "true" && value.node.scalar != "false"))
      return add_wrong(value, "true or false");
    *out = value.node.scalar == "true";
  }

  void read(const Value& value, double* out) { read_number(value, out, "a number"); }

  void read(const Value& value, std::int64_t* out) { read_number(value, out, "a whole number"); }

  template <class T>
  void read_number(const Value& value, T* out, std::string_view wanted) {
    T read{};
    std::string_view text = value.node.scalar;
    if (text.starts_with('+') && !text.starts_with("+-")) text.remove_prefix(1);  // from_chars takes no plus
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), read);
    const bool whole = !value.node.quoted && !text.empty() && end == text.data() + text.size();
    const std::string shown = clipped(value.node.scalar);
    if (whole && error == std::errc::result_out_of_range)
      return add(value.node.mark, "{} is {}, which does not fit into 64 bits", name(value.path), shown);
    if (!whole || error != std::errc{} || !std::isfinite(static_cast<double>(read))) return add_wrong(value, wanted);
    const auto number = static_cast<double>(read);
    if (const auto fault = range_fault(value.range, number, shown))
      return add(value.node.mark, "{} {}", name(value.path), *fault);
    *out = read;
  }

  // A wrong value is told where it stands, or at its key when it only begins on a later line.
  void add_wrong(const Value& value, std::string_view wanted) {
    const Mark& mark = value.node.mark;
    add(mark.line == value.key.line ? mark : value.key, "{} must be {}, got {}", name(value.path), wanted,
        describe(value.node));
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
  Reader(whole, faults).read({root, root.mark, "", any}, fields);
}

void read_changes(const Node& node, Mark key, MapSlot fields, std::string path, Diagnostics& faults) {
  Reader("", faults).read({node, key, std::move(path), any, false, true}, fields);
}

void read_choice(const Node& node, Mark key, ChoiceSlot choice, std::string path, Diagnostics& faults) {
  Reader("", faults).read({node, key, std::move(path), required}, choice);
}

Mark place_of(const Node& root, std::string_view path) {
  Mark mark = root.mark;
  const Node* node = &root;
  for (const auto& part : split_path(path)) {
    const Node* next = nullptr;
    Mark key_mark = mark;
    const std::string key = part.index ? std::to_string(*part.index) : part.key;  // in a mapping
    if (part.index && node->kind == Node::Kind::list) {
      if (*part.index < node->items.size()) next = &node->items[*part.index], key_mark = next->mark;
    } else {
      for (const auto& entry : node->entries)
        if (entry.key == key && !next) next = &entry.value, key_mark = entry.mark;
    }
    if (!next) return mark;
    node = next;
    mark = next->mark.line == key_mark.line && next->kind != Node::Kind::map ? next->mark : key_mark;
  }
  return mark;
}

}  // namespace dsd
