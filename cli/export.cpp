// `dsdistill export`: a checkpoint for the world, read back and compared with its source before it is let out.
#include "cli/commands.h"
#include "cli/threads.h"
#include "core/base/error.h"
#include "core/base/files.h"
#include "core/base/log.h"
#include "core/base/program.h"
#include "core/data/dataset.h"
#include "core/data/plan.h"
#include "core/export/check.h"
#include "core/export/model_folder.h"
#include "core/formats/locate.h"
#include "core/text/tokenizer.h"
#include "core/train/run_folder.h"

namespace dsd {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kSampleRows = 512;  // enough to see a fault, quick on any machine
constexpr std::int64_t kSampleTokens = 4096;

at::ScalarType dtype_of(const std::string& scheme) {
  if (scheme == "bf16") return at::kBFloat16;
  return scheme == "fp16" ? at::kHalf : at::kFloat;
}

// Real text for the comparison: a file that the user names, or the dev set that the run was scored on.
Dataset sample_text(const ExportOptions& options, const fs::path& folder, bool tells_tokens) {
  const Tokenizer tokenizer = Tokenizer::load(folder);
  Dataset sample;
  if (!options.sample.empty()) {
    Task task{.name = "sample", .kind = tells_tokens ? TaskKind::next_token : TaskKind::classes};
    DataConfig data{.format = TextFormat::text};
    if (tells_tokens) data.separator = "\n";
    sample.append(task, data, {.path = options.sample, .part = "", .labelled = false, .split = Split::unlabelled},
                  tokenizer, kSampleRows);
    return sample;
  }
  const fs::path run = options.model;
  if (!fs::exists(run / "recipe.yaml"))
    fail_as(
        ExitCode::bad_input,
        "{} is no run with a dev set of its own; name a text file for the comparison: --sample FILE (one text a line)",
        options.model);
  const Recipe recipe = recipe_of_run(run);
  const Task task = find_task(recipe.task, recipe.data);
  for (const auto& file : split_files(task, recipe.data, Split::dev))
    sample.append(task, recipe.data, file, tokenizer, kSampleRows);
  return sample;
}

Drift compare(Model& source, Model& exported, const Dataset& sample) {
  auto order = by_length(sample);
  if (std::ssize(order) > kSampleRows) order.resize(kSampleRows);  // one document may be many pieces
  const auto pieces = micro_batches(sample, order, kSampleTokens);
  std::size_t next = 0;
  return measure_drift(source, exported, [&]() -> std::optional<Batch> {
    if (next == pieces.size()) return std::nullopt;
    return make_batch(sample, pieces[next++], TaskKind::classes, 0);
  });
}

double folder_bytes(const fs::path& folder) {
  double bytes = 0;
  for (const auto& entry : fs::directory_iterator(folder))
    if (entry.path().extension() == ".safetensors") bytes += static_cast<double>(entry.file_size());
  return bytes;
}

}  // namespace

int run_export(const ExportOptions& options) {
  Console console;
  use_threads(options.threads);
  const fs::path folder = locate_model(options.model);
  const at::ScalarType dtype = dtype_of(options.scheme);
  const auto source = load_frozen_model(folder);
  const bool tells_tokens = frozen_options(source->config()).head == HeadKind::next_token;
  const Dataset sample = sample_text(options, folder, tells_tokens);
  Drift drift;
  write_folder_atomically(options.out, options.force, [&](const fs::path& into) {
    write_model(*source, folder, into, dtype);
    check_weights(*source, into, dtype);
    const auto exported = load_frozen_model(into);
    drift = compare(*source, *exported, sample);
    require_faithful(drift, drift_bounds(dtype));
  });
  console.line("exported  {} ({}, {:.1f} MB; the source has {:.1f} MB)", options.out, options.scheme,
               folder_bytes(options.out) / 1e6, folder_bytes(folder) / 1e6);
  console.line(
      "checked   every weight is the source's, rounded once; on {} texts the logits differ by at most {:.2e}, KL "
      "{:.2e}, "
      "agreement {:.2f} %",
      drift.rows, drift.largest_difference, drift.kl, 100 * drift.agreement);
  console.line("next      {} {} {} 'a line of text'", program_name(), tells_tokens ? "generate" : "predict",
               shell_quoted(options.out));
  return 0;
}

}  // namespace dsd
