#include "core/data/text_change.h"

#include <utility>

#include "core/data/rows.h"

namespace dsd {

RowChange each_text(TextChange change) {
  return
      [change = std::move(change), text = std::string(), pair = std::string()](Row& row, std::int64_t index) mutable {
        const auto number = static_cast<std::uint64_t>(2 * index);
        text = change(row.text, number), row.text = text;
        if (row.pair) pair = change(*row.pair, number + 1), row.pair = pair;
      };
}

}  // namespace dsd
