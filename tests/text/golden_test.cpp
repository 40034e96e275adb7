// What the tokenizers package says (scripts/reference/tokenizer_golden.py), id for id; and the vectors that llama.cpp
// publishes for BERT's vocabulary, where the shared data is there.
#include <fstream>
#include <iostream>
#include <sstream>

#include "tests/text/support.h"

namespace dsd {

using namespace dsd::testing;

namespace {

std::string read(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  REQUIRE_MESSAGE(file.good(), path.string());
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

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
  const nlohmann::json golden = nlohmann::json::parse(read("tests/text/golden/tokenizers.json"));
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
  const std::string input = read(data / "llamacpp_golden" / "bert-bge.inp");
  std::istringstream output(read(data / "llamacpp_golden" / "bert-bge.out"));
  const std::string separator = "\n__ggml_vocab_test__\n";
  EncodeOptions options;
  options.special_tokens = false;
  int compared = 0;
  for (std::size_t at = 0; at < input.size(); ++compared) {
    const std::size_t end = std::min(input.find(separator, at), input.size());
    std::string line;
    REQUIRE(std::getline(output, line));
    std::istringstream numbers(line);
    Ids wanted;
    for (std::int32_t id; numbers >> id;) wanted.push_back(id);
    const std::string text = input.substr(at, end - at);
    INFO(text);
    CHECK(tokenizer.encode(text, options).ids == wanted);
    at = end + separator.size();
  }
  CHECK(compared >= 40);
}

}  // namespace dsd
