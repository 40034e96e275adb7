#pragma once
// A growing list of small non-negative integers in one, two or four bytes each, as the largest one needs.

#include <cstdint>
#include <variant>
#include <vector>

namespace dsd {

class CompactIntegers {
 public:
  void push_back(std::uint32_t value) {
    if (value > 0xFFFF) widen<std::uint32_t>();
    else if (value > 0xFF) widen<std::uint16_t>();
    std::visit([&](auto& items) { items.push_back(static_cast<std::decay_t<decltype(items[0])>>(value)); }, items_);
  }

  std::uint32_t operator[](std::size_t index) const {
    return std::visit([&](const auto& items) -> std::uint32_t { return items[index]; }, items_);
  }

  std::size_t size() const {
    return std::visit([](const auto& items) { return items.size(); }, items_);
  }

 private:
  template <class Wide>
  void widen() {
    std::visit(
        [this](auto items) {
          if constexpr (sizeof(typename decltype(items)::value_type) < sizeof(Wide))
            items_ = std::vector<Wide>(items.begin(), items.end());
          else items_ = std::move(items);
        },
        std::move(items_));
  }

  using Items = std::variant<std::vector<std::uint8_t>, std::vector<std::uint16_t>, std::vector<std::uint32_t>>;
  Items items_;
};

}  // namespace dsd
