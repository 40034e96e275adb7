#include "core/export/model_folder.h"

#include <array>

#include "core/base/error.h"

namespace dsd {
namespace {

namespace fs = std::filesystem;

constexpr std::array<const char*, 7> kTokenizerFiles{"tokenizer.json", "tokenizer_config.json", "special_tokens_map.json",
                                                     "added_tokens.json", "vocab.txt", "vocab.json", "merges.txt"};

}  // namespace

void carry_tokenizer(const fs::path& from, const fs::path& to) {
  bool found = false;
  for (const char* name : kTokenizerFiles) {
    std::error_code error;
    if (!fs::is_regular_file(from / name, error)) continue;  // links of the hub's cache are followed
    fs::copy_file(from / name, to / name, fs::copy_options::overwrite_existing, error);
    if (error) fail("{}: cannot copy to {}: {}", (from / name).string(), to.string(), error.message());
    found = true;
  }
  if (!found) fail("{}: holds no tokenizer (tokenizer.json or vocab.txt) to carry along", from.string());
}

void write_model(Model& model, const fs::path& tokenizer, const fs::path& folder, at::ScalarType dtype) {
  save_model(model, folder, dtype);
  carry_tokenizer(tokenizer, folder);
}

}  // namespace dsd
