#pragma once
// A 128-bit content hash for keys of what is remembered, and for checksums of our own files: not cryptographic.
// MurmurHash3 x64 128 (Appleby, public domain algorithm), streamed over any number of pieces.

#include <array>
#include <compare>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace dsd {

struct Key128 {
  std::uint64_t high = 0, low = 0;
  auto operator<=>(const Key128&) const = default;
  std::string hex() const;
};

class Hasher {
 public:
  Hasher& bytes(const void* data, std::size_t size);
  Hasher& text(std::string_view piece) { return number(piece.size()).bytes(piece.data(), piece.size()); }
  Hasher& number(std::uint64_t value) { return bytes(&value, sizeof value); }
  template <class T>
  Hasher& values(std::span<const T> items) {
    return number(items.size()).bytes(items.data(), items.size_bytes());
  }
  Key128 key() const;  // of all the pieces so far

 private:
  void block(const unsigned char* data);

  std::uint64_t h1_ = 0, h2_ = 0;
  std::uint64_t size_ = 0;
  std::array<unsigned char, 16> rest_{};  // the first size_ % 16 bytes wait for a whole block
};

}  // namespace dsd
