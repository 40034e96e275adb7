#pragma once
// Tensors of a checkpoint: streamed out of the memory they lie in, and read back into it once name, dtype and shape
// have been checked.

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "core/formats/safetensors.h"

namespace dsd {

// fp32, float64, bf16, int32 or int64. A tensor of an accelerator is copied to the host when its turn comes.
TensorToWrite to_write(std::string name, const at::Tensor& tensor);

// Error naming the file when the tensor is missing or is another one.
void read_into(const at::Tensor& target, const SafetensorsFile& file, const std::string& name);

// A tensor of a type that to_write knows, of whatever shape; Error for another type.
at::Tensor read_tensor(const SafetensorsFile& file, const TensorInfo& info);

// Numbers whose count only the file knows.
std::vector<std::int32_t> read_numbers(const SafetensorsFile& file, const std::string& name);

}  // namespace dsd
