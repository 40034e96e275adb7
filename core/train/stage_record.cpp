#include "core/train/stage_record.h"

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/base/hash.h"
#include "core/base/version.h"
#include "core/formats/json.h"

namespace dsd {
namespace {

namespace fs = std::filesystem;

constexpr FileFormat kFormat{.name = "dsdistill stage", .version = 1};
constexpr std::size_t kMostBytes = 1 << 20;

fs::path file_of(const fs::path& stage) { return stage / "stage.json"; }

StageRecord from_json(const Json& json) {
  StageRecord record;
  json.at("stage").get_to(record.name);
  json.at("checksum").get_to(record.checksum);
  json.at("steps").get_to(record.steps);
  json.at("best_step").get_to(record.best_step);
  json.at("skipped_steps").get_to(record.skipped_steps);
  json.at("examples").get_to(record.examples);
  json.at("tokens").get_to(record.tokens);
  json.at("seconds").get_to(record.seconds);
  if (!json.at("best_score").is_null()) record.best_score = json["best_score"].get<double>();
  json.at("on_plateau").get_to(record.on_plateau);
  json.at("store").get_to(record.store);
  json.at("held").get_to(record.held);
  return record;
}

}  // namespace

fs::path stage_folder(const fs::path& run, std::size_t index, const std::string& name) {
  return run / "stages" / fmt::format("{}-{}", index, name);
}

std::string weights_checksum(const fs::path& student) {
  const MappedFile file(student / "model.safetensors");
  return Hasher().bytes(file.bytes().data(), file.bytes().size()).key().hex();
}

void write_stage_record(const fs::path& stage, const StageRecord& record) {
  Json json{{"name", kFormat.name}, {"version", kFormat.version}, {"writer", writer_name()}};
  json["stage"] = record.name;
  json["checksum"] = record.checksum;
  json["steps"] = record.steps;
  json["best_step"] = record.best_step;
  json["skipped_steps"] = record.skipped_steps;
  json["examples"] = record.examples;
  json["tokens"] = record.tokens;
  json["seconds"] = record.seconds;
  json["best_score"] = record.best_score ? Json(*record.best_score) : Json(nullptr);
  json["on_plateau"] = record.on_plateau;
  json["store"] = record.store;
  json["held"] = record.held;
  write_atomically(file_of(stage), json.dump(2) + "\n");
}

std::optional<StageRecord> read_stage_record(const fs::path& stage) {
  const fs::path file = file_of(stage);
  if (!fs::exists(file)) return std::nullopt;
  const std::string source = file.string();
  StageRecord record;
  try {
    const Json json = parse_json(read_text(file, kMostBytes), source);
    check_format(kFormat, source, json.at("name").get<std::string>(), json.at("version").get<std::int64_t>(),
                 json.at("writer").get<std::string>());
    record = from_json(json);
  } catch (const Json::exception& error) {
    fail("{}: is damaged ({}); remove it, and the stage is run from its last checkpoint", source, error.what());
  }
  if (weights_checksum(stage / "student") != record.checksum)
    fail(
        "{}: its weights are not those that the stage ended with; remove {}, and the stage is run from its last "
        "checkpoint",
        (stage / "student").string(), source);
  return record;
}

}  // namespace dsd
