#include "core/data/language_model.h"

#include <algorithm>

#include "core/base/error.h"
#include "core/data/documents.h"
#include "core/data/end_of_text.h"
#include "core/data/rows.h"
#include "core/data/token_stream.h"

namespace dsd {
namespace {

using Ids = std::vector<std::int32_t>;

// What stands around every document.
struct Frame {
  Ids before, after;
  std::string end;  // where the end-of-text token comes from; empty: there is none

  explicit Frame(const Tokenizer& tokenizer) {
    Ids* side = &before;
    for (const TemplatePart& part : tokenizer.around().single) {
      if (part.kind == TemplatePart::Kind::first) side = &after;
      else side->insert(side->end(), part.ids.begin(), part.ids.end());
    }
    const auto token = end_of_text(tokenizer);
    if (!token) return;
    end = token->source;
    if (after.empty() || after.back() != token->id) after.push_back(token->id);
  }
};

// Cuts the tokens of one document after the other. The last token of a piece is the first input of the next one.
class Cutter {
 public:
  Cutter(std::int64_t max_length, const PieceSink& sink) : length_(static_cast<std::size_t>(max_length)), sink_(sink) {}

  void add(std::span<const std::int32_t> ids) {
    held_.insert(held_.end(), ids.begin(), ids.end());
    std::size_t at = 0;
    for (; held_.size() - at > length_; at += length_) give(at, at + length_ + 1);
    held_.erase(held_.begin(), held_.begin() + static_cast<std::ptrdiff_t>(at));
  }

  // `first_target` of the next document, as a place in it; 1: all but its first token are told.
  void begin(std::int64_t first_target) { first_target_ = first_target; }

  void finish() {
    if (held_.size() > 1) give(0, held_.size());
    held_.clear();
  }

  std::int64_t pieces() const { return pieces_; }
  std::int64_t targets() const { return targets_; }

 private:
  void give(std::size_t from, std::size_t to) {
    const auto count = static_cast<std::int64_t>(to - from);
    const std::int64_t first = std::max<std::int64_t>(1, first_target_);
    first_target_ -= count - 1;  // the next piece begins with this one's last token
    if (first >= count) return;  // a piece of a prompt: nothing of it is told
    piece_.ids.assign(held_.begin() + static_cast<std::ptrdiff_t>(from),
                      held_.begin() + static_cast<std::ptrdiff_t>(to));
    piece_.first_target = static_cast<std::int32_t>(first);
    sink_(piece_);
    ++pieces_;
    targets_ += piece_.targets();
  }

  std::size_t length_;
  const PieceSink& sink_;
  Ids held_;
  Example piece_;
  std::int64_t first_target_ = 1;
  std::int64_t pieces_ = 0, targets_ = 0;
};

std::string counted(std::int64_t count, std::string_view what) {
  return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

struct Reading {
  const DataConfig& data;
  const std::filesystem::path& path;
  const Tokenizer& tokenizer;
  std::int64_t limit;
  Frame frame;
  Cutter cutter;
  ReadDocuments read;

  bool goes_on() const { return limit == 0 || read.documents < limit; }

  void read_text() {
    DocumentReader reader(path, {.separator = data.separator, .articles = data.articles});
    TokenStream stream(tokenizer);
    Ids ids;
    while (goes_on() && reader.next()) {
      cutter.begin(1);
      cutter.add(frame.before);
      for (auto piece = reader.piece(); !piece.empty(); piece = reader.piece()) {
        read.text_bytes += std::ssize(piece);
        stream.add(piece, ids);
        cutter.add(ids);
        ids.clear();
      }
      stream.finish(ids);
      cutter.add(ids);
      ids.clear();
      cutter.add(frame.after);
      cutter.finish();
      ++read.documents;
    }
    if (read.documents == 0) fail("{}: is empty; expected text", path.string());
    if (stream.forced_cuts() > 0)
      read.notes.push_back(fmt::format(
          "{}: has stretches of {} MiB and more without a place to cut; the tokens at {} may not be those of the whole "
          "text",
          path.string(), (TokenStream::kWindow * 16) >> 20, counted(stream.forced_cuts(), "place")));
  }

  void read_rows() {
    const auto rows = open_language_rows(data, path);
    std::int64_t empty = 0, first_empty = 0, cut = 0;
    Row row;
    while (goes_on() && rows->next(row)) {
      if (row.pair ? row.pair->empty() : row.text.empty()) {
        if (empty++ == 0) first_empty = rows->line();
        continue;
      }
      const std::int64_t before = cutter.pieces();
      if (row.pair) add_answer(prompt_text(data, row.text, row.input.value_or("")), *row.pair);
      else add_document(row.text);
      ++read.documents;
      cut += row.pair && cutter.pieces() - before != 1 ? 1 : 0;
    }
    if (empty > 0)
      read.notes.push_back(fmt::format("{}: {} without {} skipped (first: line {})", path.string(),
                                       counted(empty, "row"), empty == 1 ? "text was" : "text were", first_empty));
    if (cut > 0)
      read.notes.push_back(
          fmt::format("{}: {} longer than data.max_length {}; of an answer's later pieces the model sees no prompt",
                      path.string(), counted(cut, "row") + (cut == 1 ? " is" : " are"), data.max_length));
  }

  void add_document(std::string_view text) {
    cutter.begin(1);
    cutter.add(frame.before);
    cutter.add(tokenizer.encode(text, {.special_tokens = false}).ids);
    cutter.add(frame.after);
    cutter.finish();
    read.text_bytes += std::ssize(text);
  }

  void add_answer(std::string prompt, std::string_view answer) {
    const std::size_t boundary = prompt.size();
    prompt += answer;
    const Encoding tokens = tokenizer.encode(prompt, {.special_tokens = false, .spans = true});
    const auto is_prompt = [&](const ByteSpan& span) { return static_cast<std::size_t>(span.second) <= boundary; };
    const auto first = std::ranges::find_if_not(tokens.spans, is_prompt) - tokens.spans.begin();
    cutter.begin(std::ssize(frame.before) + first);
    cutter.add(frame.before);
    cutter.add(tokens.ids);
    cutter.add(frame.after);
    cutter.finish();
    read.text_bytes += std::ssize(answer);
  }
};

}  // namespace

std::string prompt_text(const DataConfig& data, std::string_view prompt, std::string_view input) {
  if (!data.prompt_template)
    return input.empty() ? fmt::format("{}\n", prompt) : fmt::format("{}\n{}\n", prompt, input);
  // From the last place to the first, or a prompt that holds "{input}" itself would be filled in.
  std::string text = *data.prompt_template;
  constexpr std::string_view kPrompt = "{prompt}", kInput = "{input}";
  for (std::size_t at = text.size(); at-- > 0;) {
    if (text.compare(at, kPrompt.size(), kPrompt) == 0) text.replace(at, kPrompt.size(), prompt);
    else if (text.compare(at, kInput.size(), kInput) == 0) text.replace(at, kInput.size(), input);
  }
  return text;
}

ReadDocuments read_documents(const DataConfig& data, const std::filesystem::path& path, const Tokenizer& tokenizer,
                             std::int64_t limit, const PieceSink& sink) {
  Reading reading{.data = data,
                  .path = path,
                  .tokenizer = tokenizer,
                  .limit = limit,
                  .frame = Frame(tokenizer),
                  .cutter = Cutter(data.max_length, sink),
                  .read = {}};
  const TextFormat format = format_of(path, data.format);
  if (format == TextFormat::tsv)
    fail("{}: a language model reads text and JSONL, not TSV: a text may hold tabs and line breaks", path.string());
  if (format == TextFormat::text) {
    if (data.columns.prompt)
      fail("{}: a text file has no prompts and answers; data.columns.prompt is for JSONL", path.string());
    reading.read_text();
  } else {
    reading.read_rows();
  }
  ReadDocuments read = std::move(reading.read);
  if (reading.cutter.targets() == 0)
    fail("{}: holds no token that another one comes before: there is nothing to tell", path.string());
  read.notes.insert(
      read.notes.begin(),
      fmt::format(
          "{}: {} in {}, {}; {}", path.string(), counted(read.documents, "document"),
          counted(reading.cutter.pieces(), "piece"), counted(reading.cutter.targets(), "token") + " to tell",
          reading.frame.end.empty() ? "no file names a token that ends one" : "each ends in " + reading.frame.end));
  return read;
}

}  // namespace dsd
