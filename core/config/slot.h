#pragma once
// Typed structs seen at run time: `describe_fields` walks a struct's `fields` once and gives, for each key, its help,
// its range and a slot that reads and writes the member. Reader, writer and explanation walk slots, so they are
// ordinary code that no struct compiles anew.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/config/fields.h"

namespace dsd {

struct Field;
struct MapSlot {
  std::vector<Field> fields;
};

struct EnumType {
  std::span<const std::string_view> names;
  std::size_t (*get)(const void*);
  void (*set)(void*, std::size_t);
};
struct EnumSlot {
  void* value;
  const EnumType* type;
};

struct GrammarType {
  const Grammar* grammar;
  std::optional<GrammarFault> (*read)(void*, std::string_view, const Range&);
  std::string (*write)(const void*);
};
struct GrammarSlot {
  void* value;
  const GrammarType* type;
};

struct OptionalType;
struct OptionalSlot {
  void* value;
  const OptionalType* type;
};

struct ListType;
struct ListSlot {
  void* value;
  const ListType* type;
};

// One of several structs, told apart by `kind`. One of them may name its only key as `shorthand`: that key's value then
// stands for the whole.
struct ChoiceType {
  std::span<const std::string_view> kinds;
  std::string_view told_by;  // "kind", or what the alternatives say
  std::size_t shorthand;     // which kind; kinds.size(): none
  std::size_t (*get)(const void*);
  MapSlot (*fields)(void*);  // of the alternative that holds
  MapSlot (*emplace)(void*, std::size_t);
  std::shared_ptr<void> (*fresh)();
};
struct ChoiceSlot {
  void* value;
  const ChoiceType* type;
};

// What its owner reads and writes: see Inheriting.
struct OwnersType;
struct OwnersSlot {
  const OwnersType* type;
};

using Slot = std::variant<bool*, std::int64_t*, double*, std::string*, EnumSlot, GrammarSlot, OptionalSlot, ListSlot,
                          ChoiceSlot, MapSlot, OwnersSlot>;

struct Field {
  std::string_view key, help;
  Range range;
  Slot slot;
};

struct OptionalType {
  bool (*has)(const void*);
  void (*reset)(void*);
  Slot (*get)(void*);
  Slot (*emplace)(void*);
  std::shared_ptr<void> (*fresh)();  // an empty one, to see what it would hold
};

struct OwnersType {
  std::shared_ptr<void> (*fresh)();
  MapSlot (*element)(void*);
  Slot (*instead)(void*);
};

struct ListType {
  std::size_t (*size)(const void*);
  void (*clear)(void*);
  Slot (*at)(void*, std::size_t);
  Slot (*append)(void*);
  std::shared_ptr<void> (*fresh)();
};

template <Described T>
MapSlot describe_fields(T& value);

template <class T>
Slot slot_of(T& value);

template <NamedEnum E>
struct EnumTable {
  static constexpr auto names = [] {
    std::array<std::string_view, EnumNames<E>::names.size()> all;
    for (std::size_t i = 0; i < all.size(); ++i) all[i] = EnumNames<E>::names[i].first;
    return all;
  }();
  static std::size_t get(const void* value) {
    std::size_t i = 0;
    while (EnumNames<E>::names.at(i).second != *static_cast<const E*>(value)) ++i;
    return i;
  }
  static void set(void* value, std::size_t i) { *static_cast<E*>(value) = EnumNames<E>::names.at(i).second; }
  static constexpr EnumType type{names, get, set};
};

template <Grammatical T>
struct GrammarTable {
  static std::optional<GrammarFault> read(void* value, std::string_view text, const Range& range) {
    return static_cast<T*>(value)->read(text, range);
  }
  static std::string write(const void* value) { return static_cast<const T*>(value)->text(); }
  static constexpr GrammarType type{&T::grammar, read, write};
};

template <Optional T>
struct OptionalTable {
  static T& of(void* value) { return *static_cast<T*>(value); }
  static bool has(const void* value) { return static_cast<const T*>(value)->has_value(); }
  static void reset(void* value) { of(value).reset(); }
  static Slot get(void* value) { return slot_of(*of(value)); }
  static Slot emplace(void* value) { return slot_of(of(value).emplace()); }
  static std::shared_ptr<void> fresh() { return std::make_shared<T>(); }
  static constexpr OptionalType type{has, reset, get, emplace, fresh};
};

template <List T>
struct ListTable {
  static T& of(void* value) { return *static_cast<T*>(value); }
  static std::size_t size(const void* value) { return static_cast<const T*>(value)->size(); }
  static void clear(void* value) { of(value).clear(); }
  static Slot at(void* value, std::size_t i) { return slot_of(of(value).at(i)); }
  static Slot append(void* value) { return slot_of(of(value).emplace_back()); }
  static std::shared_ptr<void> fresh() { return std::make_shared<T>(); }
  static constexpr ListType type{size, clear, at, append, fresh};
};

template <Inheriting T>
struct OwnersTable {
  using Keys = typename T::value_type::Keys;
  static std::shared_ptr<void> fresh() { return std::make_shared<Keys>(); }
  static MapSlot element(void* keys) { return describe_fields(static_cast<Keys*>(keys)->element); }
  static Slot instead(void* keys) { return slot_of(static_cast<Keys*>(keys)->instead); }
  static constexpr OwnersType type{fresh, element, instead};
};

template <Choice T>
struct ChoiceTable;
template <class... Ts>
struct ChoiceTable<std::variant<Ts...>> {
  using T = std::variant<Ts...>;
  static constexpr std::array<std::string_view, sizeof...(Ts)> kinds{Ts::kind...};
  static std::size_t get(const void* value) { return static_cast<const T*>(value)->index(); }
  static MapSlot fields(void* value) {
    return std::visit([](auto& held) { return describe_fields(held); }, *static_cast<T*>(value));
  }
  static MapSlot emplace(void* value, std::size_t index) {
    std::size_t i = 0;
    ((i++ == index ? void(static_cast<T*>(value)->template emplace<Ts>()) : void()), ...);
    return fields(value);
  }
  static std::shared_ptr<void> fresh() { return std::make_shared<T>(); }
  static constexpr std::size_t shorthand = [] {
    std::size_t i = 0;
    const auto none = [&i]<class One>(std::type_identity<One>) {
      if constexpr (requires { One::shorthand; }) return false;
      return ++i > 0;
    };
    static_cast<void>((none(std::type_identity<Ts>{}) && ...));
    return i;
  }();
  static constexpr std::string_view told_by = [] {
    using First = std::variant_alternative_t<0, T>;
    if constexpr (requires { First::told_by; }) return First::told_by;
    else return std::string_view("kind");
  }();
  static constexpr ChoiceType type{kinds, told_by, shorthand, get, fields, emplace, fresh};
};

template <class T>
Slot slot_of(T& value) {
  if constexpr (Choice<T>) return ChoiceSlot{&value, &ChoiceTable<T>::type};
  else if constexpr (Optional<T>) return OptionalSlot{&value, &OptionalTable<T>::type};
  else if constexpr (Inheriting<T>) return OwnersSlot{&OwnersTable<T>::type};
  else if constexpr (List<T>) return ListSlot{&value, &ListTable<T>::type};
  else if constexpr (NamedEnum<T>) return EnumSlot{&value, &EnumTable<T>::type};
  else if constexpr (Grammatical<T>) return GrammarSlot{&value, &GrammarTable<T>::type};
  else if constexpr (Described<T>) return describe_fields(value);
  else return &value;
}

struct FieldCollector {
  std::vector<Field>& fields;
  template <class T>
  void operator()(std::string_view key, T& value, std::string_view help, Range range = any) {
    fields.push_back({key, help, range, slot_of(value)});
  }
};

template <Described T>
MapSlot describe_fields(T& value) {
  MapSlot map;
  FieldCollector collector{map.fields};
  T::fields(value, collector);
  return map;
}

// Whether what a choice holds is written as the value of its one key.
inline bool has_shorthand(const ChoiceSlot& choice) { return choice.type->get(choice.value) == choice.type->shorthand; }

// "must be > 0, got 0" where a number is outside its range.
std::optional<std::string> range_fault(const Range& range, double number, std::string_view shown);

// Whether a YAML reader takes an unquoted text for a number.
bool reads_as_number(std::string_view text);

// The shortest text that reads as the same number; with a point or an exponent, so that it shows as one.
std::string number_text(double value);

}  // namespace dsd
