#include "core/train/run_log.h"

#include <cerrno>
#include <cstring>

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/base/version.h"
#include "core/formats/json.h"

namespace dsd {
namespace {

namespace fs = std::filesystem;

constexpr FileFormat kFormat{.name = "dsdistill log", .version = 1};

std::string header_line() {
  return Json{{"name", kFormat.name}, {"version", kFormat.version}, {"writer", writer_name()}}.dump() + "\n";
}

Json to_json(const Scored& metrics) {
  Json json = Json::object();
  for (const auto& [name, value] : metrics) json[name] = value;
  return json;
}

Json to_json(const PartReport& part) {
  Json json{
      {"name", part.name}, {"raw", part.raw}, {"factor", part.factor}, {"weight", part.weight}, {"share", part.share}};
  if (part.skipped) json["skipped"] = true;
  for (const auto& [name, value] : part.in_force) json[name] = value;
  return json;
}

double rate(std::int64_t count, double seconds) { return seconds > 0 ? static_cast<double>(count) / seconds : 0; }

void check_header(const fs::path& path, std::string_view line) {
  const std::string source = fmt::format("{}:1", path.string());
  try {
    const Json json = parse_json(line, source);
    check_format(kFormat, source, json.at("name").get<std::string>(), json.at("version").get<std::int64_t>(),
                 json.at("writer").get<std::string>());
  } catch (const Json::exception&) {
    fail("{}: is not the first line of a run's log; remove the file or choose another --run", source);
  }
}

// A line without a step, or one that cannot be read, says nothing about a later step.
std::int64_t step_of(std::string_view line) {
  const Json json = Json::parse(line, nullptr, false);
  return json.is_object() && json.contains("step") && json["step"].is_number_integer()
             ? json["step"].get<std::int64_t>()
             : 0;
}

// Bytes of the lines that stay: up to a later step, or to a last line that was not finished.
std::size_t length_up_to(const fs::path& path, std::string_view text, std::int64_t step) {
  const std::size_t header = text.find('\n');
  if (header == std::string_view::npos) return 0;
  check_header(path, text.substr(0, header));
  std::size_t at = header + 1;
  for (std::size_t end; (end = text.find('\n', at)) != std::string_view::npos; at = end + 1)
    if (step_of(text.substr(at, end - at)) > step) break;
  return at;
}

}  // namespace

RunLog::RunLog(fs::path path, std::optional<std::int64_t> resumed_from) : path_(std::move(path)) {
  std::size_t kept = 0;
  if (resumed_from && fs::exists(path_)) {
    const MappedFile before(path_);
    kept = length_up_to(path_, before.text(), *resumed_from);
  }
  file_.reset(std::fopen(path_.c_str(), kept == 0 ? "wb" : "ab"));
  if (!file_) fail("{}: cannot open: {}", path_.string(), std::strerror(errno));
  std::error_code error;
  if (kept == 0) write(header_line());
  else fs::resize_file(path_, kept, error);
  if (error) fail("{}: cannot cut it to {} bytes: {}", path_.string(), kept, error.message());
}

void RunLog::write(const std::string& line) {
  const bool whole = std::fwrite(line.data(), 1, line.size(), file_.get()) == line.size();
  if (!whole || std::fflush(file_.get()) != 0) fail("{}: cannot write: {}", path_.string(), std::strerror(errno));
}

void RunLog::step(const StepLine& line) {
  Json json{{"step", line.step}, {"epoch", line.epoch}, {"loss", line.loss}};
  json["parts"] = Json::array();
  for (const PartReport& part : line.parts) json["parts"].push_back(to_json(part));
  json["learning_rate"] = line.learning_rate;
  json["temperature"] = line.temperature.mean;
  if (line.temperature.differ) {
    json["temperature_min"] = line.temperature.least;
    json["temperature_max"] = line.temperature.largest;
  }
  json["gradient_norm"] = line.gradient_norm;
  json["examples_per_second"] = rate(line.examples, line.seconds);
  json["tokens_per_second"] = rate(line.tokens, line.seconds);
  json["seconds"] = line.seconds;
  if (!line.applied) json["applied"] = false;
  write(json.dump() + "\n");
}

void RunLog::scored(std::int64_t step, const Scored& metrics, bool best) {
  write(Json{{"step", step}, {"eval", to_json(metrics)}, {"best", best}}.dump() + "\n");
}

void RunLog::scored_teacher(const Scored& metrics) { write(Json{{"teacher", to_json(metrics)}}.dump() + "\n"); }

}  // namespace dsd
