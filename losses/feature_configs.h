#pragma once
// The settings of losses on features: which layers are compared, what bridges different widths, and one struct for each
// loss. A loss is added as in losses/configs.h, with its case in losses/feature_factory.cpp.

#include <cstdint>
#include <optional>
#include <variant>
#include <vector>

#include "core/config/fields.h"
#include "schedules/configs.h"

namespace dsd {

// Which layer of the teacher belongs to layer m of a student of M layers; the teacher has N (losses/layer_map.h).
enum class LayerMap { uniform, endpoints, last, first, middle, top };
template <>
struct EnumNames<LayerMap> {
  static constexpr std::array<std::pair<std::string_view, LayerMap>, 6> names{{{"uniform", LayerMap::uniform},
                                                                               {"endpoints", LayerMap::endpoints},
                                                                               {"last", LayerMap::last},
                                                                               {"first", LayerMap::first},
                                                                               {"middle", LayerMap::middle},
                                                                               {"top", LayerMap::top}}};
};

// Layers are counted from 1; 0 is what enters the first one.
struct LayerPair {
  std::int64_t student = 1, teacher = 1;
  static void fields(auto& self, auto& v) {
    v("student", self.student, "layer of the student, counted from 1; 0 is what enters the first",
      Range{.min = 0, .required = true});
    v("teacher", self.teacher, "layer of the teacher", Range{.min = 0, .required = true});
  }
  bool operator==(const LayerPair&) const = default;
};

struct LayersConfig {
  std::optional<LayerMap> layers;
  std::vector<LayerPair> pairs;
  std::optional<std::int64_t> only;
  static void layer_fields(auto& self, auto& v, std::string_view help) {
    v("layers", self.layers, help);
    v("pairs", self.pairs, "in place of layers: the pairs by number");
    v("only", self.only, "of the pairs that 'layers' gives, that of this layer of the student alone, from 1; null: all",
      Range{.min = 1});
  }
};
inline constexpr std::string_view kLayersHelp =
    "layer m of the student's M with layer mN/M of the teacher's N (uniform), with layers from the first to the last "
    "at "
    "even steps (endpoints), with the teacher's last M or first M; or one pair: the middle layers or the top ones; "
    "null: "
    "uniform, or as 'pairs' say";
inline constexpr std::string_view kOnePairHelp =
    "as for hidden, of which top is one pair, the last layers; null: top, or as 'pairs' say";

enum class ProjectorSide { automatic, none, student, teacher_frozen, teacher_orthogonal };
template <>
struct EnumNames<ProjectorSide> {
  static constexpr std::array<std::pair<std::string_view, ProjectorSide>, 5> names{
      {{"auto", ProjectorSide::automatic},
       {"none", ProjectorSide::none},
       {"student", ProjectorSide::student},
       {"teacher_frozen", ProjectorSide::teacher_frozen},
       {"teacher_orthogonal", ProjectorSide::teacher_orthogonal}}};
};

enum class ProjectorStart { pca, random };
template <>
struct EnumNames<ProjectorStart> {
  static constexpr std::array<std::pair<std::string_view, ProjectorStart>, 2> names{
      {{"pca", ProjectorStart::pca}, {"random", ProjectorStart::random}}};
};

// What stands between states of different widths (losses/projector.h).
struct ProjectorConfig {
  ProjectorSide projector = ProjectorSide::automatic;
  double projector_learning_rate = 1.0;
  ProjectorStart projector_start = ProjectorStart::pca;
  static void projector_fields(auto& self, auto& v) {
    v("projector", self.projector,
      "linear map between the widths: trained, on the student's side; or on the teacher's, where it is frozen or keeps "
      "orthonormal rows, so that it cannot shrink what is to be learnt; auto: student where the widths differ");
    v("projector_learning_rate", self.projector_learning_rate, "factor on train.learning_rate for it", positive);
    v("projector_start", self.projector_start,
      "its weights at step 0: principal directions of the teacher's states in the first batches, or random");
  }
};

// Hint of a middle layer (Romero et al. 2015, "FitNets", arXiv:1412.6550).
struct FitNetConfig : LayersConfig, ProjectorConfig {
  static constexpr std::string_view kind = "fitnet";
  static void fields(auto& self, auto& v) {
    layer_fields(self, v,
                 "as for hidden, of which middle is one pair, the middle layers; null: middle, or as 'pairs' say");
    projector_fields(self, v);
  }
};

// What enters the first layer (Jiao et al. 2020, "TinyBERT", arXiv:1909.10351, eq. 9).
struct EmbeddingConfig : ProjectorConfig {
  static constexpr std::string_view kind = "embedding";
  static void fields(auto& self, auto& v) { projector_fields(self, v); }
};

// Hidden states of matched layers (TinyBERT, eq. 8).
struct HiddenConfig : LayersConfig, ProjectorConfig {
  static constexpr std::string_view kind = "hidden";
  bool shared_projector = true;
  static void fields(auto& self, auto& v) {
    layer_fields(self, v, kLayersHelp);
    projector_fields(self, v);
    v("shared_projector", self.shared_projector, "one projector for all pairs of layers, or one for each");
  }
};

// Attention scores of matched layers, before the softmax (TinyBERT, eq. 7).
struct AttentionConfig : LayersConfig {
  static constexpr std::string_view kind = "attention";
  static void fields(auto& self, auto& v) { layer_fields(self, v, "as for hidden; null: uniform, or as 'pairs' say"); }
};

// First tokens' states, normalised (Sun et al. 2019, "Patient knowledge distillation", arXiv:1908.09355, eq. 7).
struct PatientConfig : LayersConfig {
  static constexpr std::string_view kind = "pkd";
  bool last_layer = false;
  static void fields(auto& self, auto& v) {
    layer_fields(self, v, "as for hidden (uniform is PKD-skip, last is PKD-last); null: uniform, or as 'pairs' say");
    v("last_layer", self.last_layer,
      "match the student's last layer too, which the paper leaves to the loss on logits");
  }
};

// Attention and relations of values in the last layer (Wang et al. 2020, "MiniLM", arXiv:2002.10957).
struct MiniLmConfig : LayersConfig {
  static constexpr std::string_view kind = "minilm";
  static void fields(auto& self, auto& v) { layer_fields(self, v, kOnePairHelp); }
};

// Relations of queries, of keys and of values (Wang et al. 2021, "MiniLMv2", arXiv:2012.15828).
struct MiniLm2Config : LayersConfig {
  static constexpr std::string_view kind = "minilm_v2";
  std::optional<std::int64_t> relation_heads;
  double query_weight = 1.0, key_weight = 1.0, value_weight = 1.0;
  static void fields(auto& self, auto& v) {
    layer_fields(self, v, kOnePairHelp);
    v("relation_heads", self.relation_heads,
      "heads that queries, keys and values are shared out to anew, the same number on both sides; null: the larger of "
      "the models' numbers of attention heads that divides both widths",
      Range{.min = 1});
    v("query_weight", self.query_weight, "weight of the relations of queries", Range{.min = 0});
    v("key_weight", self.key_weight, "weight of the relations of keys", Range{.min = 0});
    v("value_weight", self.value_weight, "weight of the relations of values", Range{.min = 0});
  }
};

// Directions of hidden states (Sanh et al. 2019, "DistilBERT", arXiv:1910.01108).
struct CosineConfig : LayersConfig, ProjectorConfig {
  static constexpr std::string_view kind = "cosine";
  static void fields(auto& self, auto& v) {
    layer_fields(self, v, kOnePairHelp);
    projector_fields(self, v);
  }
};

// Where the activations are large (Zagoruyko & Komodakis 2017, "Paying more attention to attention", arXiv:1612.03928).
struct AttentionTransferConfig : LayersConfig {
  static constexpr std::string_view kind = "attention_transfer";
  static void fields(auto& self, auto& v) { layer_fields(self, v, "as for hidden; null: uniform, or as 'pairs' say"); }
};

using FeatureLossConfig = std::variant<FitNetConfig, EmbeddingConfig, HiddenConfig, AttentionConfig, PatientConfig,
                                       MiniLmConfig, MiniLm2Config, CosineConfig, AttentionTransferConfig>;

struct FeaturePart {
  FeatureLossConfig loss;
  ScheduleConfig weight = 1.0;
  static void fields(auto& self, auto& v) {
    v("loss", self.loss, "which", Range{.required = true});
    v("weight", self.weight, "its weight in the objective", Range{.min = 0});
  }
};

}  // namespace dsd
