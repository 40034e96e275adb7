#include "core/model/blocks/cache.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <span>
#include <vector>

#include "core/base/error.h"

namespace dsd {
namespace {

// One sequence: what it holds, what it drops before the new rows come, and what it needs afterwards.
struct Piece {
  std::int64_t held;   // rows before
  std::int64_t drops;  // of these, right after the sinks
  std::int64_t fresh;  // new rows
  std::int64_t gap;    // positions without a key while these rows attend
  std::int64_t later;  // further rows that the next token cannot reach
  std::int64_t rows() const { return held - drops + fresh; }
};

// Positions after the sinks that a query at `position` and all later ones cannot reach.
std::int64_t gap_at(const KvCache& cache, std::int64_t position) {
  if (cache.block == 0) return 0;
  const std::int64_t first = std::max<std::int64_t>(0, position / cache.block - cache.look_back) * cache.block;
  return std::max<std::int64_t>(0, first - cache.sinks);
}

std::vector<Piece> pieces_of(const KvCache& cache, const at::Tensor& offsets) {
  const auto* bounds = offsets.const_data_ptr<std::int32_t>();
  std::vector<Piece> pieces;
  for (std::size_t s = 0; s < cache.counts.size(); ++s) {
    const std::int64_t before = cache.counts[s], fresh = bounds[s + 1] - bounds[s], dropped = cache.gaps[s];
    // A sequence without new rows stays as it is.
    const std::int64_t gap = fresh > 0 ? std::max(dropped, gap_at(cache, before)) : dropped;
    const std::int64_t later = fresh > 0 ? std::max(gap, gap_at(cache, before + fresh)) - gap : 0;
    pieces.push_back({before - dropped, gap - dropped, fresh, gap, later});
  }
  return pieces;
}

bool fits(const KvCache& cache, std::span<const Piece> pieces) {
  return std::ranges::all_of(pieces, [&](const Piece& piece) { return piece.rows() <= cache.capacity; });
}

// Rows of the fullest sequence once the new ones are in it.
std::int64_t most_kept(const KvCache& cache, std::span<const Piece> pieces, bool in_place) {
  std::int64_t most = 0;
  for (const Piece& piece : pieces)
    most = std::max(most, piece.rows() - (in_place || cache.block == 0 ? 0 : piece.later));
  return most;
}

// Closes the gap that `count` rows leave at `first`; `end` rows were there.
void close_up(const at::Tensor& rows, std::int64_t first, std::int64_t count, std::int64_t end) {
  if (count == 0 || first + count == end) return;
  const std::int64_t moved = end - first - count;
  rows.narrow(0, first, moved).copy_(rows.narrow(0, first + count, moved).clone());
}

// The rows of one sequence, put together outside the cache, which then keeps what later tokens can reach.
at::Tensor beside(const KvCache& cache, const Piece& piece, const at::Tensor& held, const at::Tensor& fresh) {
  const std::int64_t sinks = std::min(cache.sinks, piece.held), rest = piece.held - piece.drops - sinks;
  const at::Tensor all = at::cat({held.narrow(0, 0, sinks), held.narrow(0, sinks + piece.drops, rest), fresh});
  const std::int64_t first = std::min(cache.sinks, piece.rows()), kept = piece.rows() - piece.later - first;
  held.narrow(0, 0, first).copy_(all.narrow(0, 0, first));
  held.narrow(0, first, kept).copy_(all.narrow(0, first + piece.later, kept));
  return all;
}

void extend_in_place(const KvCache& cache, const Piece& piece, const at::Tensor& held, const at::Tensor& fresh) {
  close_up(held, std::min(cache.sinks, piece.held), piece.drops, piece.held);
  held.narrow(0, piece.held - piece.drops, piece.fresh).copy_(fresh);
}

}  // namespace

CachedKeys extend_cache(KvCache& cache, int layer, const at::Tensor& offsets, const at::Tensor& keys,
                        const at::Tensor& values) {
  const std::vector<Piece> pieces = pieces_of(cache, offsets);
  const bool in_place = fits(cache, pieces);
  if (const std::int64_t most = most_kept(cache, pieces, in_place); most > cache.capacity)
    fail("the cache holds {} tokens of a sequence, but {} are needed", cache.capacity, most);
  const auto sequences = static_cast<std::int64_t>(pieces.size());
  CachedKeys out{.begins = at::empty({sequences}, at::kInt),
                 .counts = at::empty({sequences}, at::kInt),
                 .gaps = at::empty({sequences}, at::kInt)};
  const auto* bounds = offsets.const_data_ptr<std::int32_t>();
  const KvCache::Layer& buffers = cache.layers[static_cast<std::size_t>(layer)];
  std::vector<at::Tensor> all_keys, all_values;
  std::int64_t row = 0;
  for (std::int64_t s = 0; s < sequences; ++s) {
    const Piece& piece = pieces[static_cast<std::size_t>(s)];
    const at::Tensor held_keys = buffers.keys.narrow(0, s * cache.capacity, cache.capacity);
    const at::Tensor held_values = buffers.values.narrow(0, s * cache.capacity, cache.capacity);
    const at::Tensor new_keys = keys.narrow(0, bounds[s], piece.fresh);
    const at::Tensor new_values = values.narrow(0, bounds[s], piece.fresh);
    if (in_place) {
      extend_in_place(cache, piece, held_keys, new_keys);
      extend_in_place(cache, piece, held_values, new_values);
    } else {
      all_keys.push_back(beside(cache, piece, held_keys, new_keys));
      all_values.push_back(beside(cache, piece, held_values, new_values));
    }
    out.begins.mutable_data_ptr<std::int32_t>()[s] = static_cast<std::int32_t>(in_place ? s * cache.capacity : row);
    out.counts.mutable_data_ptr<std::int32_t>()[s] = static_cast<std::int32_t>(piece.rows());
    out.gaps.mutable_data_ptr<std::int32_t>()[s] = static_cast<std::int32_t>(piece.gap);
    row += piece.rows();
  }
  out.keys = in_place ? buffers.keys : at::cat(all_keys);
  out.values = in_place ? buffers.values : at::cat(all_values);
  return out;
}

void count_rows(KvCache& cache, const at::Tensor& offsets) {
  const std::vector<Piece> pieces = pieces_of(cache, offsets);
  const bool in_place = fits(cache, pieces);
  for (std::size_t s = 0; s < pieces.size(); ++s) {
    cache.counts[s] += static_cast<std::int32_t>(pieces[s].fresh);
    cache.gaps[s] = static_cast<std::int32_t>(pieces[s].gap + (in_place ? 0 : pieces[s].later));
  }
}

KvCache make_cache(std::int64_t sequences, std::int64_t capacity, std::int64_t layers, std::int64_t width,
                   const at::TensorOptions& options, const CacheReach& reach) {
  KvCache cache{.capacity = capacity, .block = reach.block, .look_back = reach.look_back, .sinks = reach.sinks};
  if (reach.block > 0) cache.capacity = std::min(capacity, (reach.look_back + 1) * reach.block + reach.sinks);
  cache.counts.assign(static_cast<std::size_t>(sequences), 0);
  cache.gaps = cache.counts;
  for (std::int64_t layer = 0; layer < layers; ++layer)
    cache.layers.push_back({at::empty({sequences * cache.capacity, width}, options),
                            at::empty({sequences * cache.capacity, width}, options)});
  return cache;
}

}  // namespace dsd
