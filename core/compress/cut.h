#pragma once
// Which rows and columns of each weight stay when parts of a model are pruned: one rule for the entries of every
// family's table, by their names.

#include "core/compress/prune.h"
#include "core/model/model_shape.h"

namespace dsd {

class Cut {
 public:
  Cut(const FamilyConfig& base, const Kept& kept);

  // What is left of one of the base's weights. TORCH_CHECK for a name that no rule knows.
  Tensor of(const WeightEntry& entry) const;

 private:
  // Rows of queries, keys and values; columns of the output projection; rows of a table of query heads.
  Tensor qkv_rows(std::int64_t set) const;
  Tensor head_columns(std::int64_t set) const;
  Tensor query_heads(std::int64_t set) const;
  Tensor neurons(std::int64_t set) const;  // of an MLP without experts
  Tensor experts(const Tensor& stacked, std::int64_t set, bool down) const;

  const FamilyConfig& family_;
  const Kept& kept_;
  ModelShape shape_;
};

}  // namespace dsd
