#pragma once
// The number of threads that a command computes with.

namespace dsd {

// Sets it for LibTorch and our kernels; 0 takes one for each core. Returns what is in force.
int use_threads(int wanted);

}  // namespace dsd
