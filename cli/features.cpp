// dsdistill features: hidden states and logits of a file's lines, to compare with another tool's.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <string_view>

#include "cli/commands.h"
#include "cli/threads.h"
#include "core/base/error.h"
#include "core/base/files.h"
#include "core/formats/locate.h"
#include "core/formats/safetensors.h"
#include "core/model/model.h"
#include "core/text/tokenizer.h"
#include "losses/scores.h"
#include "losses/vocabulary_head.h"

namespace dsd {
namespace {

constexpr std::int64_t kTokensPerBatch = 8192;

struct PackedIds {
  std::vector<std::int32_t> ids, segments, positions;
  std::vector<std::int32_t> offsets{0};

  std::int64_t tokens() const { return static_cast<std::int64_t>(ids.size()); }
  std::int64_t count() const { return static_cast<std::int64_t>(offsets.size()) - 1; }
  void add(const Encoding& encoding) {
    ids.insert(ids.end(), encoding.ids.begin(), encoding.ids.end());
    segments.insert(segments.end(), encoding.segments.begin(), encoding.segments.end());
    for (std::size_t i = 0; i < encoding.ids.size(); ++i) positions.push_back(static_cast<std::int32_t>(i));
    offsets.push_back(static_cast<std::int32_t>(ids.size()));
  }
};

Tensor to_tensor(const std::vector<std::int32_t>& values) { return at::tensor(values, at::TensorOptions(at::kInt)); }

Batch to_batch(const PackedIds& packed) {
  Batch batch;
  batch.streams.push_back({.ids = to_tensor(packed.ids),
                           .offsets = to_tensor(packed.offsets),
                           .positions = to_tensor(packed.positions),
                           .segments = to_tensor(packed.segments),
                           .spans = {}});
  return batch;
}

// One tensor of the file, in the pieces that the batches gave.
struct Column {
  std::string name;
  Dtype dtype = Dtype::f32;
  std::vector<Tensor> pieces;

  TensorToWrite to_write() const {
    std::vector<std::int64_t> shape = pieces.at(0).sizes().vec();
    shape[0] = 0;
    for (const Tensor& piece : pieces) shape[0] += piece.size(0);
    return {.name = name, .dtype = dtype, .shape = std::move(shape), .write = [this](const Sink& sink) {
              for (const Tensor& piece : pieces)
                sink({static_cast<const char*>(piece.const_data_ptr()), piece.nbytes()});
            }};
  }
};

std::vector<Encoding> encode_lines(const Tokenizer& tokenizer, const std::string& file, std::int64_t max_length) {
  const std::string text = read_text(file);
  std::string_view rest = text;
  std::vector<Encoding> lines;
  while (!rest.empty()) {
    const std::size_t end = rest.find('\n');
    try {
      lines.push_back(tokenizer.encode(rest.substr(0, end), {.max_length = max_length}));
    } catch (const Error& error) {
      fail_as(error.code(), "{}:{}: {}", file, lines.size() + 1, error.what());
    }
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  }
  if (lines.empty()) fail("{}: is empty; expected one text a line", file);
  return lines;
}

// Scores of classes, one row a line, or of a vocabulary, one row a token: those are multiplied out as they are written.
struct Logits {
  std::vector<Scores> pieces;

  TensorToWrite to_write() const {
    std::vector<std::int64_t> shape{0, class_count(pieces.at(0))};
    for (const Scores& piece : pieces) shape[0] += row_count(piece);
    return {.name = "logits", .dtype = Dtype::f32, .shape = std::move(shape), .write = [this](const Sink& sink) {
              for (const Scores& piece : pieces)
                for (std::int64_t row = 0; row < row_count(piece); row += kTileRows) {
                  const Tensor tile = tile_logits(piece, row, std::min(kTileRows, row_count(piece) - row)).contiguous();
                  sink({static_cast<const char*>(tile.const_data_ptr()), tile.nbytes()});
                }
            }};
  }
};

struct Features {
  Column ids{.name = "ids", .dtype = Dtype::i64, .pieces = {}};
  Column offsets{.name = "offsets", .dtype = Dtype::i64, .pieces = {}};
  Logits logits;
  std::vector<Column> hidden;
  std::int64_t tokens = 0, lines = 0;
};

bool tells_tokens(Model& model) {
  const HeadKind head = frozen_options(model.config()).head;
  return head == HeadKind::next_token || head == HeadKind::masked_tokens;
}

void add_batch(Model& model, const PackedIds& packed, const Wanted& wanted, Features* features) {
  Batch batch = to_batch(packed);
  if (tells_tokens(model)) batch.rows.push_back(at::arange(packed.tokens(), at::kInt));
  const Outputs outputs = model.forward(batch, wanted, {});
  for (std::size_t i = 0; i < features->hidden.size(); ++i)
    features->hidden[i].pieces.push_back(outputs.at(wanted.sites[i]).contiguous());
  if (wanted.heads) features->logits.pieces.push_back(outputs.heads.at(0));
  features->ids.pieces.push_back(batch.streams[0].ids.to(at::kLong));
  // A batch's first offset is where the one before ended.
  const Tensor offsets = batch.streams[0].offsets.to(at::kLong) + features->tokens;
  features->offsets.pieces.push_back(features->lines == 0 ? offsets : offsets.slice(0, 1).contiguous());
  features->tokens += packed.tokens();
  features->lines += packed.count();
}

Features compute(Model& model, const std::vector<Encoding>& lines, bool has_logits) {
  const std::int64_t layers =
      std::visit([](const auto& family) { return family.num_hidden_layers; }, model.config().family);
  Features features;
  Wanted wanted{.heads = has_logits, .sites = {}};
  for (int layer = 0; layer <= layers; ++layer) {
    wanted.sites.push_back({.kind = Site::Kind::hidden, .layer = layer});
    features.hidden.push_back({.name = name_of(wanted.sites.back()), .pieces = {}});
  }
  const at::NoGradGuard no_grad;
  PackedIds packed;
  for (const Encoding& line : lines) {
    if (packed.count() > 0 && packed.tokens() + static_cast<std::int64_t>(line.ids.size()) > kTokensPerBatch) {
      add_batch(model, packed, wanted, &features);
      packed = {};
    }
    packed.add(line);
  }
  add_batch(model, packed, wanted, &features);
  return features;
}

}  // namespace

int run_features(const FeaturesOptions& options) {
  use_threads(options.threads);
  const std::filesystem::path folder = locate_model(options.model);
  const ModelConfig config = read_model_config(folder);
  const std::int64_t positions =
      std::visit([](const auto& family) { return family.max_position_embeddings; }, config.family);
  const Tokenizer tokenizer = Tokenizer::load(folder);
  const std::vector<Encoding> lines = encode_lines(tokenizer, options.file, std::min(options.max_length, positions));

  const bool has_logits = frozen_options(config).head != HeadKind::none;
  const auto model = load_frozen_model(folder);
  const Features features = compute(*model, lines, has_logits);

  std::vector<TensorToWrite> tensors{features.ids.to_write(), features.offsets.to_write()};
  if (has_logits) tensors.push_back(features.logits.to_write());
  for (const Column& column : features.hidden) tensors.push_back(column.to_write());
  write_safetensors(std::filesystem::path(options.out), tensors, {{"format", "pt"}});
  fmt::print("{}: {} lines, {} tokens, {} layers{}\n", options.out, features.lines, features.tokens,
             features.hidden.size() - 1, has_logits ? ", logits" : "");
  return static_cast<int>(ExitCode::done);
}

}  // namespace dsd
