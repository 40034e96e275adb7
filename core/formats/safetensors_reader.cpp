#include <algorithm>
#include <bit>
#include <cstring>
#include <numeric>

#include "core/base/error.h"
#include "core/formats/json.h"
#include "core/formats/safetensors_header.h"

namespace dsd {
namespace {

static_assert(std::endian::native == std::endian::little, "safetensors are mapped, not converted");

constexpr std::size_t kLengthBytes = 8;
constexpr std::uint64_t kMostHeaderBytes = 100'000'000;  // the reference implementation's limit
constexpr std::string_view kLfsPointer = "version https://git-lfs";

std::string_view header_of(std::string_view file, const std::string& source) {
  if (file.substr(0, kLfsPointer.size()) == kLfsPointer)
    fail("{}: is a Git LFS pointer, not the weights; run 'git lfs pull' in its folder", source);
  if (file.size() < kLengthBytes)
    fail("{}: has {} bytes, too few for a safetensors file; fetch it again", source, file.size());
  std::uint64_t length = 0;
  std::memcpy(&length, file.data(), kLengthBytes);
  if (length > kMostHeaderBytes)
    fail("{}: byte 0: a header of {} bytes is more than the {} allowed; not a safetensors file", source, length,
         kMostHeaderBytes);
  if (length > file.size() - kLengthBytes)
    fail("{}: byte 0: the header should have {} bytes, but only {} follow; the file is cut short, fetch it again",
         source, length, file.size() - kLengthBytes);
  const std::string_view header = file.substr(kLengthBytes, length);
  if (header.empty() || header.front() != '{')
    fail("{}: byte {}: the header does not open with '{{'; not a safetensors file", source, kLengthBytes);
  return header;
}

// The entries, sorted by place, must tile the data without gap or overlap and fit their shapes.
void check_layout(const std::vector<HeaderEntry>& sorted, std::uint64_t data_bytes, std::uint64_t first_byte,
                  const std::string& source) {
  std::uint64_t at = 0;
  for (const HeaderEntry& entry : sorted) {
    const std::string name = brief(entry.name);
    if (entry.end < entry.begin)
      fail("{}: tensor '{}': data_offsets [{}, {}] run backwards", source, name, entry.begin, entry.end);
    const std::optional<std::uint64_t> bytes = dense_bytes(entry.dtype, entry.shape);
    if (!bytes)
      fail("{}: tensor '{}': {} elements of shape {} make no whole number of bytes, or too many", source, name,
           dtype_name(entry.dtype), shape_text(entry.shape));
    if (*bytes != entry.end - entry.begin)
      fail("{}: tensor '{}': {} of shape {} takes {} bytes, but data_offsets [{}, {}] give {}", source, name,
           dtype_name(entry.dtype), shape_text(entry.shape), *bytes, entry.begin, entry.end, entry.end - entry.begin);
    if (entry.begin < at)
      fail("{}: byte {}: tensor '{}' overlaps the tensor before it", source, first_byte + entry.begin, name);
    if (entry.begin > at)
      fail("{}: byte {}: {} bytes before tensor '{}' belong to no tensor", source, first_byte + at, entry.begin - at,
           name);
    if (entry.end > data_bytes)
      fail("{}: tensor '{}' ends at byte {} of {}; the file is cut short, fetch it again", source, name,
           first_byte + entry.end, first_byte + data_bytes);
    at = entry.end;
  }
  if (at != data_bytes)
    fail("{}: byte {}: {} bytes after the last tensor belong to no tensor", source, first_byte + at, data_bytes - at);
}

bool earlier(const HeaderEntry& a, const HeaderEntry& b) {
  if (a.begin != b.begin) return a.begin < b.begin;
  return a.end != b.end ? a.end < b.end : a.name < b.name;
}

}  // namespace

SafetensorsFile SafetensorsFile::open(const std::filesystem::path& path) {
  const MappedFile file(path);
  return parse(file.bytes(), path.string(), file.owner());
}

SafetensorsFile SafetensorsFile::parse(std::span<const std::byte> bytes, std::string source,
                                       std::shared_ptr<const void> owner) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const std::string_view json = header_of(text, source);
  Header header = parse_safetensors_header(json, source, kLengthBytes);
  const std::span<const std::byte> data = bytes.subspan(kLengthBytes + json.size());
  std::sort(header.entries.begin(), header.entries.end(), earlier);
  check_layout(header.entries, data.size(), kLengthBytes + json.size(), source);

  SafetensorsFile file;
  file.source_ = std::move(source);
  file.owner_ = std::move(owner);
  file.metadata_ = std::move(header.metadata);
  file.tensors_.reserve(header.entries.size());
  for (HeaderEntry& entry : header.entries)
    file.tensors_.push_back({.name = std::move(entry.name),
                             .dtype = entry.dtype,
                             .shape = std::move(entry.shape),
                             .bytes = data.subspan(entry.begin, entry.end - entry.begin)});
  auto& order = file.by_name_;
  order.resize(file.tensors_.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  const auto name = [&](std::size_t i) -> const std::string& { return file.tensors_[i].name; };
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return name(a) < name(b); });
  for (std::size_t i = 1; i < order.size(); ++i)
    if (name(order[i]) == name(order[i - 1]))
      fail("{}: tensor '{}' stands twice in the header", file.source_, brief(name(order[i])));
  return file;
}

const TensorInfo* SafetensorsFile::find(std::string_view name) const {
  const auto found =
      std::lower_bound(by_name_.begin(), by_name_.end(), name,
                       [&](std::size_t i, std::string_view wanted) { return tensors_[i].name < wanted; });
  if (found == by_name_.end() || tensors_[*found].name != name) return nullptr;
  return &tensors_[*found];
}

}  // namespace dsd
