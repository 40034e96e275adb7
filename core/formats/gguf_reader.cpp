#include <algorithm>
#include <fstream>
#include <numeric>

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/formats/gguf.h"
#include "core/formats/gguf_header.h"
#include "core/formats/json.h"

namespace dsd {
namespace {

constexpr const char* kAlignment = "general.alignment";
constexpr std::int64_t kUsualAlignment = 32;

std::string quoted(std::string_view name) { return brief(std::string(name)); }

std::uint64_t alignment_of(const GgufFile& file) {
  const std::int64_t alignment = GgufKeys(file).integer(kAlignment, 1, std::int64_t{1} << 31, kUsualAlignment);
  if ((alignment & (alignment - 1)) != 0)
    fail("{}: '{}' is {}; expected a power of two", file.source(), kAlignment, alignment);
  return static_cast<std::uint64_t>(alignment);
}

// Where the data begins: after the descriptions, aligned. A file without tensors may end before that.
std::uint64_t data_start(const GgufHeader& header, std::uint64_t alignment, std::uint64_t size,
                         const std::string& source) {
  const std::uint64_t start = (header.end + alignment - 1) / alignment * alignment;
  if (start <= size) return start;
  if (header.tensors.empty()) return size;
  fail("{}: byte {}: the data should begin at byte {}, but the file has only {}; it is cut short, fetch it again",
       source, header.end, start, size);
}

// A tensor's place in the data, checked against its shape and the file.
std::span<const std::byte> bytes_of(const GgufTensor& tensor, std::span<const std::byte> data, std::uint64_t alignment,
                                    std::uint64_t first_byte, const std::string& source) {
  const std::string where = fmt::format("{}: byte {}: tensor '{}'", source, tensor.described_at, quoted(tensor.name));
  const std::optional<std::uint64_t> bytes = dense_bytes(tensor.dtype, tensor.shape);
  if (!bytes)
    fail("{}: {} of shape {} is no whole number of blocks, or too much; not a valid GGUF file", where,
         dtype_name(tensor.dtype), shape_text(tensor.shape));
  if (tensor.offset % alignment != 0)
    fail("{} lies at offset {}, which is no multiple of the alignment {}; not a valid GGUF file", where, tensor.offset,
         alignment);
  if (tensor.offset > data.size() || *bytes > data.size() - tensor.offset)
    fail(
        "{}: {} bytes from offset {} on, but the data has only {} (from byte {} on); the file is cut short or "
        "damaged, fetch it again",
        where, *bytes, tensor.offset, data.size(), first_byte);
  return data.subspan(tensor.offset, *bytes);
}

void check_overlaps(std::vector<const TensorInfo*> tensors, const std::byte* file, const std::string& source) {
  std::erase_if(tensors, [](const TensorInfo* tensor) { return tensor->bytes.empty(); });
  std::sort(tensors.begin(), tensors.end(),
            [](const TensorInfo* a, const TensorInfo* b) { return a->bytes.data() < b->bytes.data(); });
  for (std::size_t i = 1; i < tensors.size(); ++i)
    if (tensors[i]->bytes.data() < tensors[i - 1]->bytes.data() + tensors[i - 1]->bytes.size())
      fail("{}: byte {}: tensor '{}' overlaps tensor '{}'; not a valid GGUF file", source,
           tensors[i]->bytes.data() - file, brief(tensors[i]->name), brief(tensors[i - 1]->name));
}

// Indices in the order of the names, each of which must be there once.
template <class Name>
std::vector<std::size_t> sorted_by_name(std::size_t count, Name&& name, const char* thing, const std::string& source) {
  std::vector<std::size_t> order(count);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return name(a) < name(b); });
  for (std::size_t i = 1; i < count; ++i)
    if (name(order[i]) == name(order[i - 1]))
      fail("{}: {} '{}' stands twice; not a valid GGUF file", source, thing, quoted(name(order[i])));
  return order;
}

template <class Name>
std::optional<std::size_t> look_up(const std::vector<std::size_t>& order, Name&& name, std::string_view wanted) {
  const auto found = std::lower_bound(order.begin(), order.end(), wanted,
                                      [&](std::size_t i, std::string_view other) { return name(i) < other; });
  if (found == order.end() || name(*found) != wanted) return std::nullopt;
  return *found;
}

}  // namespace

GgufFile GgufFile::open(const std::filesystem::path& path) {
  const MappedFile file(path);
  return parse(file.bytes(), path.string(), file.owner());
}

GgufFile GgufFile::parse(std::span<const std::byte> bytes, std::string source, std::shared_ptr<const void> owner) {
  GgufHeader header = parse_gguf_header(bytes, source);
  GgufFile file;
  file.source_ = std::move(source);
  file.owner_ = std::move(owner);
  file.version_ = header.version;
  file.metadata_ = std::move(header.metadata);
  file.keys_by_name_ = sorted_by_name(
      file.metadata_.size(), [&](std::size_t i) { return file.metadata_[i].key; }, "key", file.source_);

  const std::uint64_t alignment = alignment_of(file);
  const std::uint64_t start = data_start(header, alignment, bytes.size(), file.source_);
  file.tensors_.reserve(header.tensors.size());
  for (GgufTensor& tensor : header.tensors) {
    const std::span<const std::byte> place = bytes_of(tensor, bytes.subspan(start), alignment, start, file.source_);
    file.tensors_.push_back(
        {.name = std::string(tensor.name), .dtype = tensor.dtype, .shape = std::move(tensor.shape), .bytes = place});
  }
  std::vector<const TensorInfo*> all;
  for (const TensorInfo& tensor : file.tensors_) all.push_back(&tensor);
  check_overlaps(std::move(all), bytes.data(), file.source_);
  file.tensors_by_name_ = sorted_by_name(
      file.tensors_.size(), [&](std::size_t i) -> std::string_view { return file.tensors_[i].name; }, "tensor",
      file.source_);
  return file;
}

const GgufValue* GgufFile::value(std::string_view key) const {
  const auto found = look_up(
      keys_by_name_, [&](std::size_t i) { return metadata_[i].key; }, key);
  return found ? &metadata_[*found].value : nullptr;
}

const TensorInfo* GgufFile::find(std::string_view name) const {
  const auto found = look_up(
      tensors_by_name_, [&](std::size_t i) -> std::string_view { return tensors_[i].name; }, name);
  return found ? &tensors_[*found] : nullptr;
}

bool is_gguf(const std::filesystem::path& path) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) return false;
  char mark[4] = {};
  std::ifstream(path, std::ios::binary).read(mark, sizeof mark);
  return std::string_view(mark, sizeof mark) == "GGUF";
}

}  // namespace dsd
