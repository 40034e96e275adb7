#include "core/model/families/head.h"

#include "core/base/error.h"

namespace dsd {
namespace {

const char* class_suffix(HeadKind head) {
  switch (head) {
    case HeadKind::classes:
    case HeadKind::values:
      return "ForSequenceClassification";
    case HeadKind::masked_tokens:
      return "ForMaskedLM";
    case HeadKind::next_token:
      return "ForCausalLM";
    case HeadKind::none:
      return "Model";
  }
  fail("a head without a class in transformers");
}

}  // namespace

bool has_classifier(HeadKind head) { return head == HeadKind::classes || head == HeadKind::values; }

ModelConfig with_head(ModelConfig config, const std::string& stem, HeadKind kind, std::int64_t outputs) {
  HeadInfo& head = config.head;
  if (!has_classifier(kind)) head = {};
  head.architectures = {stem + class_suffix(kind)};
  if (!has_classifier(kind)) return config;
  if (static_cast<std::int64_t>(head.labels.size()) != outputs) {
    head.labels.clear();
    for (std::int64_t i = 0; i < outputs; ++i) head.labels.push_back(fmt::format("LABEL_{}", i));
  }
  const bool several = head.problem_type == ProblemType::multi_label_classification;
  if (kind == HeadKind::values) head.problem_type = ProblemType::regression;
  else if (!several) head.problem_type = ProblemType::single_label_classification;
  return config;
}

}  // namespace dsd
