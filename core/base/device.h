#pragma once
// Which accelerator this binary was built with. Two sources, one of which is compiled: cuda.cpp or no_cuda.cpp.

#include <string>

namespace dsd {

// "CUDA 13.0\nNCCL 2.28.9\n", or "CUDA none (CPU build)\nNCCL none (CPU build)\n".
std::string accelerator_versions();

// Error, with what to do, when no GPU can be used: a CPU build, or none in the machine.
void require_cuda();

}  // namespace dsd
