#pragma once
// Files: a read-only memory map, whole reads with a bound, and atomic writes (temporary name, fsync, rename).
// Every function throws Error with the path and the system's reason.

#include <cstddef>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace dsd {

// A file mapped read-only. Copies share the mapping; it lives as long as one of them.
class MappedFile {
 public:
  explicit MappedFile(const std::filesystem::path& path);

  std::span<const std::byte> bytes() const { return bytes_; }
  std::string_view text() const { return {reinterpret_cast<const char*>(bytes_.data()), bytes_.size()}; }
  const std::filesystem::path& path() const { return path_; }
  std::shared_ptr<const void> owner() const { return owner_; }  // keeps the mapping alive for views of it

 private:
  std::filesystem::path path_;
  std::shared_ptr<const void> owner_;
  std::span<const std::byte> bytes_;
};

// The whole file; refuses one larger than `most` bytes before it reads.
std::string read_text(const std::filesystem::path& path, std::size_t most = std::size_t{1} << 30);

// Writes through a temporary file beside `path`, syncs it, renames it over `path`, syncs the folder.
// Either the old bytes or the new ones are there afterwards, whatever happens.
void write_atomically(const std::filesystem::path& path, std::string_view bytes);

// The same for a writer that produces its bytes in pieces.
using Sink = std::function<void(std::string_view)>;
void write_atomically(const std::filesystem::path& path, const std::function<void(const Sink&)>& write);

// Makes a folder whole or not at all: `fill` writes into a temporary sibling, which is synced and renamed to `path`.
// With `replace`, a folder that is there gives way; without it, it is an error.
void write_folder_atomically(const std::filesystem::path& path, bool replace,
                             const std::function<void(const std::filesystem::path&)>& fill);

// True when `name` stays inside its folder: relative, no "..", not empty. For names found inside an index or config.
bool is_inside(std::string_view name);

}  // namespace dsd
