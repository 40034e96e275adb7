// What the tokenizers package says (scripts/reference/tokenizer_golden.py), id for id; and the vectors that llama.cpp
// publishes for BERT's vocabulary, where the shared data is there.
#include <iostream>

#include "tests/text/support.h"

namespace dsd {

using namespace dsd::testing;

namespace {

void check_pairs(const Tokenizer& tokenizer, const nlohmann::json& pairs) {
  for (const auto& pair : pairs) {
    EncodeOptions options;
    options.max_length = pair["length"].get<std::int64_t>();
    const Encoding encoding =
        tokenizer.encode_pair(pair["first"].get<std::string>(), pair["second"].get<std::string>(), options);
    CHECK_MESSAGE(encoding.ids == pair["ids"].get<Ids>(), pair.dump());
    CHECK_MESSAGE(encoding.segments == pair["segments"].get<Ids>(), pair.dump());
  }
}

}  // namespace

TEST_CASE("each supported stage gives the package's ids") {
  const nlohmann::json golden = nlohmann::json::parse(read_text("tests/text/golden/tokenizers.json"));
  const auto lines = golden["lines"].get<std::vector<std::string>>();
  for (const auto& item : golden["cases"]) {
    nlohmann::json json = item["tokenizer"];
    json["model"] = golden["model"];
    const Tokenizer tokenizer = parse(json);
    EncodeOptions options;
    options.spans = true;
    for (std::size_t i = 0; i < lines.size(); ++i) {
      INFO(item["name"].get<std::string>(), ": ", lines[i]);
      const Encoding encoding = tokenizer.encode(lines[i], options);
      CHECK(encoding.ids == item["ids"][i].get<Ids>());
      CHECK(tokenizer.encode(lines[i]).ids == encoding.ids);
      if (item.contains("spans")) CHECK(encoding.spans == item["spans"][i].get<std::vector<ByteSpan>>());
      if (item.contains("decoded")) CHECK(tokenizer.decode(encoding.ids) == item["decoded"][i].get<std::string>());
    }
    if (item.contains("pairs")) check_pairs(tokenizer, item["pairs"]);
  }
}

TEST_CASE("llama.cpp's strings through BERT's vocabulary") {
  const fs::path data = "../shared/data/tokenizers";
  if (!fs::exists(data / "bert-base-uncased" / "vocab.txt")) {
    std::cout << "skipped: no ../shared/data, so BERT's real vocabulary is not tried\n";
    CHECK(true);
    return;
  }
  const Tokenizer tokenizer = Tokenizer::load(data / "bert-base-uncased");
  CHECK(check_published(tokenizer, data / "llamacpp_golden", "bert-bge") >= 40);
}

}  // namespace dsd
