#include "core/base/version.h"

namespace dsd {

std::string_view program_version() { return DSD_VERSION; }

std::string writer_name() { return fmt::format("dsdistill {}", program_version()); }

void check_format(const FileFormat& ours, const std::string& source, std::string_view name, std::int64_t version,
                  std::string_view writer) {
  if (name != ours.name || version < 1) fail("{}: is not a file of the format '{}'", source, ours.name);
  if (version > ours.version)
    throw NewerVersion(ExitCode::failed,
                       fmt::format("{}: version {} of '{}', written by {}; {} knows versions up to {}: use the newer "
                                   "program, or another folder",
                                   source, version, ours.name, writer, writer_name(), ours.version));
}

}  // namespace dsd
