#include "core/config/writer.h"

#include <fmt/format.h>

#include <algorithm>

namespace dsd {
namespace {

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') out += '\\', out += c;
    else if (c == '\n') out += "\\n";
    else if (c == '\t') out += "\\t";
    else if (byte < 0x20 || byte == 0x7F) out += fmt::format("\\x{:02x}", byte);
    else out += c;
  }
  return out + '"';
}

class InlineWriter {
 public:
  std::string operator()(bool* value) const { return *value ? "true" : "false"; }
  std::string operator()(std::int64_t* value) const { return fmt::format("{}", *value); }
  std::string operator()(double* value) const { return number_text(*value); }
  std::string operator()(std::string* value) const { return quoted_if_needed(*value); }
  std::string operator()(EnumSlot& named) const { return std::string(named.type->names[named.type->get(named.value)]); }
  std::string operator()(GrammarSlot& own) const {
    const std::string text = own.type->write(own.value);
    return reads_as_number(text) ? text : quoted_if_needed(text);
  }
  std::string operator()(OptionalSlot& optional) const {
    return optional.type->has(optional.value) ? write_inline(optional.type->get(optional.value)) : "null";
  }
  std::string operator()(ListSlot& list) const {
    std::string out = "[";
    for (std::size_t i = 0; i < list.type->size(list.value); ++i)
      out += (i ? ", " : "") + write_inline(list.type->at(list.value, i));
    return out + "]";
  }
  std::string operator()(ChoiceSlot& choice) const {
    if (has_shorthand(choice)) return write_inline(choice.type->fields(choice.value).fields.at(0).slot);
    const auto kind = choice.type->kinds[choice.type->get(choice.value)];
    return map(fmt::format("{}: {}", choice.type->told_by, kind), choice.type->fields(choice.value));
  }
  std::string operator()(MapSlot& fields) const { return map("", fields); }
  std::string operator()(OwnersSlot&) const { return "[]"; }

 private:
  static std::string map(std::string out, const MapSlot& fields) {
    for (const auto& field : fields.fields)
      out += fmt::format("{}{}: {}", out.empty() ? "" : ", ", field.key, write_inline(field.slot));
    return "{" + out + "}";
  }
};

// A mapping, a choice or a list of such is written over lines; all else behind its key.
class BlockWriter {
 public:
  explicit BlockWriter(std::string& out) : out_(out) {}

  // What differs from `before`, which describes the same struct.
  void write_changes(MapSlot& before, MapSlot& now, int indent) {
    for (std::size_t i = 0; i < now.fields.size(); ++i) {
      auto& [key, help, range, slot] = now.fields[i];
      Slot& old = before.fields[i].slot;
      const std::size_t begin = out_.size();
      out_ += fmt::format("{:{}}{}:", "", indent, key);
      if (auto* map = std::get_if<MapSlot>(&slot)) {
        out_ += '\n';
        const std::size_t header = out_.size();
        write_changes(std::get<MapSlot>(old), *map, indent + 2);
        if (out_.size() == header) out_.resize(begin);
      } else if (write_inline(slot) == write_inline(old)) {
        out_.resize(begin);
      } else {
        write_value(slot, indent + 2);
      }
    }
  }

  void write_map(MapSlot& map, int indent) {
    for (auto& field : map.fields) {
      if (std::holds_alternative<OwnersSlot>(field.slot)) continue;
      out_ += fmt::format("{:{}}{}:", "", indent, field.key);
      write_value(field.slot, indent + 2);
    }
  }

 private:
  void write_value(Slot& slot, int indent) {
    if (auto* optional = std::get_if<OptionalSlot>(&slot); optional && optional->type->has(optional->value)) {
      Slot inner = optional->type->get(optional->value);
      return write_value(inner, indent);
    }
    if (auto* map = std::get_if<MapSlot>(&slot); map && !map->fields.empty()) {
      out_ += '\n';
      return write_map(*map, indent);
    }
    if (auto* choice = std::get_if<ChoiceSlot>(&slot); choice && !has_shorthand(*choice)) {
      out_ += fmt::format("\n{:{}}{}: {}\n", "", indent, choice->type->told_by,
                          choice->type->kinds[choice->type->get(choice->value)]);
      MapSlot fields = choice->type->fields(choice->value);
      return write_map(fields, indent);
    }
    out_ += " " + write_inline(slot) + "\n";
  }

  std::string& out_;
};

}  // namespace

std::string write_tree(MapSlot fields) {
  std::string out;
  BlockWriter(out).write_map(fields, 0);
  return out;
}

std::string write_changes(MapSlot before, MapSlot now, int indent) {
  std::string out;
  BlockWriter(out).write_changes(before, now, indent);
  return out;
}

std::string write_inline(Slot slot) { return std::visit(InlineWriter{}, slot); }

std::string quoted_if_needed(std::string_view text) {
  constexpr std::string_view plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./";
  const bool letters_only = !text.empty() && text.find_first_not_of(plain) == std::string_view::npos;
  const bool opens_well = letters_only && text[0] != '-' && text[0] != '.';
  constexpr std::array<std::string_view, 14> words{"null",  "Null",  "NULL", "true", "True", "TRUE", "false",
                                                   "False", "FALSE", "yes",  "no",   "on",   "off",  "y"};
  const bool is_word = std::ranges::find(words, text) != words.end();
  return opens_well && !is_word && !reads_as_number(text) ? std::string(text) : quoted(text);
}

}  // namespace dsd
