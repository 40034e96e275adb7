#pragma once
// Large numbers for people.

#include <string>

namespace dsd {

// Rounded to a whole number, in groups of three digits: 12174182400 as "12,174,182,400".
std::string thousands(double number);

}  // namespace dsd
