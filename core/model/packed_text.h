#pragma once
// What a forward needs of a stream before any block runs: its ids checked against the model's tables, and for each row
// where it comes from. T tokens, S sequences.

#include "core/model/blocks/encoder.h"
#include "core/types/batch.h"
#include "core/types/kv_cache.h"

namespace dsd {

struct TableSizes {
  std::int64_t words = 0, positions = 0, segments = 0;
};

struct PackedText {
  Sequences text;   // on the model's device
  PackedRows rows;  // of all T rows
};

// Error when an id, position or segment lies outside its table: a tokenizer of another model, or too long a text.
PackedText pack(const Batch& batch, int stream, const TableSizes& sizes, at::Device device);

// The rows that the batch's first head reads: as it says for stream 0, one end of each sequence where it says nothing.
// int32 [N].
enum class TextEnd { first, last };
Tensor head_rows(const Batch& batch, int stream, TextEnd end, at::Device device);

// Positions of rows that go on where a cache's sequences end, int32 [T].
Tensor positions_after(const KvCache& cache, const PackedRows& rows);

// Places and positions of some rows.
PackedRows select(const PackedRows& rows, const Tensor& index);

}  // namespace dsd
