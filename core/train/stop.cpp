#include "core/train/stop.h"

#include <csignal>

namespace dsd {
namespace {

// A signal handler can reach nothing but what has static storage.
volatile std::sig_atomic_t last_signal = 0;

void remember(int signal) { last_signal = signal; }

void install(int signal, void (*handler)(int)) {
  struct sigaction action {};
  action.sa_handler = handler;
  action.sa_flags = static_cast<int>(SA_RESETHAND);  // the second one takes the default: it ends the process
  sigemptyset(&action.sa_mask);
  sigaction(signal, &action, nullptr);
}

}  // namespace

StopSignal::StopSignal() {
  last_signal = 0;
  install(SIGTERM, remember);
  install(SIGINT, remember);
}

StopSignal::~StopSignal() {
  install(SIGTERM, SIG_DFL);
  install(SIGINT, SIG_DFL);
}

int StopSignal::received() const { return last_signal; }

}  // namespace dsd
