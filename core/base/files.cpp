#include "core/base/files.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "core/base/error.h"

namespace dsd {
namespace {

namespace fs = std::filesystem;

// A file descriptor that closes itself.
class Descriptor {
 public:
  Descriptor(const fs::path& path, int flags, mode_t mode = 0644) : path_(path) {
    fd_ = ::open(path.c_str(), flags | O_CLOEXEC, mode);
    if (fd_ < 0) fail("{}: cannot open: {}", path.string(), std::strerror(errno));
  }
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  int get() const { return fd_; }

  std::size_t regular_size() const {
    struct stat info {};
    if (::fstat(fd_, &info) != 0) fail("{}: cannot read its size: {}", path_.string(), std::strerror(errno));
    if (!S_ISREG(info.st_mode)) fail("{}: is not a regular file", path_.string());
    return static_cast<std::size_t>(info.st_size);
  }

  void write(std::string_view bytes) const {
    while (!bytes.empty()) {
      const ssize_t n = ::write(fd_, bytes.data(), bytes.size());
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) fail("{}: cannot write: {}", path_.string(), std::strerror(errno));
      bytes.remove_prefix(static_cast<std::size_t>(n));
    }
  }

  void sync() const {
    if (::fsync(fd_) != 0) fail("{}: cannot sync: {}", path_.string(), std::strerror(errno));
  }

 private:
  fs::path path_;
  int fd_ = -1;
};

fs::path folder_of(const fs::path& path) { return path.has_parent_path() ? path.parent_path() : fs::path("."); }

void sync_folder(const fs::path& folder) { Descriptor(folder, O_RDONLY | O_DIRECTORY).sync(); }

fs::path temporary_beside(const fs::path& path) {
  return folder_of(path) / fmt::format(".{}.{}.tmp", path.filename().string(), ::getpid());
}

void rename_over(const fs::path& from, const fs::path& to) {
  if (::rename(from.c_str(), to.c_str()) != 0)
    fail("{}: cannot rename to {}: {}", from.string(), to.string(), std::strerror(errno));
}

}  // namespace

MappedFile::MappedFile(const fs::path& path) : path_(path) {
  const Descriptor file(path, O_RDONLY);
  const std::size_t size = file.regular_size();
  if (size == 0) return;  // mmap refuses a length of zero
  void* address = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.get(), 0);
  if (address == MAP_FAILED) fail("{}: cannot map {} bytes: {}", path.string(), size, std::strerror(errno));
  owner_ = std::shared_ptr<const void>(address, [size](const void* p) { ::munmap(const_cast<void*>(p), size); });
  bytes_ = {static_cast<const std::byte*>(address), size};
}

std::string read_text(const fs::path& path, std::size_t most) {
  const Descriptor file(path, O_RDONLY);
  const std::size_t size = file.regular_size();
  if (size > most) fail("{}: {} bytes, more than the {} that such a file may have", path.string(), size, most);
  std::string text(size, '\0');
  std::size_t done = 0;
  while (done < size) {
    const ssize_t n = ::read(file.get(), text.data() + done, size - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail("{}: cannot read: {}", path.string(), std::strerror(errno));
    if (n == 0) break;
    done += static_cast<std::size_t>(n);
  }
  text.resize(done);
  return text;
}

void write_atomically(const fs::path& path, std::string_view bytes) {
  write_atomically(path, [&](const Sink& sink) { sink(bytes); });
}

void write_atomically(const fs::path& path, const std::function<void(const Sink&)>& write) {
  const fs::path temporary = temporary_beside(path);
  try {
    {
      const Descriptor file(temporary, O_WRONLY | O_CREAT | O_TRUNC);
      write([&](std::string_view bytes) { file.write(bytes); });
      file.sync();
    }
    rename_over(temporary, path);
  } catch (...) {
    ::unlink(temporary.c_str());
    throw;
  }
  sync_folder(folder_of(path));
}

void write_folder_atomically(const fs::path& path, bool replace, const std::function<void(const fs::path&)>& fill) {
  if (!replace && fs::exists(path)) fail("{}: is there already; choose another name or remove it", path.string());
  const fs::path temporary = temporary_beside(path);
  std::error_code ignored;
  fs::remove_all(temporary, ignored);
  try {
    fs::create_directories(temporary);
    fill(temporary);
    for (const auto& entry : fs::directory_iterator(temporary))
      if (entry.is_regular_file()) Descriptor(entry.path(), O_RDONLY).sync();
    sync_folder(temporary);
    if (fs::exists(path)) {
      const fs::path old = folder_of(path) / fmt::format(".{}.{}.old", path.filename().string(), ::getpid());
      rename_over(path, old);
      rename_over(temporary, path);
      fs::remove_all(old, ignored);
    } else {
      rename_over(temporary, path);
    }
  } catch (const fs::filesystem_error& error) {
    fs::remove_all(temporary, ignored);
    fail("{}: cannot write the folder: {}", path.string(), error.code().message());
  } catch (...) {
    fs::remove_all(temporary, ignored);
    throw;
  }
  sync_folder(folder_of(path));
}

bool is_inside(std::string_view name) {
  if (name.empty() || name.find('\0') != std::string_view::npos) return false;
  const fs::path path(name);
  if (path.is_absolute()) return false;
  for (const auto& part : path)
    if (part == "..") return false;
  return true;
}

}  // namespace dsd
