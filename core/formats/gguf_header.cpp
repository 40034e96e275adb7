#include "core/formats/gguf_header.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>

#include "core/base/error.h"
#include "core/formats/json.h"

namespace dsd {
namespace {

static_assert(std::endian::native == std::endian::little, "GGUF files are mapped, not converted");

constexpr std::string_view kMark = "GGUF";
constexpr std::string_view kLfsPointer = "version https://git-lfs";
constexpr std::uint64_t kMostKeyBytes = 65'535;  // the format's own limit
constexpr std::uint64_t kMostNameBytes = 1024;   // of a tensor; ggml itself stops at 63
constexpr std::uint32_t kMostDimensions = 4;     // ggml's
constexpr int kMostDepth = 4;                    // of arrays in arrays
constexpr std::uint64_t kLeastEntryBytes = 8 + 1 + 4 + 1, kLeastTensorBytes = 8 + 1 + 4 + 4 + 8;
constexpr std::uint64_t kTextBytes = 8, kArrayBytes = 4 + 8;  // of the shortest ones

// ggml's numbers for the types of tensors.
constexpr struct {
  std::uint32_t number;
  Dtype dtype;
} kDtypes[] = {
    {0, Dtype::f32},    {1, Dtype::f16},     {2, Dtype::q4_0},     {3, Dtype::q4_1},    {6, Dtype::q5_0},
    {7, Dtype::q5_1},   {8, Dtype::q8_0},    {10, Dtype::q2_k},    {11, Dtype::q3_k},   {12, Dtype::q4_k},
    {13, Dtype::q5_k},  {14, Dtype::q6_k},   {16, Dtype::iq2_xxs}, {17, Dtype::iq2_xs}, {18, Dtype::iq3_xxs},
    {19, Dtype::iq1_s}, {20, Dtype::iq4_nl}, {21, Dtype::iq3_s},   {22, Dtype::iq2_s},  {23, Dtype::iq4_xs},
    {24, Dtype::i8},    {25, Dtype::i16},    {26, Dtype::i32},     {27, Dtype::i64},    {28, Dtype::f64},
    {29, Dtype::iq1_m}, {30, Dtype::bf16},   {34, Dtype::tq1_0},   {35, Dtype::tq2_0},  {39, Dtype::mxfp4},
    {40, Dtype::nvfp4},
};

class HeaderWalk {
 public:
  HeaderWalk(std::span<const std::byte> file, const std::string& source) : file_(file), source_(source) {}

  GgufHeader walk() {
    open();
    const auto tensors = number<std::uint64_t>("the number of tensors");
    const auto entries = number<std::uint64_t>("the number of keys");
    if (entries > left() / kLeastEntryBytes) too_many(at_ - 8, entries, "keys");
    for (std::uint64_t i = 0; i < entries; ++i) read_entry();
    if (tensors > left() / kLeastTensorBytes) too_many(8, tensors, "tensors");
    for (std::uint64_t i = 0; i < tensors; ++i) read_tensor();
    header_.end = at_;
    return std::move(header_);
  }

 private:
  void open() {
    const std::string_view text(reinterpret_cast<const char*>(file_.data()), file_.size());
    if (text.starts_with(kLfsPointer))
      fail("{}: is a Git LFS pointer, not the weights; run 'git lfs pull' in its folder", source_);
    if (text.substr(0, kMark.size()) != kMark.substr(0, text.size()))
      fail("{}: byte 0: does not open with 'GGUF'; not a GGUF file", source_);
    need(kMark.size(), "the mark 'GGUF'");
    at_ = kMark.size();
    header_.version = number<std::uint32_t>("the version");
    if ((header_.version & 0xffff) == 0 && header_.version != 0)
      fail(
          "{}: byte 4: is a big-endian GGUF file; only little-endian ones are read, convert it with gguf-py's "
          "gguf-convert-endian",
          source_);
    if (header_.version != 2 && header_.version != 3)
      fail("{}: byte 4: is version {} of GGUF; versions 2 and 3 are read", source_, header_.version);
  }

  void read_entry() {
    const std::uint64_t start = at_;
    const std::string_view key = text(kMostKeyBytes, "a key");
    if (key.empty()) complain(start, "a key is empty");
    what_ = fmt::format("key '{}': ", brief(std::string(key)));
    GgufEntry entry{.key = key, .value = {.type = type()}};
    GgufValue& value = entry.value;
    if (value.type == GgufType::text) {
      const std::string_view characters = text(file_.size(), "a text");
      value.bytes = std::as_bytes(std::span(characters.data(), characters.size()));
    } else if (value.type == GgufType::array) {
      value.item = type();
      value.count = number<std::uint64_t>("the length of an array");
      const std::uint64_t first = at_;
      skip_items(value.item, value.count, 1);
      value.bytes = file_.subspan(first, at_ - first);
    } else {
      const std::size_t bytes = gguf_type_bytes(value.type);
      need(bytes, "a value");
      value.bytes = file_.subspan(at_, bytes);
      if (value.type == GgufType::boolean && std::to_integer<int>(value.bytes[0]) > 1)
        complain(at_, "holds {} where 0 or 1 is expected", std::to_integer<int>(value.bytes[0]));
      at_ += bytes;
    }
    header_.metadata.push_back(entry);
    what_.clear();
  }

  void skip_items(GgufType item, std::uint64_t count, int depth) {
    const std::uint64_t bytes = gguf_type_bytes(item);
    const std::uint64_t least = bytes > 0 ? bytes : item == GgufType::text ? kTextBytes : kArrayBytes;
    if (count > left() / least) too_many(at_ - 8, count, "items");
    if (bytes > 0) {
      at_ += count * bytes;
      return;
    }
    if (item == GgufType::array && depth >= kMostDepth)
      complain(at_, "arrays are nested deeper than {} levels", kMostDepth);
    for (std::uint64_t i = 0; i < count; ++i) {
      if (item == GgufType::text) {
        text(file_.size(), "a text");
      } else {
        const GgufType inner = type();
        skip_items(inner, number<std::uint64_t>("the length of an array"), depth + 1);
      }
    }
  }

  void read_tensor() {
    GgufTensor tensor;
    tensor.described_at = at_;
    tensor.name = text(kMostNameBytes, "a tensor's name");
    if (tensor.name.empty()) complain(tensor.described_at, "a tensor has no name");
    what_ = fmt::format("tensor '{}': ", brief(std::string(tensor.name)));
    const auto dimensions = number<std::uint32_t>("the number of dimensions");
    if (dimensions > kMostDimensions)
      complain(at_ - 4, "has {} dimensions; at most {} are read", dimensions, kMostDimensions);
    for (std::uint32_t i = 0; i < dimensions; ++i) {
      const auto dimension = number<std::uint64_t>("a dimension");
      if (dimension > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
        complain(at_ - 8, "a dimension is {}, which no tensor has", dimension);
      tensor.shape.push_back(static_cast<std::int64_t>(dimension));
    }
    std::reverse(tensor.shape.begin(), tensor.shape.end());  // the file has the innermost first
    tensor.dtype = dtype();
    tensor.offset = number<std::uint64_t>("an offset");
    header_.tensors.push_back(std::move(tensor));
    what_.clear();
  }

  GgufType type() {
    const auto found = number<std::uint32_t>("a type");
    if (found > static_cast<std::uint32_t>(GgufType::f64)) complain(at_ - 4, "a value is of unknown type {}", found);
    return static_cast<GgufType>(found);
  }

  Dtype dtype() {
    const auto found = number<std::uint32_t>("a type");
    for (const auto& [number, dtype] : kDtypes)
      if (number == found) return dtype;
    complain(at_ - 4, "is of unknown type {}", found);
  }

  template <class T>
  T number(const char* what) {
    need(sizeof(T), what);
    T value;
    std::memcpy(&value, file_.data() + at_, sizeof value);
    at_ += sizeof value;
    return value;
  }

  std::string_view text(std::uint64_t most, const char* what) {
    const auto length = number<std::uint64_t>("the length of a text");
    if (length > most) complain(at_ - 8, "{} of {} bytes is longer than the {} allowed", what, length, most);
    need(length, what);
    const std::string_view result(reinterpret_cast<const char*>(file_.data()) + at_, length);
    at_ += length;
    return result;
  }

  std::uint64_t left() const { return file_.size() - at_; }

  void need(std::uint64_t bytes, const char* what) const {
    if (bytes <= left()) return;
    fail("{}: byte {}: {}{} takes {} bytes, but only {} are left; the file is cut short or damaged, fetch it again",
         source_, at_, what_, what, bytes, left());
  }

  [[noreturn]] void too_many(std::uint64_t at, std::uint64_t count, const char* things) const {
    fail("{}: byte {}: {}{} {} do not fit the {} bytes that follow; the file is cut short or damaged, fetch it again",
         source_, at, what_, count, things, left());
  }

  template <class... Args>
  [[noreturn]] void complain(std::uint64_t at, fmt::format_string<Args...> format, Args&&... args) const {
    fail("{}: byte {}: {}{}; not a valid GGUF file", source_, at, what_,
         fmt::format(format, std::forward<Args>(args)...));
  }

  std::span<const std::byte> file_;
  const std::string& source_;
  std::uint64_t at_ = 0;
  std::string what_;  // the key or tensor being read, for messages
  GgufHeader header_;
};

}  // namespace

std::size_t gguf_type_bytes(GgufType type) {
  switch (type) {
    case GgufType::u8:
    case GgufType::i8:
    case GgufType::boolean:
      return 1;
    case GgufType::u16:
    case GgufType::i16:
      return 2;
    case GgufType::u32:
    case GgufType::i32:
    case GgufType::f32:
      return 4;
    case GgufType::u64:
    case GgufType::i64:
    case GgufType::f64:
      return 8;
    case GgufType::text:
    case GgufType::array:
      break;
  }
  return 0;
}

GgufHeader parse_gguf_header(std::span<const std::byte> file, const std::string& source) {
  return HeaderWalk(file, source).walk();
}

}  // namespace dsd
