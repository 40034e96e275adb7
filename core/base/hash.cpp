#include "core/base/hash.h"

#include <fmt/format.h>

#include <bit>
#include <cstring>

namespace dsd {
namespace {

constexpr std::uint64_t kFirst = 0x87c37b91114253d5u, kSecond = 0x4cf5ad432745937fu;

std::uint64_t mix_first(std::uint64_t k) { return std::rotl(k * kFirst, 31) * kSecond; }
std::uint64_t mix_second(std::uint64_t k) { return std::rotl(k * kSecond, 33) * kFirst; }

std::uint64_t finish(std::uint64_t k) {
  k = (k ^ (k >> 33)) * 0xff51afd7ed558ccdu;
  k = (k ^ (k >> 33)) * 0xc4ceb9fe1a85ec53u;
  return k ^ (k >> 33);
}

}  // namespace

std::string Key128::hex() const { return fmt::format("{:016x}{:016x}", high, low); }

void Hasher::block(const unsigned char* data) {
  std::uint64_t k1, k2;
  std::memcpy(&k1, data, 8);
  std::memcpy(&k2, data + 8, 8);
  h1_ = (std::rotl(h1_ ^ mix_first(k1), 27) + h2_) * 5 + 0x52dce729;
  h2_ = (std::rotl(h2_ ^ mix_second(k2), 31) + h1_) * 5 + 0x38495ab5;
}

Hasher& Hasher::bytes(const void* data, std::size_t size) {
  if (size == 0) return *this;  // an empty span has no address that memcpy would take
  auto* next = static_cast<const unsigned char*>(data);
  const std::size_t waiting = size_ % 16;
  size_ += size;
  if (waiting > 0) {
    const std::size_t taken = std::min(size, 16 - waiting);
    std::memcpy(rest_.data() + waiting, next, taken);
    if (waiting + taken < 16) return *this;
    block(rest_.data());
    next += taken, size -= taken;
  }
  for (; size >= 16; next += 16, size -= 16) block(next);
  if (size > 0) std::memcpy(rest_.data(), next, size);
  return *this;
}

Key128 Hasher::key() const {
  std::array<unsigned char, 16> tail{};
  std::memcpy(tail.data(), rest_.data(), size_ % 16);
  std::uint64_t k1, k2;
  std::memcpy(&k1, tail.data(), 8);
  std::memcpy(&k2, tail.data() + 8, 8);
  std::uint64_t a = h1_ ^ mix_first(k1), b = h2_ ^ mix_second(k2);
  a ^= size_, b ^= size_;
  a += b, b += a;
  a = finish(a), b = finish(b);
  a += b, b += a;
  return {a, b};
}

}  // namespace dsd
