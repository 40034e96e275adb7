#include "cli/run_parts.h"

#include <numeric>

#include "cli/copies.h"
#include "cli/pruned_student.h"
#include "core/base/error.h"
#include "core/base/program.h"
#include "core/eval/labels.h"
#include "core/formats/json.h"
#include "core/formats/locate.h"
#include "core/model/freeze.h"
#include "core/model/preset_config.h"
#include "core/recipe/check.h"

namespace dsd {
namespace {

namespace fs = std::filesystem;

void append_split(Dataset* data, const Recipe& recipe, const Task& task, const Tokenizer& tokenizer, Split split,
                  std::int64_t limit) {
  for (const auto& file : split_files(task, recipe.data, split))
    data->append(task, recipe.data, file, tokenizer, limit);
}

// What `predict` asks about a model, and transformers has no key for: whether it was trained on pairs.
std::string with_task(const std::string& json, const Task& task) {
  Json keys = json.empty() ? Json::object() : parse_json(json, "config.json");
  keys["dsdistill"] = {{"task", task.name}, {"pair", task.pair}};
  return write_json(keys);
}

template <class Family>
void resize_common(Family& family, const StudentConfig& wanted) {
  family.num_hidden_layers = wanted.layers.value_or(family.num_hidden_layers);
  family.hidden_size = wanted.hidden.value_or(family.hidden_size);
  family.num_attention_heads = wanted.heads.value_or(family.num_attention_heads);
  family.intermediate_size = wanted.intermediate.value_or(family.intermediate_size);
  if (family.hidden_size % family.num_attention_heads != 0)
    fail_as(ExitCode::bad_input, "student.hidden is {}, which {} attention heads do not divide; set student.heads too",
            family.hidden_size, family.num_attention_heads);
}

void set_dropout(const auto&, const StudentConfig& wanted) {
  if (wanted.dropout.value_or(0) != 0)
    fail_as(ExitCode::bad_input, "student.dropout is {}, but decoders are built without dropout; set it to 0 or null",
            *wanted.dropout);
}

void set_dropout(BertConfig& bert, const StudentConfig& wanted) {
  if (!wanted.dropout) return;
  bert.hidden_dropout_prob = bert.attention_probs_dropout_prob = *wanted.dropout;
  bert.classifier_dropout.reset();
}

void refuse_experts(const StudentConfig& wanted) {
  if (wanted.experts)
    fail_as(ExitCode::bad_input, "student.experts is {}, but the student has none (v3 and r1 have experts); remove it",
            *wanted.experts);
}

void resize(BertConfig& bert, const StudentConfig& wanted) {
  resize_common(bert, wanted);
  refuse_experts(wanted);
}

// Groups of query heads keep their size, and heads their width where the hidden width stays.
template <class Decoder>
void resize_decoder(Decoder& decoder, const StudentConfig& wanted) {
  const std::int64_t group = decoder.num_attention_heads / decoder.num_key_value_heads;
  resize_common(decoder, wanted);
  if (decoder.num_attention_heads % group != 0)
    fail_as(ExitCode::bad_input,
            "student.heads is {}, which does not share out to groups of {} that read the same keys",
            decoder.num_attention_heads, group);
  decoder.num_key_value_heads = decoder.num_attention_heads / group;
  if (wanted.hidden || wanted.heads) decoder.head_dim = decoder.hidden_size / decoder.num_attention_heads;
  if (decoder.head_dim % 2 != 0)
    fail_as(ExitCode::bad_input, "the student's heads are {} wide; rotary positions need an even width",
            decoder.head_dim);
}

void resize(LlamaConfig& llama, const StudentConfig& wanted) {
  resize_decoder(llama, wanted);
  refuse_experts(wanted);
}

template <class Decoder>
void resize_experts(Decoder& decoder, const StudentConfig& wanted) {
  resize_decoder(decoder, wanted);
  decoder.num_experts = wanted.experts.value_or(decoder.num_experts);
  if (decoder.num_experts < decoder.num_experts_per_tok)
    fail_as(ExitCode::bad_input, "student.experts is {}, but each row goes to {} of them", decoder.num_experts,
            decoder.num_experts_per_tok);
}

void resize(R1Config& r1, const StudentConfig& wanted) { resize_experts(r1, wanted); }

// The stages stay; each applies its set more or less often.
void resize(V3Config& v3, const StudentConfig& wanted) {
  resize_experts(v3, wanted);
  if (v3.num_hidden_layers % v3.stages != 0)
    fail_as(ExitCode::bad_input, "student.layers is {}, which does not share out to {} stages", v3.num_hidden_layers,
            v3.stages);
  v3.layers_per_stage = v3.num_hidden_layers / v3.stages;
}

// The base's config with what the recipe changes; text of the base's config.json travels on.
ModelConfig student_config(const ModelConfig& base, const StudentConfig& wanted, const Task& task) {
  ModelConfig config = base;
  config.head = head_of(task);
  config.json = with_task(base.json, task);
  if (wanted.start == StudentStart::pruned) config.family = pruned_family(base.family, prune_sizes(wanted));
  else std::visit([&](auto& family) { resize(family, wanted); }, config.family);
  std::visit([&](auto& family) { set_dropout(family, wanted); }, config.family);
  return config;
}

// A preset's config for the run: as many words as the teacher, or the tokenizer, has.
ModelConfig preset_config(const Recipe& recipe, const RunModels& models, const Task& task) {
  const fs::path file = find_preset(*recipe.student.preset);
  const ModelConfig base = config_of(load_preset(file), file.string());
  ModelConfig config = student_config(base, recipe.student, task);
  const std::int64_t words =
      models.teacher ? vocab_size(models.teacher->config().family) : Tokenizer::load(models.student_base).vocab_size();
  std::visit([&](auto& family) { family.vocab_size = words; }, config.family);
  return config;
}

// Which layers of the base the student's layers are copied from: the recipe's list, else the lowest.
std::vector<std::int64_t> copied_layers(const StudentConfig& wanted, std::int64_t layers, std::int64_t base_layers) {
  std::vector<std::int64_t> chosen = wanted.from_layers;
  if (chosen.empty()) {
    chosen.resize(static_cast<std::size_t>(layers));
    std::iota(chosen.begin(), chosen.end(), 0);
  }
  if (static_cast<std::int64_t>(chosen.size()) != layers)
    fail_as(ExitCode::bad_input, "student.from_layers names {} layers for a student of {}", chosen.size(), layers);
  for (const auto layer : chosen)
    if (layer >= base_layers)
      fail_as(ExitCode::bad_input,
              "the student's {} layers cannot be copied from a model of {} (layer {} is wanted, counted from 0); lower "
              "student.layers, name student.from_layers, or take student.start=random",
              layers, base_layers, layer);
  return chosen;
}

ModelOptions student_options(const Recipe& recipe, const Task& task) {
  const HeadKind head = task.kind == TaskKind::next_token ? HeadKind::next_token
                        : task.kind == TaskKind::values   ? HeadKind::values
                                                          : HeadKind::classes;
  return {.head = head,
          .outputs = task.kind == TaskKind::classes ? static_cast<std::int64_t>(task.labels.size()) : 1,
          .device = recipe.train.device == DeviceKind::cuda ? at::Device(at::kCUDA) : at::Device(at::kCPU),
          .trainable = true,
          .shadow = recipe.train.dtype == TrainDtype::bf16};
}

void require_positions(Model& model, const Recipe& recipe, std::string_view who) {
  const std::int64_t most = most_positions(model.config().family);
  if (recipe.data.max_length > most)
    fail_as(ExitCode::bad_input, "data.max_length is {}, but the {} has positions for {} tokens",
            recipe.data.max_length, who, most);
}

// Before step 1, not where a row of a table is missing: a head over tokens, and a score for each of the text's.
void require_language_model(const ModelConfig& config, const std::string& name, const Dataset& data) {
  if (frozen_options(config).head != HeadKind::next_token)
    fail_as(ExitCode::bad_input,
            "{}: has no head that tells the next token; task 'language_model' takes decoders (...ForCausalLM)", name);
  const auto counts = data.target_counts();
  auto largest = std::ssize(counts) - 1;
  while (largest >= 0 && counts[static_cast<std::size_t>(largest)] == 0) --largest;
  if (const std::int64_t scored = vocab_size(config.family); largest >= scored)
    fail_as(ExitCode::bad_input, "{}: scores {} tokens, but the text has the id {}; take the model's own tokenizer",
            name, scored, largest);
}

// What the recipe could not know where the labels are the data's own.
void require_classes(const Recipe& recipe, const Task& task) {
  if (task.kind != TaskKind::classes || !recipe.teacher.path || !recipe.losses.soft) return;
  const std::size_t least = least_classes(*recipe.losses.soft);
  if (task.labels.size() < least)
    fail_as(ExitCode::bad_input,
            "losses.soft is of a kind and settings that teach nothing with {} classes (with {} they would): two "
            "standardised logits, or two classes' correlation, are always the same; use forward_kl as it is",
            task.labels.size(), least);
}

std::shared_ptr<Model> teacher_model(const Recipe& recipe, const fs::path& folder, const ModelsAtHand& at_hand) {
  const bool on_gpu = recipe.train.device == DeviceKind::cuda, bf16 = recipe.train.dtype == TrainDtype::bf16;
  const std::string& path = *recipe.teacher.path;
  if (at_hand.student && path == at_hand.student_path) return at_hand.student;
  if (at_hand.teacher && path == at_hand.teacher_path && bf16 == at_hand.teacher_bf16) return at_hand.teacher;
  return load_frozen_model(folder, bf16, on_gpu ? at::Device(at::kCUDA) : at::Device(at::kCPU));
}

bool is_identity(const std::vector<std::int32_t>& columns) {
  for (std::size_t c = 0; c < columns.size(); ++c)
    if (columns[c] != static_cast<std::int32_t>(c)) return false;
  return true;
}

}  // namespace

fs::path locate_teacher(const std::string& name) {
  if (!is_article_name(name) || fs::exists(name)) return locate_model(name);
  const bool v3 = name.ends_with('3');
  const std::string_view family = v3 ? "v3" : "r1",
                         released = v3 ? "deepseek-ai/DeepSeek-V3" : "deepseek-ai/DeepSeek-R1";
  fail_as(ExitCode::bad_input,
          "teacher.path is '{0}', which names no weights. The article's decoder {1} has none that anyone published: "
          "train it first, `{3} train RECIPE --set student.preset={1} --set "
          "student.tokenizer=FOLDER --run runs/{1}`, and give teacher.path=runs/{1}. DeepSeek's released checkpoint is "
          "another model: `hf download {2}`, and give teacher.path={2}",
          name, family, released, program_name());
}

HeadInfo head_of(const Task& task) {
  HeadInfo head;
  if (task.kind == TaskKind::next_token) return head;
  if (task.kind == TaskKind::values) {
    head.problem_type = ProblemType::regression;
    head.labels = {"LABEL_0"};
  } else {
    head.problem_type = ProblemType::single_label_classification;
    head.labels = task.label_names;
  }
  return head;
}

RunData load_data(const Recipe& recipe, const Tokenizer& tokenizer) {
  RunData data;
  data.task = find_task(recipe.task, recipe.data);
  append_split(&data.train, recipe, data.task, tokenizer, Split::train, recipe.data.train_rows.value_or(0));
  data.labelled_rows = data.train.size();
  if (recipe.data.augment) append_copies(&data.train, recipe, data.task, tokenizer);
  append_split(&data.train, recipe, data.task, tokenizer, Split::unlabelled, 0);
  append_split(&data.dev, recipe, data.task, tokenizer, Split::dev, 0);
  return data;
}

fs::path student_base(const Recipe& recipe) {
  if (recipe.student.preset && recipe.student.tokenizer) return *recipe.student.tokenizer;
  const auto& name = recipe.student.path ? recipe.student.path : recipe.teacher.path;
  if (!name)
    fail_as(ExitCode::bad_input,
            "the recipe names neither student.path nor teacher.path: there is nothing to start from");
  return recipe.student.path ? locate_model(*name) : locate_teacher(*name);
}

RunModels load_models(const Recipe& recipe, const RunData& data, const ModelsAtHand& at_hand) {
  require_classes(recipe, data.task);
  RunModels models;
  const auto is_unwritten = [&](const std::optional<std::string>& path) {
    return at_hand.student && path == at_hand.student_path;
  };
  const bool language = data.task.kind == TaskKind::next_token;
  if (recipe.teacher.path) {
    models.teacher_folder =
        is_unwritten(recipe.teacher.path) ? fs::path(*recipe.teacher.path) : locate_teacher(*recipe.teacher.path);
    models.teacher = teacher_model(recipe, models.teacher_folder, at_hand);
    if (language) require_language_model(models.teacher->config(), *recipe.teacher.path, data.train);
    else
      models.columns = match_labels(data.task, models.teacher->config().head,
                                    {.model = *recipe.teacher.path,
                                     .stated = recipe.teacher.labels,
                                     .score = order_scorer(*models.teacher, data.dev, data.task, recipe.eval.tokens)});
    require_positions(*models.teacher, recipe, "teacher");
  }
  models.student_base = is_unwritten(recipe.student.path) ? fs::path(*recipe.student.path) : student_base(recipe);
  const RandomKey random{.seed = static_cast<std::uint64_t>(recipe.seed), .purpose = Purpose::weights};
  const ModelOptions options = student_options(recipe, data.task);
  if (recipe.student.preset) {
    models.student = random_model(preset_config(recipe, models, data.task), options, random);
    models.fresh = {"every weight"};
    require_positions(*models.student, recipe, "student");
    freeze(*models.student, recipe.student.freeze);
    return models;
  }
  const bool from_teacher = models.teacher && !recipe.student.path;
  const std::shared_ptr<Model> base = from_teacher                        ? models.teacher
                                      : is_unwritten(recipe.student.path) ? at_hand.student
                                                                          : load_frozen_model(models.student_base);
  if (language) require_language_model(base->config(), models.student_base.string(), data.train);
  const ModelConfig config = student_config(base->config(), recipe.student, data.task);
  if (recipe.student.start == StudentStart::random) {
    models.student = random_model(config, options, random);
    models.fresh = {"every weight"};
  } else {
    const bool same_labels =
        from_teacher ? is_identity(models.columns) : base->config().head.labels == config.head.labels;
    const bool prunes = recipe.student.start == StudentStart::pruned, copies_head = language || same_labels;
    const auto layers = copied_layers(recipe.student, layer_count(config.family), layer_count(base->config().family));
    if (prunes)
      models.student =
          pruned_student({*base, config, recipe.student, data.train, data.task.kind, copies_head, options, random},
                         &models.fresh, &models.pruned);
    else models.student = student_model(*base, config, layers, copies_head, options, random, &models.fresh);
  }
  if (language && models.teacher &&
      vocab_size(models.teacher->config().family) != vocab_size(models.student->config().family))
    fail_as(ExitCode::bad_input, "the teacher scores {} tokens and the student {}: no loss can compare them",
            vocab_size(models.teacher->config().family), vocab_size(models.student->config().family));
  require_positions(*models.student, recipe, "student");
  freeze(*models.student, recipe.student.freeze);
  return models;
}

std::string describe_model(Model& model) {
  const double parameters = static_cast<double>(model.parameter_count());
  return std::visit(
      [&](const auto& family) {
        return fmt::format("{}, {} layers x {}, {} heads, MLP {}; {:.1f} M parameters, {:.1f} MB in fp32",
                           model_type(family), family.num_hidden_layers, family.hidden_size, family.num_attention_heads,
                           family.intermediate_size, parameters / 1e6, parameters * 4 / 1e6);
      },
      model.config().family);
}

}  // namespace dsd
