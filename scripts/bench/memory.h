#pragma once
// Resident memory of this process, as the kernel tells it.

#include <fstream>
#include <string>

// In MiB: now ("VmRSS"), or at its peak since it was last reset ("VmHWM").
inline double memory_mib(const std::string& key) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with(key)) return std::stod(line.substr(key.size() + 1)) / 1024;
  return 0;
}

inline void reset_peak_memory() { std::ofstream("/proc/self/clear_refs") << "5"; }
