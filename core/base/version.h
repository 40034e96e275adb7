#pragma once
// What every file of ours opens with (name, version, writer), and how it is checked before the rest is believed.

#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/error.h"

namespace dsd {

std::string_view program_version();  // "0.1.0"
std::string writer_name();           // "dsdistill 0.1.0"

struct FileFormat {
  std::string_view name;  // "dsdistill checkpoint"
  std::int64_t version = 1;
};

// A file of a version that this program does not know: not damaged, so nothing may be put in its place.
class NewerVersion : public Error {
 public:
  using Error::Error;
};

// Error when the file is another format's; NewerVersion when it is a later version of ours.
void check_format(const FileFormat& ours, const std::string& source, std::string_view name, std::int64_t version,
                  std::string_view writer);

}  // namespace dsd
