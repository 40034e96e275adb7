#pragma once
// A change of each text of a file's rows by itself.

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "core/data/dataset.h"

namespace dsd {

// What stands for a text; `number` tells the texts of a file apart, the two of a pair among them.
using TextChange = std::function<std::string(std::string_view text, std::uint64_t number)>;

// The change of a row's text, and of its second one where it has two.
RowChange each_text(TextChange change);

}  // namespace dsd
