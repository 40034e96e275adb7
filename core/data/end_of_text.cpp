#include "core/data/end_of_text.h"

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/formats/json.h"

namespace dsd {
namespace {

namespace fs = std::filesystem;

// The object in a file; an empty one where there is no file.
Json object_in(const fs::path& file) {
  std::error_code error;
  if (!fs::exists(file, error)) return Json::object();
  constexpr std::size_t kMostBytes = std::size_t{1} << 26;
  Json object = parse_json(read_text(file, kMostBytes), file.string());
  if (!object.is_object()) fail("{}: holds no JSON object", file.string());
  return object;
}

std::optional<EndOfText> by_name(const Tokenizer& tokenizer, const fs::path& file) {
  const Json object = object_in(file);
  auto name = object.find("eos_token");
  if (name == object.end() || name->is_null()) return std::nullopt;
  const Json& content = name->is_object() && name->contains("content") ? (*name)["content"] : *name;
  if (!content.is_string()) fail("{}: 'eos_token' is {}; expected a token", file.string(), brief(*name));
  const auto text = content.get<std::string>();
  const auto id = tokenizer.id_of(text);
  if (!id) fail("{}: 'eos_token' is '{}', which {} does not hold", file.string(), text, tokenizer.file().string());
  return EndOfText{.id = *id, .source = fmt::format("'{}' of {}", text, file.filename().string())};
}

std::optional<EndOfText> by_id(const Tokenizer& tokenizer, const fs::path& file) {
  const Json object = object_in(file);
  const auto found = object.find("eos_token_id");
  if (found == object.end() || found->is_null() || (found->is_array() && found->empty())) return std::nullopt;
  const Json& id = found->is_array() ? found->front() : *found;
  if (!id.is_number_integer() || id < 0 || id >= tokenizer.vocab_size())
    fail("{}: 'eos_token_id' is {}; expected an id below {}", file.string(), brief(*found), tokenizer.vocab_size());
  const auto token = id.get<std::int32_t>();
  return EndOfText{
      .id = token,
      .source = fmt::format("'{}' of {}", tokenizer.token_of(token).value_or("?"), file.filename().string())};
}

}  // namespace

std::optional<EndOfText> end_of_text(const Tokenizer& tokenizer) {
  const fs::path folder = tokenizer.file().parent_path();
  if (auto found = by_name(tokenizer, folder / "tokenizer_config.json")) return found;
  if (auto found = by_id(tokenizer, folder / "generation_config.json")) return found;
  return by_id(tokenizer, folder / "config.json");
}

}  // namespace dsd
