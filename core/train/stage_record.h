#pragma once
// stage.json in a stage's folder: written whole when the stage is done, so that a resumed run knows which stages it
// need not run again, and that the student it goes on from is the one they left.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

namespace dsd {

struct StageRecord {
  std::string name;
  std::string checksum;  // of its student's weights
  std::int64_t steps = 0, best_step = 0, skipped_steps = 0, examples = 0, tokens = 0;
  double seconds = 0;
  std::optional<double> best_score;
  bool on_plateau = false;  // it ended by one
  std::string store;        // the file that its teacher was remembered in, where stages share it
  std::int64_t held = 0;    // records in it when the stage was done
  bool operator==(const StageRecord&) const = default;
};

// <run>/stages/<n>-<name>
std::filesystem::path stage_folder(const std::filesystem::path& run, std::size_t index, const std::string& name);

// Hash of the weights of a model folder.
std::string weights_checksum(const std::filesystem::path& student);

void write_stage_record(const std::filesystem::path& stage, const StageRecord& record);

// None where the stage is not done; Error where the file is damaged, or the student beside it is another one.
std::optional<StageRecord> read_stage_record(const std::filesystem::path& stage);

}  // namespace dsd
