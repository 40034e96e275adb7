#pragma once
// How this process was called, so that a command which we print works when it is pasted.

#include <string>
#include <vector>

namespace dsd {

std::vector<std::string> command_line();  // from /proc; empty where there is none
std::string program_name();               // its first word: "bin/dsdistill"; "dsdistill" where it is not known

}  // namespace dsd
