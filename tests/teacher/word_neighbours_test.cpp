// Words that stand in for others: nearest by cosine, rarer words by the mean of their pieces, and a masked model's own.
#include "core/teacher/word_neighbours.h"

#include <map>
#include <set>

#include "core/base/error.h"
#include "core/data/words.h"
#include "tests/data/support.h"

#include "tests/check.h"

namespace dsd {
namespace {

const std::vector<std::string> kVocabulary{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "great",
                                           "bad",   "awful", "the",   "##ish", "film",   "of"};

Tokenizer tokenizer_in(const testing::Folder& folder) {
  std::string text;
  for (const auto& word : kVocabulary) text += word + "\n";
  folder.write("vocab.txt", text);
  folder.write("tokenizer_config.json", R"({"tokenizer_class": "BertTokenizer", "do_lower_case": true})");
  return Tokenizer::load(folder.path());
}

// Angles in degrees; the lengths must not matter.
Tensor embeddings() {
  const std::map<std::string, double> angles{{"good", 0}, {"great", 10}, {"bad", 180}, {"awful", 170},
                                             {"the", 90}, {"##ish", 40}, {"film", 60}, {"of", 95}};
  Tensor table = at::zeros({static_cast<std::int64_t>(kVocabulary.size()), 2});
  for (std::size_t i = 0; i < kVocabulary.size(); ++i)
    if (const auto found = angles.find(kVocabulary[i]); found != angles.end()) {
      const double angle = found->second * M_PI / 180;
      table[static_cast<std::int64_t>(i)] = at::tensor({std::cos(angle), std::sin(angle)}) * static_cast<double>(1 + i);
    }
  return table;
}

// Holds one word likeliest wherever it is masked.
class Filler final : public Model {
 public:
  Outputs forward(const Batch& batch, const Wanted&, const Pass&) override {
    CHECK(batch.streams[0].ids[batch.rows[0].item<int>()].item<int>() == 4);  // [MASK] stands there
    ++calls;
    Tensor logits = at::zeros({1, static_cast<std::int64_t>(kVocabulary.size())});
    logits[0][8] = 5;   // awful
    logits[0][10] = 9;  // ##ish is no word
    Scores scores;
    scores.dense = logits, scores.classes = logits.size(1);
    return {.heads = {scores}, .captured = {}, .routing = {}};
  }
  Tensor embed(const Batch&, int) override { return {}; }
  std::span<Parameter> parameters() override { return {}; }
  const ModelConfig& config() const override { return config_; }
  int calls = 0;

 private:
  ModelConfig config_{.family = BertConfig{.max_position_embeddings = 32}, .head = {}, .json = {}};
};

const RandomKey kKey{.seed = 1, .purpose = Purpose::adversary};

TEST_CASE("candidates are whole words by cosine, nearest first, the word itself left out") {
  const testing::Folder folder;
  const Tokenizer tokenizer = tokenizer_in(folder);
  WordNeighbours neighbours(tokenizer, embeddings(), nullptr, {.candidates = 3});
  using Words = std::vector<std::string>;
  CHECK(neighbours.nearest("good") == Words{"great", "film", "the"});  // "of" is too short, "##ish" no word
  CHECK(neighbours.nearest("Bad") == Words{"awful", "the", "film"});
  // goodish = good + ##ish, whose mean has its own direction; good itself may stand in for it.
  const Tensor mean = (embeddings()[5] + embeddings()[10]) / 2;
  const double angle = std::atan2(mean[1].item<double>(), mean[0].item<double>()) * 180 / M_PI;
  std::vector<std::pair<double, std::string>> by_angle{{std::abs(angle - 0), "good"},
                                                       {std::abs(angle - 10), "great"},
                                                       {std::abs(angle - 60), "film"},
                                                       {std::abs(angle - 90), "the"}};
  std::ranges::sort(by_angle);
  CHECK(neighbours.nearest("goodish") == Words{by_angle[0].second, by_angle[1].second, by_angle[2].second});
}

TEST_CASE("words are replaced as often as asked for, by candidates alone; what is short stays") {
  const testing::Folder folder;
  const Tokenizer tokenizer = tokenizer_in(folder);
  WordNeighbours neighbours(tokenizer, embeddings(), nullptr, {.words = 0.5, .candidates = 1});
  int replaced = 0;
  for (std::uint64_t row = 0; row < 400; ++row) {
    const std::string text = neighbours.changed("good, of bad!", kKey, row);
    CHECK(
        std::set<std::string>{"good, of bad!", "great, of bad!", "good, of awful!", "great, of awful!"}.contains(text));
    replaced += text.starts_with("great") ? 1 : 0;
    CHECK(text == neighbours.changed("good, of bad!", kKey, row));
  }
  CHECK(std::abs(replaced - 200) < 4 * 10);
  WordNeighbours none(tokenizer, embeddings(), nullptr, {.words = 0, .characters = 1});
  CHECK(none.changed("good, of bad!", kKey, 0) != "good, of bad!");
}

TEST_CASE("a masked model fills in words of one token, and embeddings serve the others") {
  const testing::Folder folder;
  const Tokenizer tokenizer = tokenizer_in(folder);
  const auto filler = std::make_shared<Filler>();
  WordNeighbours neighbours(tokenizer, embeddings(), filler, {.words = 1, .candidates = 1});
  CHECK(neighbours.changed("good", kKey, 0) == "awful");
  CHECK(filler->calls == 1);
  CHECK(neighbours.changed("goodish", kKey, 0) != "awful");
  CHECK(filler->calls == 1);
}

}  // namespace
}  // namespace dsd
