#include "core/base/program.h"

#include <fstream>

namespace dsd {

std::vector<std::string> command_line() {
  std::ifstream file("/proc/self/cmdline", std::ios::binary);
  std::vector<std::string> words;
  for (std::string word; std::getline(file, word, '\0');) words.push_back(word);
  return words;
}

std::string program_name() {
  const auto words = command_line();
  return words.empty() ? "dsdistill" : words.front();
}

}  // namespace dsd
