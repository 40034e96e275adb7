#include "core/train/checkpoint.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <vector>

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/base/hash.h"
#include "core/base/version.h"
#include "core/formats/json.h"
#include "core/train/tensor_bytes.h"

namespace dsd {
namespace {

namespace fs = std::filesystem;

constexpr FileFormat kFormat{.name = "dsdistill checkpoint", .version = 1};
constexpr auto kState = "state.json";
constexpr auto kWeights = "weights.safetensors";
constexpr auto kOptimiser = "optimiser.safetensors";
constexpr auto kLosses = "losses.safetensors";
constexpr std::string_view kFolderPrefix = "step-";
constexpr std::size_t kKept = 2;
constexpr std::size_t kMostStateBytes = 1 << 20;

fs::path folder_of_all(const fs::path& run) { return run / "checkpoints"; }

// step-000120 is 120; nothing for any other name.
std::optional<std::int64_t> step_of(const std::string& name) {
  if (!name.starts_with(kFolderPrefix)) return {};
  std::int64_t step = 0;
  const char* end = name.data() + name.size();
  const auto [last, error] = std::from_chars(name.data() + kFolderPrefix.size(), end, step);
  if (error != std::errc() || last != end || step < 0) return {};
  return step;
}

std::map<std::int64_t, fs::path> saved_steps(const fs::path& run) {
  std::map<std::int64_t, fs::path> steps;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder_of_all(run), error))
    if (const auto step = step_of(entry.path().filename().string())) steps.emplace(*step, entry.path());
  if (error && error != std::errc::no_such_file_or_directory)
    fail("{}: cannot be listed: {}", folder_of_all(run).string(), error.message());
  return steps;
}

// What a process that was killed while it wrote has left behind.
void remove_unfinished(const fs::path& run) {
  std::error_code error;
  std::vector<fs::path> unfinished;
  for (const auto& entry : fs::directory_iterator(folder_of_all(run), error))
    if (entry.path().filename().string().starts_with(fmt::format(".{}", kFolderPrefix)))
      unfinished.push_back(entry.path());
  for (const auto& path : unfinished) fs::remove_all(path, error);
}

// Steps beyond this one are damaged, or of a run that began anew: --resume has passed them over.
void remove_surplus(const fs::path& run, const CheckpointMeta& meta) {
  auto steps = saved_steps(run);
  std::size_t kept = 0;
  for (auto at = steps.rbegin(); at != steps.rend(); ++at) {
    const bool last = at->first <= meta.step && kept < kKept;
    if (last) ++kept;
    std::error_code ignored;
    if (!last && (at->first > meta.step || at->first != meta.best_step || !meta.best_score))
      fs::remove_all(at->second, ignored);
  }
}

// Streams a file of tensors and hashes it on the way.
Json write_tensors(const fs::path& path, std::span<const TensorToWrite> tensors) {
  Hasher hasher;
  std::uint64_t size = 0;
  write_atomically(path, [&](const Sink& sink) {
    write_safetensors(
        [&](std::string_view bytes) {
          hasher.bytes(bytes.data(), bytes.size());
          size += bytes.size();
          sink(bytes);
        },
        tensors, {{"format", "pt"}, {"writer", writer_name()}});
  });
  return {{"bytes", size}, {"checksum", hasher.key().hex()}};
}

std::string checksum_of(const Json& state) { return Hasher().text(state.dump()).key().hex(); }

Json to_json(const CheckpointMeta& meta) {
  Json json{{"name", kFormat.name},
            {"version", kFormat.version},
            {"writer", writer_name()},
            {"step", meta.step},
            {"store_length", meta.store_length}};
  json["best_score"] = meta.best_score ? Json(*meta.best_score) : Json(nullptr);
  json["best_step"] = meta.best_step;
  json["plateau_score"] = meta.plateau_score ? Json(*meta.plateau_score) : Json(nullptr);
  json["plateau_evaluations"] = meta.plateau_evaluations;
  json["threads"] = meta.threads;
  json["recipe"] = meta.recipe;
  json["data"] = meta.data;
  return json;
}

CheckpointMeta from_json(const Json& json) {
  CheckpointMeta meta;
  json.at("step").get_to(meta.step);
  json.at("store_length").get_to(meta.store_length);
  if (!json.at("best_score").is_null()) meta.best_score = json["best_score"].get<double>();
  json.at("best_step").get_to(meta.best_step);
  // Not in checkpoints of before there were plateaus.
  if (json.contains("plateau_score") && !json["plateau_score"].is_null())
    meta.plateau_score = json["plateau_score"].get<double>();
  if (json.contains("plateau_evaluations")) json["plateau_evaluations"].get_to(meta.plateau_evaluations);
  json.at("threads").get_to(meta.threads);
  json.at("recipe").get_to(meta.recipe);
  json.at("data").get_to(meta.data);
  return meta;
}

SafetensorsFile open_checked(const fs::path& path, const Json& expected) {
  const MappedFile file(path);
  if (file.bytes().size() != expected.at("bytes").get<std::uint64_t>())
    fail("{}: has {} bytes, but {} were written", path.string(), file.bytes().size(),
         expected.at("bytes").get<std::uint64_t>());
  if (Hasher().bytes(file.bytes().data(), file.bytes().size()).key().hex() !=
      expected.at("checksum").get<std::string>())
    fail("{}: its checksum differs: the bytes are not those that were written", path.string());
  return SafetensorsFile::parse(file.bytes(), path.string(), file.owner());
}

LoadedCheckpoint load(const fs::path& folder) {
  const std::string source = (folder / kState).string();
  try {
    Json state = parse_json(read_text(folder / kState, kMostStateBytes), source);
    check_format(kFormat, source, state.at("name").get<std::string>(), state.at("version").get<std::int64_t>(),
                 state.at("writer").get<std::string>());
    const auto checksum = state.at("checksum").get<std::string>();
    state.erase("checksum");
    if (checksum != checksum_of(state)) fail("{}: its checksum differs: it has been changed", source);
    const Json& files = state.at("files");
    LoadedCheckpoint loaded{folder, from_json(state), open_checked(folder / kWeights, files.at(kWeights)),
                            open_checked(folder / kOptimiser, files.at(kOptimiser)), std::nullopt};
    if (files.contains(kLosses)) loaded.losses = open_checked(folder / kLosses, files[kLosses]);
    return loaded;
  } catch (const Json::exception& error) {
    fail("{}: {}", source, json_complaint(error.what()));
  }
}

}  // namespace

void save_checkpoint(const fs::path& run, const CheckpointMeta& meta, std::span<const Parameter> parameters,
                     AdamW& optimiser, const State& losses) {
  const auto moments = optimiser.state();
  std::vector<TensorToWrite> weights;
  for (const Parameter& parameter : parameters) weights.push_back(to_write(parameter.name, parameter.weight->master));
  std::vector<TensorToWrite> remembered;
  for (const auto& [name, tensor] : losses) remembered.push_back(to_write(name, tensor));
  const fs::path folder = folder_of_all(run) / fmt::format("{}{:06}", kFolderPrefix, meta.step);
  try {
    fs::create_directories(folder_of_all(run));
    remove_unfinished(run);
    write_folder_atomically(folder, true, [&](const fs::path& temporary) {
      Json state = to_json(meta);
      state["files"][kWeights] = write_tensors(temporary / kWeights, weights);
      state["files"][kOptimiser] = write_tensors(temporary / kOptimiser, moments);
      if (!remembered.empty()) state["files"][kLosses] = write_tensors(temporary / kLosses, remembered);
      state["checksum"] = checksum_of(state);
      write_atomically(temporary / kState, write_json(state));
    });
  } catch (const Error& error) {
    fail(
        "the checkpoint of step {} could not be written; those before it are as they were. Make room, then go on with "
        "--resume ({})",
        meta.step, error.what());
  } catch (const fs::filesystem_error& error) {
    fail("{}: cannot be made: {}", folder_of_all(run).string(), error.code().message());
  }
  remove_surplus(run, meta);
}

void LoadedCheckpoint::restore(std::span<const Parameter> parameters, AdamW& into) const {
  if (weights.tensors().size() != parameters.size())
    fail("{}: holds {} tensors, but the student has {}", weights.source(), weights.tensors().size(), parameters.size());
  for (const Parameter& parameter : parameters) {
    read_into(parameter.weight->master, weights, parameter.name);
    const at::NoGradGuard no_grad;
    if (parameter.weight->shadow.defined()) parameter.weight->shadow.copy_(parameter.weight->master);
  }
  into.restore(optimiser);
}

State LoadedCheckpoint::losses_state() const {
  State state;
  if (losses)
    for (const auto& info : losses->tensors()) state.emplace(info.name, read_tensor(*losses, info));
  return state;
}

std::optional<LoadedCheckpoint> newest_checkpoint(const fs::path& run,
                                                  const std::function<void(std::string_view)>& report) {
  const auto steps = saved_steps(run);
  for (auto at = steps.rbegin(); at != steps.rend(); ++at) {
    try {
      return load(at->second);
    } catch (const NewerVersion&) {
      throw;
    } catch (const Error& error) {
      report(fmt::format("the checkpoint of step {} is damaged, so the one before it is used ({})", at->first,
                         error.what()));
    }
  }
  if (!steps.empty())
    fail("{}: no checkpoint is whole; to start anew, remove the folder or choose another --run",
         folder_of_all(run).string());
  return {};
}

}  // namespace dsd
