// Which files a tokenizer is read from, and the reading of vocab.txt.
#include <algorithm>
#include <array>

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/formats/gguf_tokenizer.h"
#include "core/text/read_vocab_json.h"
#include "core/text/tokenizer_json.h"
#include "core/text/tokenizer_settings.h"
#include "core/text/utf8.h"

namespace dsd {
namespace {

namespace fs = std::filesystem;

// One token a line; its id is the line's number from 0.
Vocabulary read_vocabulary_lines(const fs::path& path) {
  constexpr std::size_t kMostBytes = std::size_t{16} << 20;
  const std::string text = read_text(path, kMostBytes);
  std::vector<std::pair<std::string, std::int32_t>> tokens;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    std::string_view line = std::string_view(text).substr(at, end - at);
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (const auto bad = check_utf8(line))
      fail("{}:{}: byte {} is not valid UTF-8; restore the file", path.string(), tokens.size() + 1, at + *bad);
    if (static_cast<std::int64_t>(tokens.size()) > kMostTokenId)
      fail("{}: has more than {} lines; such a vocabulary is not read", path.string(), kMostTokenId + 1);
    tokens.emplace_back(line, static_cast<std::int32_t>(tokens.size()));
    at = end + 1;
  }
  if (tokens.empty()) fail("{}: is empty; restore the file", path.string());
  return Vocabulary(std::move(tokens));
}

// BERT's pipeline around a bare vocabulary, as transformers builds it.
TokenizerParts read_vocabulary_file(const fs::path& path, const TokenizerSettings& settings) {
  TokenizerParts parts;
  parts.file = path;
  parts.vocabulary = read_vocabulary_lines(path);
  const auto required = [&](const AddedToken& token) {
    const auto id = parts.vocabulary.id_of(token.content);
    if (!id)
      fail("{}: the token '{}' is missing; name the one in its place in tokenizer_config.json", path.string(),
           printable(token.content));
    return *id;
  };
  parts.normalizer = {BertNormalizer{true, settings.tokenize_chinese_chars,
                                     settings.strip_accents.value_or(settings.do_lower_case), settings.do_lower_case}};
  parts.pre_tokenizer = {BertPreTokenizer{}};
  parts.model = WordPiece{required(settings.unk), "##", 100};
  parts.around = bert_template(required(settings.cls), required(settings.sep));
  parts.decoder = {WordPieceDecoder{}};
  for (const AddedToken* token : {&settings.pad, &settings.unk, &settings.cls, &settings.sep, &settings.mask}) {
    const bool known = std::any_of(parts.added.begin(), parts.added.end(),
                                   [&](const AddedToken& other) { return other.content == token->content; });
    const auto id = parts.vocabulary.id_of(token->content);
    if (known || !id) continue;  // a vocabulary without [PAD] or [MASK] serves those who need neither
    parts.added.push_back(*token);
    parts.added.back().id = *id;
  }
  return parts;
}

// `added_tokens_decoder` speaks for the tokens that it lists; the file it stands in belongs to a vocab.txt.
void merge_added(TokenizerParts& parts, const TokenizerSettings& settings) {
  for (const AddedToken& token : settings.added) {
    const auto id = parts.vocabulary.id_of(token.content);
    if (id ? *id != token.id : token.id < parts.vocabulary.rows())
      fail("{}: the token '{}' does not have the id {} that tokenizer_config.json gives it", parts.file.string(),
           printable(token.content), token.id);
    const auto same = std::find_if(parts.added.begin(), parts.added.end(),
                                   [&](const AddedToken& other) { return other.content == token.content; });
    if (same != parts.added.end()) *same = token;
    else parts.added.push_back(token);
  }
}

constexpr std::array<const char*, 3> kReadFiles = {"tokenizer.json", "vocab.txt", "vocab.json"};
constexpr std::array<const char*, 2> kOtherFiles = {"spiece.model", "tokenizer.model"};

fs::path find_file(const fs::path& given) {
  if (!fs::is_directory(given)) {
    if (!fs::exists(given))
      fail("{}: no such file or folder; name a tokenizer.json or a model's folder", given.string());
    return given;
  }
  for (const char* name : kReadFiles)
    if (fs::exists(given / name)) return given / name;
  for (const char* name : kOtherFiles)
    if (fs::exists(given / name))
      fail(
          "{}: SentencePiece's files (Unigram, as T5's) and tiktoken's are not read; save a tokenizer.json with "
          "transformers' save_pretrained()",
          (given / name).string());
  fail("{}: has neither tokenizer.json nor vocab.txt nor vocab.json; name the folder of a model with its tokenizer",
       given.string());
}

void find_special_ids(TokenizerParts& parts, const TokenizerSettings& settings) {
  const auto id_of = [&](const AddedToken& token) -> std::optional<std::int32_t> {
    if (token.content.empty()) return std::nullopt;
    for (const AddedToken& added : parts.added)
      if (added.content == token.content) return added.id;
    return parts.vocabulary.id_of(token.content);
  };
  parts.special = {id_of(settings.pad), id_of(settings.cls), id_of(settings.sep), id_of(settings.mask),
                   id_of(settings.unk), id_of(settings.bos), id_of(settings.eos)};
  if (const auto* model = std::get_if<WordPiece>(&parts.model)) parts.special.unk = model->unknown_id;
}

}  // namespace

bool holds_tokenizer(const fs::path& folder) {
  const auto holds = [&](const char* name) { return fs::exists(folder / name); };
  return std::any_of(kReadFiles.begin(), kReadFiles.end(), holds) ||
         std::any_of(kOtherFiles.begin(), kOtherFiles.end(), holds);
}

TokenizerParts read_tokenizer(const fs::path& file_or_folder) {
  const fs::path file = find_file(file_or_folder);
  TokenizerSettings settings;
  TokenizerParts parts;
  if (is_gguf(file)) {
    const GgufFile gguf = GgufFile::open(file);
    settings = parse_tokenizer_settings(gguf_tokenizer_config(gguf), file);
    parts = parse_tokenizer_json(gguf_tokenizer_json(gguf), file);
  } else if (settings = read_tokenizer_settings(file.parent_path());
             file.filename() == "vocab.json" || file.filename() == "merges.txt") {
    parts = read_vocab_json(file.parent_path(), settings);
    merge_added(parts, settings);
  } else if (file.extension() == ".txt") {
    parts = read_vocabulary_file(file, settings);
    merge_added(parts, settings);
  } else {
    parts = parse_tokenizer_json(read_text(file, kMostJsonBytes), file);
  }
  if (settings.truncate_left) parts.truncate_left = *settings.truncate_left;
  find_special_ids(parts, settings);
  return parts;
}

}  // namespace dsd
