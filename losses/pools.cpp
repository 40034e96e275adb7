#include "losses/pools.h"

#include "core/base/error.h"

namespace dsd {

std::vector<std::pair<std::int64_t, std::int64_t>> pools_of(const Batch& batch) {
  const std::int64_t rows = batch.head_rows();
  if (batch.pools.size() < 2 || batch.pools.front() != 0 || batch.pools.back() != rows)
    fail("a loss that compares examples needs a batch of whole pools, with one row for each example");
  std::vector<std::pair<std::int64_t, std::int64_t>> pools;
  for (std::size_t i = 0; i + 1 < batch.pools.size(); ++i) pools.emplace_back(batch.pools[i], batch.pools[i + 1]);
  return pools;
}

}  // namespace dsd
