#include "kernels/dropout.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

namespace dsd {
namespace {

std::uint32_t lane_of(const std::array<std::uint32_t, 4>& words, std::size_t lane) {
  return words[lane / 2] >> (lane % 2 * 16) & 0xFFFFu;
}

at::Tensor on_host(const at::Tensor& tensor) { return tensor.to(at::kCPU, at::kInt).contiguous(); }

}  // namespace

Dropout make_dropout(double probability, const RandomKey& key) {
  const double threshold = std::clamp(std::round(probability * 65536.0), 0.0, 65535.0);
  return {static_cast<std::uint32_t>(threshold), philox_key(key)};
}

at::Tensor dropout_mask(const Dropout& dropout, const at::Tensor& places, const at::Tensor& positions,
                        std::int64_t width, const at::TensorOptions& options) {
  const at::Tensor place = on_host(places), position = on_host(positions);
  at::Tensor mask = at::empty({place.size(0), width}, at::kDouble);
  double* out = mask.mutable_data_ptr<double>();
  for (std::int64_t row = 0; row < place.size(0); ++row, out += width) {
    const auto at_row = static_cast<std::uint32_t>(place.const_data_ptr<std::int32_t>()[row]);
    const auto at_position = static_cast<std::uint32_t>(position.const_data_ptr<std::int32_t>()[row]);
    for (std::int64_t first = 0; first < width; first += first % 128 == 15 ? 113 : 1) {
      const auto group = static_cast<std::uint32_t>(first / 128 * 16 + first % 16);
      const auto words = philox({at_row, at_position, group, 0}, dropout.key);
      for (std::size_t lane = 0; lane < 8; ++lane) {
        const std::int64_t column = first + static_cast<std::int64_t>(lane) * 16;
        if (column < width) out[column] = lane_of(words, lane) < dropout.threshold ? 0.0 : dropout.scale();
      }
    }
  }
  return mask.to(options.device(), c10::typeMetaToScalarType(options.dtype()));
}

at::Tensor attention_dropout_mask(const Dropout& dropout, const at::Tensor& places, const at::Tensor& queries,
                                  std::int64_t heads, std::int64_t keys, const at::TensorOptions& options) {
  const at::Tensor place = on_host(places), query = on_host(queries);
  const std::int64_t sequences = query.size(0), rows = query.size(1);
  at::Tensor mask = at::empty({sequences, heads, rows, keys}, at::kDouble);
  double* out = mask.mutable_data_ptr<double>();
  for (std::int64_t s = 0; s < sequences; ++s) {
    const auto at_place = static_cast<std::uint32_t>(place.const_data_ptr<std::int32_t>()[s]);
    for (std::int64_t head = 0; head < heads; ++head) {
      for (std::int64_t i = 0; i < rows; ++i) {
        const auto index = static_cast<std::uint32_t>(query.const_data_ptr<std::int32_t>()[s * rows + i]);
        for (std::int64_t j = 0; j < keys; ++j) {
          const auto words = philox(
              {at_place, index / 8, static_cast<std::uint32_t>(j), static_cast<std::uint32_t>(head + 1)}, dropout.key);
          *out++ = lane_of(words, index % 8) < dropout.threshold ? 0.0 : dropout.scale();
        }
      }
    }
  }
  return mask.to(options.device(), c10::typeMetaToScalarType(options.dtype()));
}

}  // namespace dsd
