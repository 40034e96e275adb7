#include "cli/threads.h"

#include <ATen/Parallel.h>

#include <cstdlib>
#include <thread>

namespace dsd {

int use_threads(int wanted) {
  // OMP_NUM_THREADS holds where no flag says otherwise, as it does for every other program.
  const bool told_by_environment = wanted == 0 && std::getenv("OMP_NUM_THREADS") != nullptr;
  if (wanted == 0) wanted = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  if (!told_by_environment) at::set_num_threads(wanted);
  return at::get_num_threads();
}

}  // namespace dsd
