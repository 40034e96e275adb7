// `dsdistill generate MODEL [PROMPT...]`: texts that go on from prompts, as they come; or a file of prompts, in
// batches, into a JSONL file that an interrupted run goes on with.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <utility>

#include "cli/commands.h"
#include "cli/threads.h"
#include "core/base/error.h"
#include "core/base/files.h"
#include "core/data/lines.h"
#include "core/eval/generator.h"
#include "core/formats/json.h"
#include "core/formats/locate.h"
#include "core/text/decode_stream.h"
#include "core/text/utf8.h"

namespace dsd {
namespace {

namespace fs = std::filesystem;

std::string_view name_of(Ending ending) {
  switch (ending) {
    case Ending::end_token:
      return "end_token";
    case Ending::length:
      return "length";
    case Ending::sink:
      return "stop";
  }
  return "";
}

// A text under way: what has been shown of it, and whether a stop string has been met.
class Output {
 public:
  Output(const Tokenizer& tokenizer, const std::vector<std::string>& stops, bool prints)
      : stream_(tokenizer), stops_(stops), prints_(prints) {}

  // False once a stop string stands in the text, which then ends before it.
  bool add(std::int32_t token) {
    text_ += stream_.push(token);
    for (const std::string& stop : stops_) {
      const std::size_t at = text_.find(stop, shown_ > longest_stop() ? shown_ - longest_stop() : 0);
      if (at == std::string::npos) continue;
      text_.resize(at);
      show(text_.size());
      return false;
    }
    // What may be the beginning of a stop string waits.
    show(text_.size() - std::min(text_.size(), waiting()));
    return true;
  }

  const std::string& finish(Ending ending) {
    if (ending != Ending::sink) text_ += stream_.finish();
    show(text_.size());
    return text_;
  }

 private:
  std::size_t longest_stop() const {
    std::size_t most = 0;
    for (const std::string& stop : stops_) most = std::max(most, stop.size());
    return most;
  }
  // Bytes at the text's end that a stop string may begin with.
  std::size_t waiting() const {
    std::size_t most = 0;
    for (const std::string& stop : stops_)
      for (std::size_t length = std::min(stop.size(), text_.size()); length > most; --length)
        if (text_.ends_with(std::string_view(stop).substr(0, length))) most = length;
    return most;
  }
  void show(std::size_t end) {
    if (end <= shown_) return;
    if (prints_ &&
        (std::fwrite(text_.data() + shown_, 1, end - shown_, stdout) != end - shown_ || std::fflush(stdout) != 0))
      fail("standard output: cannot be written to");
    shown_ = end;
  }

  DecodeStream stream_;
  const std::vector<std::string>& stops_;
  bool prints_;
  std::string text_;
  std::size_t shown_ = 0;
};

// What reading prompts took, up to the first new token, and what writing took from there.
class Clock {
 public:
  void begin() { began_ = now(), waits_ = true; }
  void token() {
    if (std::exchange(waits_, false)) reading_ += since(began_), began_ = now();
  }
  void end() { (waits_ ? reading_ : writing_) += since(began_); }
  void read(std::size_t tokens) { read_ += tokens; }
  // The first one comes with the prompt.
  void written(std::size_t tokens) { written_ += tokens > 0 ? tokens - 1 : 0; }

  std::string text() const {
    return fmt::format("prefill {} tokens at {:.1f} tokens/s, decoding {} tokens at {:.1f} tokens/s", read_,
                       static_cast<double>(read_) / reading_, written_, static_cast<double>(written_) / writing_);
  }

 private:
  using Time = std::chrono::steady_clock::time_point;
  static Time now() { return std::chrono::steady_clock::now(); }
  static double since(Time begin) { return std::chrono::duration<double>(now() - begin).count(); }

  Time began_;
  bool waits_ = false;
  double reading_ = 0, writing_ = 0;
  std::size_t read_ = 0, written_ = 0;
};

class Writer {
 public:
  explicit Writer(const GenerateOptions& options)
      : options_(options),
        folder_(locate_model(options.model)),
        model_(load_frozen_model(folder_, options.dtype == "bf16")),
        tokenizer_(Tokenizer::load(folder_)) {
    settings_ = {.sampling = {.temperature = options.temperature,
                              .top_k = options.top_k,
                              .top_p = options.top_p,
                              .seed = options.seed},
                 .new_tokens = options.new_tokens,
                 .end_tokens = end_tokens(model_->config(), folder_)};
    if (options.ignore_end) settings_.end_tokens.clear();
  }

  struct Text {
    std::string text;
    std::vector<std::int32_t> ids;
    std::size_t prompt_tokens = 0;
    Ending ending = Ending::length;
  };

  // `first` is the number of prompts[0] among all.
  std::vector<Text> write(const std::vector<std::string>& prompts, std::uint32_t first, bool prints) {
    std::vector<std::vector<std::int32_t>> ids;
    std::vector<Output> outputs;
    for (const std::string& prompt : prompts) {
      ids.push_back(tokenizer_.encode(prompt).ids);
      outputs.emplace_back(tokenizer_, options_.stops, prints);
    }
    clock_.begin();
    const auto generated = generate(*model_, ids, settings_, first, [&](std::size_t p, std::int32_t token) {
      clock_.token();
      return outputs[p].add(token);
    });
    clock_.end();
    for (std::size_t p = 0; p < prompts.size(); ++p)
      clock_.read(ids[p].size()), clock_.written(generated[p].ids.size());
    std::vector<Text> texts;
    for (std::size_t p = 0; p < prompts.size(); ++p)
      texts.push_back({.text = outputs[p].finish(generated[p].ending),
                       .ids = generated[p].ids,
                       .prompt_tokens = ids[p].size(),
                       .ending = generated[p].ending});
    return texts;
  }

  std::string timing() const { return clock_.text(); }

 private:
  const GenerateOptions& options_;
  fs::path folder_;
  std::unique_ptr<Model> model_;
  Tokenizer tokenizer_;
  GenerationSettings settings_;
  Clock clock_;
};

void require_utf8(const std::string& text, const std::string& place) {
  if (const auto bad = check_utf8(text)) fail("{}: byte {} is not valid UTF-8", place, *bad + 1);
}

// The prompts that OUT answers already: its whole lines, each of which must repeat its prompt.
std::size_t answered(const fs::path& out, const std::vector<std::string>& prompts) {
  if (!fs::exists(out)) return 0;
  const std::string text = read_text(out, std::size_t{1} << 32);
  std::size_t count = 0, kept = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = text.find('\n', at);
    if (end == std::string::npos) break;  // cut off amid a line: written again
    ++count;
    const std::string place = fmt::format("{}:{}", out.string(), count);
    const Json line = parse_json(std::string_view(text).substr(at, end - at), place);
    if (count > prompts.size() || !line.contains("prompt") || line["prompt"] != prompts[count - 1])
      fail_as(ExitCode::bad_input, "{}: answers another prompt than line {} of the prompts' file; name another --out",
              place, count);
    at = kept = end + 1;
  }
  if (kept < text.size()) fs::resize_file(out, kept);
  return count;
}

std::vector<std::string> read_prompts(const std::string& file) {
  std::vector<std::string> prompts;
  LineReader lines{fs::path(file)};
  std::string_view line;
  while (lines.next(line)) {
    if (line.empty()) fail("{}: the prompt is empty", lines.place());
    prompts.emplace_back(line);
  }
  if (prompts.empty()) fail("{}: holds no prompt", file);
  return prompts;
}

void write_file(const GenerateOptions& options) {
  constexpr std::size_t kBatch = 16;
  const std::vector<std::string> prompts = read_prompts(options.prompts);
  const std::size_t done = answered(options.out, prompts);
  if (done > 0)
    fmt::print(stderr, "{} of {} prompts are answered in {}: going on\n", done, prompts.size(), options.out);
  if (done == prompts.size()) return;
  Writer writer(options);
  std::ofstream out(options.out, std::ios::binary | std::ios::app);
  for (std::size_t at = done; at < prompts.size(); at += kBatch) {
    const std::size_t end = std::min(at + kBatch, prompts.size());
    const std::vector<std::string> batch(prompts.begin() + static_cast<std::ptrdiff_t>(at),
                                         prompts.begin() + static_cast<std::ptrdiff_t>(end));
    const auto texts = writer.write(batch, static_cast<std::uint32_t>(at), false);
    for (std::size_t i = 0; i < texts.size(); ++i) {
      const Json line{{"prompt", batch[i]},
                      {"text", texts[i].text},
                      {"prompt_tokens", texts[i].prompt_tokens},
                      {"new_tokens", texts[i].ids.size()},
                      {"ending", name_of(texts[i].ending)}};
      out << line.dump() << '\n';
    }
    out.flush();
    if (!out) fail("{}: cannot be written to; is the disk full?", options.out);
  }
  if (options.timing) fmt::print(stderr, "{}\n", writer.timing());
}

}  // namespace

int run_generate(const GenerateOptions& options) {
  use_threads(options.threads);
  if (options.prompts.empty() != options.out.empty())
    fail_as(ExitCode::bad_input, "--prompts and --out belong together: a file of prompts, and where their texts go");
  if (!options.prompts.empty()) {
    if (!options.texts.empty())
      fail_as(ExitCode::bad_input, "prompts stand on the command line and in --prompts; keep one");
    write_file(options);
    return static_cast<int>(ExitCode::done);
  }
  if (options.texts.empty()) fail_as(ExitCode::bad_input, "no prompt: give a text, or --prompts FILE --out FILE.jsonl");
  for (std::size_t i = 0; i < options.texts.size(); ++i)
    require_utf8(options.texts[i], fmt::format("prompt {}", i + 1));
  Writer writer(options);
  for (std::size_t i = 0; i < options.texts.size(); ++i) {
    fmt::print("{}", options.texts[i]);
    std::fflush(stdout);
    writer.write({options.texts[i]}, static_cast<std::uint32_t>(i), true);
    fmt::print("\n");
  }
  if (options.timing) fmt::print(stderr, "{}\n", writer.timing());
  return static_cast<int>(ExitCode::done);
}

}  // namespace dsd
