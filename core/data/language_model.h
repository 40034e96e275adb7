#pragma once
// Text of a language model as examples: each document's tokens are cut into pieces of max_length inputs, whose last
// target is the token after them, so that every token but a document's first is told exactly once.

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "core/data/dataset.h"

namespace dsd {

struct ReadDocuments {
  std::int64_t documents = 0;
  std::int64_t text_bytes = 0;     // of documents, or of answers, without what tokens the template adds
  std::vector<std::string> notes;  // for people
};

using PieceSink = std::function<void(const Example&)>;

// A document is what the tokenizer's template makes of it, and the end-of-text token where its files name one. Plain
// text is tokenised as it is read, in bounded memory; of JSONL each row is a document (columns.text), or a prompt and
// its answer, of which the answer's tokens alone are targets: those that hold a byte of it. At most `limit` documents
// (0: all). Error naming file and line, also for a file without a single target.
ReadDocuments read_documents(const DataConfig& data, const std::filesystem::path& path, const Tokenizer& tokenizer,
                             std::int64_t limit, const PieceSink& sink);

// The text that an answer follows: data.prompt_template with its places filled, or prompt and input (where it is not
// empty) on lines of their own.
std::string prompt_text(const DataConfig& data, std::string_view prompt, std::string_view input);

}  // namespace dsd
