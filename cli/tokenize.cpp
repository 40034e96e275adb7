// `dsdistill tokenize MODEL FILE`: the ids of each line. A line ends at \n alone (with --null, at a NUL byte); every
// other byte is text.
#include <cstdio>

#include "cli/commands.h"
#include "core/base/error.h"
#include "core/base/files.h"
#include "core/formats/locate.h"
#include "core/text/tokenizer.h"
#include "core/text/utf8.h"

namespace dsd {
namespace {

void append_ids(std::string& out, const std::vector<std::int32_t>& ids) {
  for (std::size_t i = 0; i < ids.size(); ++i)
    fmt::format_to(std::back_inserter(out), "{}{}", i > 0 ? " " : "", ids[i]);
  out += '\n';
}

// A file, or a folder that holds a vocabulary, needs no model; a run's folder and org/name are looked up.
std::filesystem::path tokenizer_path(const std::string& model) {
  const std::filesystem::path path(model);
  if (std::filesystem::is_regular_file(path)) return path;
  return holds_tokenizer(path) ? path : locate_model(model);
}

void flush(std::string& out) {
  if (std::fwrite(out.data(), 1, out.size(), stdout) != out.size() || std::fflush(stdout) != 0)
    fail("standard output: cannot be written to");
  out.clear();
}

}  // namespace

int run_tokenize(const TokenizeOptions& options) {
  constexpr std::size_t kBufferBytes = std::size_t{1} << 16;
  const Tokenizer tokenizer = Tokenizer::load(tokenizer_path(options.model));
  const MappedFile file(options.file);
  const std::string_view text = file.text();
  std::string out;
  const char line_end = options.null ? '\0' : '\n';
  std::size_t number = 1;
  for (std::size_t at = 0; at < text.size(); ++number) {
    const std::size_t end = std::min(text.find(line_end, at), text.size());
    const std::string_view line = text.substr(at, end - at);
    if (const auto bad = check_utf8(line)) {
      flush(out);
      fail("{}:{}: byte {} of the line is not valid UTF-8; convert the file to UTF-8", options.file, number, *bad + 1);
    }
    append_ids(out, tokenizer.encode(line).ids);
    if (out.size() > kBufferBytes) flush(out);
    at = end + 1;
  }
  flush(out);
  return static_cast<int>(ExitCode::done);
}

}  // namespace dsd
