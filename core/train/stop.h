#pragma once
// A clean stop on SIGTERM and SIGINT: the first asks the loop to end after its step and save; a second one ends at
// once.

namespace dsd {

// Installs the handlers while it lives, and puts back what was there.
class StopSignal {
 public:
  StopSignal();
  ~StopSignal();
  StopSignal(const StopSignal&) = delete;
  StopSignal& operator=(const StopSignal&) = delete;

  int received() const;  // 0, SIGTERM or SIGINT
};

}  // namespace dsd
