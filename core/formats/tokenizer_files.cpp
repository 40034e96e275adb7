#include "core/formats/tokenizer_files.h"

#include <array>
#include <system_error>

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/formats/gguf_tokenizer.h"

namespace dsd {
namespace {

namespace fs = std::filesystem;

// Any of the first four holds the vocabulary.
constexpr std::array<const char*, 9> kFiles = {"tokenizer.json",          "vocab.txt",         "vocab.json",
                                               "tokenizer.model",         "merges.txt",        "tokenizer_config.json",
                                               "special_tokens_map.json", "added_tokens.json", "chat_template.jinja"};
constexpr std::size_t kVocabularies = 4;

}  // namespace

void copy_tokenizer_files(const fs::path& from, const fs::path& to) {
  if (is_gguf(from)) {
    const GgufFile file = GgufFile::open(from);
    write_atomically(to / "tokenizer.json", gguf_tokenizer_json(file));
    write_atomically(to / "tokenizer_config.json", gguf_tokenizer_config(file));
    return;
  }
  bool vocabulary = false;
  for (std::size_t i = 0; i < kFiles.size(); ++i) {
    std::error_code error;
    if (!fs::exists(from / kFiles[i], error)) continue;
    write_atomically(to / kFiles[i], read_text(from / kFiles[i]));
    vocabulary = vocabulary || i < kVocabularies;
  }
  if (!vocabulary) fail("{}: has no tokenizer; expected tokenizer.json or vocab.txt beside config.json", from.string());
}

}  // namespace dsd
