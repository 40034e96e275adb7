#include "core/formats/hf_config.h"

#include "core/formats/json.h"
#include "tests/formats/support.h"

using namespace dsd;
using namespace dsd::testing;

namespace {

const char* const kSmallest =
    R"({"model_type":"bert","vocab_size":10,"hidden_size":8,"num_hidden_layers":2,"num_attention_heads":2,)"
    R"("intermediate_size":16)";

ModelConfig smallest_with(const std::string& more) {
  return parse_model_config(kSmallest + (more.empty() ? "" : "," + more) + "}", "config.json");
}

std::string complaint(const std::string& more) {
  return error_of([&] { smallest_with(more); });
}

std::string without(const std::string& key) {
  Json json = parse_json(std::string(kSmallest) + "}", "test");
  json.erase(key);
  return error_of([&] { parse_model_config(json.dump(), "config.json"); });
}

}  // namespace

TEST_CASE("a config that transformers wrote") {
  const std::string text = read_text("tests/formats/golden/bert_config.json");
  const ModelConfig config = parse_model_config(text, "config.json");
  const BertConfig expected = {.vocab_size = 99,
                               .hidden_size = 24,
                               .num_hidden_layers = 3,
                               .num_attention_heads = 4,
                               .intermediate_size = 37,
                               .hidden_act = Activation::gelu_tanh,
                               .hidden_dropout_prob = 0.25,
                               .attention_probs_dropout_prob = 0,
                               .classifier_dropout = 0.5,
                               .max_position_embeddings = 40,
                               .type_vocab_size = 3,
                               .initializer_range = 0.03,
                               .layer_norm_eps = 1e-7,
                               .pad_token_id = 5,
                               .tie_word_embeddings = false};
  CHECK(std::get<BertConfig>(config.family) == expected);
  CHECK(model_type(config.family) == "bert");
  CHECK(config.head.labels == std::vector<std::string>{"neutral", "entailment", "contradiction"});
  CHECK(config.head.architectures == std::vector<std::string>{"BertForSequenceClassification"});
  CHECK(config.head.problem_type == ProblemType::single_label_classification);
  CHECK(config.json == text);
  CHECK_FALSE(has_placeholder_labels(config.head));
}

TEST_CASE("what a config may leave out has the defaults of transformers") {
  BertConfig expected;
  expected.vocab_size = 10, expected.hidden_size = 8, expected.num_hidden_layers = 2;
  expected.num_attention_heads = 2, expected.intermediate_size = 16;
  CHECK(std::get<BertConfig>(smallest_with("").family) == expected);
  CHECK(smallest_with("").head.labels.empty());
  CHECK_FALSE(smallest_with("").head.problem_type.has_value());
  CHECK(std::get<BertConfig>(smallest_with(R"("classifier_dropout":null,"problem_type":null)").family) == expected);
  CHECK_FALSE(std::get<BertConfig>(smallest_with(R"("pad_token_id":null)").family).pad_token_id.has_value());
}

TEST_CASE("activations and problem types by all their names") {
  const auto activation = [](const std::string& name) {
    return std::get<BertConfig>(smallest_with("\"hidden_act\":\"" + name + "\"").family).hidden_act;
  };
  CHECK(activation("gelu") == Activation::gelu);
  CHECK(activation("gelu_new") == Activation::gelu_tanh);
  CHECK(activation("gelu_pytorch_tanh") == Activation::gelu_tanh);
  CHECK(activation("relu") == Activation::relu);
  CHECK(activation("silu") == Activation::silu);
  CHECK(activation("swish") == Activation::silu);
  CHECK(smallest_with(R"("problem_type":"regression")").head.problem_type == ProblemType::regression);
  CHECK(smallest_with(R"("problem_type":"multi_label_classification")").head.problem_type ==
        ProblemType::multi_label_classification);
}

TEST_CASE("labels that transformers leaves out of the file, and labels that say nothing") {
  const char* const classifier = R"("architectures":["BertForSequenceClassification"])";
  const HeadInfo two = smallest_with(classifier).head;
  CHECK(two.labels == std::vector<std::string>{"LABEL_0", "LABEL_1"});
  CHECK(two.problem_type == ProblemType::single_label_classification);
  CHECK(has_placeholder_labels(two));
  const HeadInfo one = smallest_with(std::string(classifier) + R"(,"id2label":{"0":"LABEL_0"})").head;
  CHECK(one.problem_type == ProblemType::regression);
  CHECK_FALSE(has_placeholder_labels(one));
  CHECK(smallest_with(std::string(classifier) + R"(,"num_labels":3)").head.labels.size() == 3);
  CHECK(smallest_with(R"("id2label":{"1":"b","0":"a"})").head.labels == std::vector<std::string>{"a", "b"});
}

TEST_CASE("each key that is missing, mistyped or out of range is named with what was expected") {
  CHECK(without("model_type") == "config.json: 'model_type' is missing; expected a text");
  for (const char* key : {"vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size"})
    CHECK(contains(without(key), fmt::format("config.json: '{}' is missing; expected a whole number from ", key)));
  CHECK(complaint(R"("max_position_embeddings":"512")") ==
        "config.json: 'max_position_embeddings' is \"512\"; expected a whole number from 1 to 16777216");
  CHECK(contains(complaint(R"("type_vocab_size":2.0)"), "'type_vocab_size' is 2.0; expected a whole number"));
  CHECK(contains(complaint(R"("type_vocab_size":18446744073709551615)"), "expected a whole number"));
  CHECK(contains(complaint(R"("type_vocab_size":0)"), "expected a whole number from 1"));
  CHECK(complaint(R"("hidden_dropout_prob":1)") ==
        "config.json: 'hidden_dropout_prob' is 1; expected a number of at least 0 and below 1");
  CHECK(contains(complaint(R"("layer_norm_eps":"1e-12")"), "'layer_norm_eps' is \"1e-12\"; expected a number"));
  CHECK(contains(complaint(R"("pad_token_id":10)"), "'pad_token_id' is 10; expected a whole number from 0 to 9"));
  CHECK(contains(complaint(R"("tie_word_embeddings":1)"), "expected true or false"));
  CHECK(contains(complaint(R"("architectures":"Bert")"), "expected a list of texts"));
  CHECK(contains(complaint(R"("architectures":[1])"), "expected a list of texts"));
  CHECK(complaint(R"("problem_type":"regresion")") ==
        "config.json: 'problem_type' is \"regresion\"; expected regression, single_label_classification or "
        "multi_label_classification");
  CHECK(error_of([] {
          parse_model_config(R"({"model_type":"bert","vocab_size":10,"hidden_size":8,"num_hidden_layers":2,)"
                             R"("num_attention_heads":3,"intermediate_size":16})",
                             "config.json");
        }) == "config.json: 'hidden_size' 8 is no multiple of 'num_attention_heads' 3");
  CHECK(contains(error_of([] { parse_model_config("[]", "config.json"); }), "holds no JSON object"));
  CHECK(contains(error_of([] { parse_model_config("{", "config.json"); }), "config.json:1:1: not valid JSON"));
}

TEST_CASE("what is not supported is named with what is") {
  CHECK(error_of([] { parse_model_config(R"({"model_type":"roberta"})", "config.json"); }) ==
        "config.json: 'model_type' is 'roberta'; supported: bert, llama, mistral, qwen2, v3, r1");
  CHECK(complaint(R"("position_embedding_type":"relative_key")") ==
        "config.json: 'position_embedding_type' is 'relative_key'; supported: absolute");
  CHECK(complaint(R"("hidden_act":"mish")") ==
        "config.json: 'hidden_act' is 'mish'; supported: gelu, gelu_new, gelu_pytorch_tanh, relu, silu");
  CHECK(contains(complaint(R"("is_decoder":true)"), "'is_decoder' is true"));
  CHECK(contains(complaint(R"("quantization_config":{})"), "quantised checkpoints cannot be read"));
}

TEST_CASE("id2label is complete, and its labels are distinct") {
  CHECK(complaint(R"("id2label":{"0":"a","2":"b"})") ==
        "config.json: 'id2label' has 2 entries, but an id '2'; expected each id from 0 to 1 once");
  CHECK(contains(complaint(R"("id2label":{"0":"a","00":"b"})"), "expected each id from 0 to 1 once"));
  CHECK(contains(complaint(R"("id2label":{"-1":"a"})"), "an id '-1'"));
  CHECK(contains(complaint(R"("id2label":{"99999999999999999999":"a"})"), "expected each id from 0 to 0 once"));
  CHECK(contains(complaint(R"("id2label":{"0":1})"), "gives 1 for id 0; expected a text"));
  CHECK(contains(complaint(R"("id2label":{"0":"a","1":"a"})"), "has the label 'a' twice"));
  CHECK(contains(complaint(R"("id2label":{})"), "expected an object of ids"));
  CHECK(contains(complaint(R"("id2label":["a"])"), "expected an object of ids"));
}

TEST_CASE("a student's config keeps what it is not about") {
  ModelConfig config = read_model_config([] {
    static const Folder folder;
    folder.write("config.json", read_text("tests/formats/golden/bert_config.json"));
    return folder.path();
  }());
  BertConfig& bert = std::get<BertConfig>(config.family);
  bert.num_hidden_layers = 1;
  bert.classifier_dropout.reset();
  config.head.labels = {"negative", "positive"};
  const std::string text = write_model_config(config, Dtype::bf16);
  const Json before = parse_json(config.json, "before"), after = parse_json(text, "after");

  CHECK(after.at("num_hidden_layers") == 1);
  CHECK(after.at("classifier_dropout").is_null());
  CHECK(after.at("id2label").dump() == R"({"0":"negative","1":"positive"})");
  CHECK(after.at("label2id").dump() == R"({"negative":0,"positive":1})");
  CHECK(after.at("problem_type") == "single_label_classification");
  CHECK(after.at("architectures").dump() == R"(["BertForSequenceClassification"])");
  CHECK(after.at("torch_dtype") == "bfloat16");
  CHECK_FALSE(after.contains("dtype"));
  CHECK_FALSE(after.contains("_name_or_path"));
  CHECK(after.at("hidden_act") == "gelu_new");  // as it was spelt
  for (const auto& [key, value] : before.items()) {
    const bool changed = key == "num_hidden_layers" || key == "classifier_dropout" || key == "id2label" ||
                         key == "label2id" || key == "problem_type" || key == "dtype" || key == "_name_or_path";
    if (!changed) CHECK(after.at(key) == value);
  }

  const ModelConfig again = parse_model_config(text, "config.json");
  CHECK(again.family == config.family);
  CHECK(again.head.labels == config.head.labels);
  CHECK(write_model_config(again, Dtype::bf16) == text);
}

TEST_CASE("a config made here is written in full") {
  ModelConfig config;
  BertConfig bert;
  bert.hidden_size = 96;
  config.family = bert;
  config.head = {ProblemType::regression, {"score"}, {"BertForSequenceClassification"}};
  const ModelConfig again = parse_model_config(write_model_config(config, Dtype::f32), "config.json");
  CHECK(again.family == config.family);
  CHECK(again.head.problem_type == ProblemType::regression);
  CHECK(again.head.labels == config.head.labels);
  config.head.labels = {"a", "a"};
  CHECK(contains(error_of([&] { write_model_config(config, Dtype::f32); }), "the label 'a' stands twice"));
  CHECK(contains(error_of([&] { write_model_config({}, Dtype::i64); }), "dtype I64 cannot be declared"));
}
