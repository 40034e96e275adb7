// What the tokenizers package makes of lines through tokenizers over BPE (scripts/reference/bpe_golden.py), and the
// vectors that llama.cpp publishes for GPT-2's and Llama 2's vocabularies, where the shared data is there.
#include <iostream>
#include <sstream>

#include "core/base/files.h"
#include "core/text/decode_stream.h"
#include "tests/text/support.h"

namespace dsd {

using namespace dsd::testing;

namespace {

Tokenizer tokenizer_of(const nlohmann::json& golden, const nlohmann::json& item) {
  nlohmann::json json = item["rest"];
  json["model"] = golden["models"][item["model"].get<std::string>()];
  return parse(json);
}

void check_lines(const Tokenizer& tokenizer, const nlohmann::json& item, const std::vector<std::string>& lines) {
  EncodeOptions options;
  options.spans = true;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    INFO(lines[i]);
    const Encoding encoding = tokenizer.encode(lines[i], options);
    CHECK(encoding.ids == item["ids"][i].get<Ids>());
    CHECK(tokenizer.encode(lines[i]).ids == encoding.ids);
    if (item.contains("spans")) CHECK(encoding.spans == item["spans"][i].get<std::vector<ByteSpan>>());
    if (item.contains("decoded")) CHECK(tokenizer.decode(encoding.ids) == item["decoded"][i].get<std::string>());
  }
}

void check_stream(const Tokenizer& tokenizer, const nlohmann::json& stream) {
  DecodeStream decoder(tokenizer);
  const auto ids = stream["ids"].get<Ids>();
  for (std::size_t i = 0; i < ids.size(); ++i) CHECK(decoder.push(ids[i]) == stream["texts"][i].get<std::string>());
}

}  // namespace

TEST_CASE("each stage over BPE gives the package's ids, places and texts") {
  const nlohmann::json golden = nlohmann::json::parse(read_text("tests/text/golden/bpe.json"));
  const auto lines = golden["lines"].get<std::vector<std::string>>();
  for (const auto& item : golden["cases"]) {
    INFO(item["name"].get<std::string>());
    const Tokenizer tokenizer = tokenizer_of(golden, item);
    check_lines(tokenizer, item, lines);
    if (item.contains("stream")) check_stream(tokenizer, item["stream"]);
    if (!item.contains("loose")) continue;
    const auto ids = item["loose"]["ids"].get<Ids>();
    CHECK(tokenizer.decode(ids) == item["loose"]["decoded"].get<std::string>());
  }
  CHECK(golden["cases"].size() >= 25);
}

TEST_CASE("a stream of bytes in no order ends in the text of all of them") {
  const nlohmann::json golden = nlohmann::json::parse(read_text("tests/text/golden/bpe.json"));
  for (const auto& item : golden["cases"]) {
    if (item["model"] != "bytes" || !item.contains("loose")) continue;
    const Tokenizer tokenizer = tokenizer_of(golden, item);
    DecodeStream stream(tokenizer);
    std::string text;
    for (int round = 0; round < 2; ++round) {
      text.clear();
      for (const std::int32_t id : item["loose"]["ids"].get<Ids>()) text += stream.push(id);
      text += stream.finish();
      CHECK(text == item["loose"]["decoded"].get<std::string>());
    }
  }
}

TEST_CASE("llama.cpp's strings through GPT-2's and Llama 2's vocabularies") {
  const fs::path data = "../shared/data/tokenizers";
  if (!fs::exists(data / "gpt2" / "tokenizer.json")) {
    std::cout << "skipped: no ../shared/data, so the real vocabularies are not tried\n";
    CHECK(true);
    return;
  }
  for (const auto& [folder, name] : {std::pair{"gpt2", "gpt-2"}, {"llama2", "llama-spm"}}) {
    const Tokenizer tokenizer = Tokenizer::load(data / folder / "tokenizer.json");
    CHECK(check_published(tokenizer, data / "llamacpp_golden", name) >= 40);
  }
  const Tokenizer qwen = Tokenizer::load(data / "qwen1.5");
  CHECK(check_published(qwen, data / "llamacpp_golden", "qwen2") >= 40);
}

}  // namespace dsd
