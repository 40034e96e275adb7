#pragma once
// The state of one forward over packed rows that all families share: what is wanted of it, and what it hands out.

#include "core/model/packed_text.h"
#include "core/types/outputs.h"

namespace dsd {

struct ForwardRun {
  const Wanted& wanted;
  const Pass& pass;
  PackedText packed;
  Tensor head_rows;  // [N] int32; defined where a head (or a pooler) reads them
  Tensor hidden;     // [T, H] of the layer reached; the rows that the head reads alone, once `reduced`
  bool reduced = false;
  std::int64_t depth = 0;  // layers to run
  Outputs outputs;

  bool wants(Site::Kind kind, std::int64_t layer) const;
  bool wants_qkv(std::int64_t layer) const;
  void capture(Site::Kind kind, std::int64_t layer, const Tensor& value);
  // `qkv` [T, width + 2 key_width]: queries, keys, values.
  void capture_qkv(std::int64_t layer, const Tensor& qkv, std::int64_t width, std::int64_t key_width);
  // `depth` reaches at least so far that every site wanted of this stream is passed.
  void reach_sites();
};

// Error for a site beyond a model of so many layers.
void check_site(const Site& site, std::int64_t layers);

}  // namespace dsd
