#pragma once
// The program as its users run it: a process, its exit code and what it printed; and a tiny model with a task to train.

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <vector>

namespace dsd::test {

struct Finished {
  int code = 0;  // 128 + n when signal n ended it
  std::string out, error;
};

// Runs $DSD_BINARY with the arguments in the project's root.
Finished dsdistill(const std::vector<std::string>& arguments);

// The same, not waited for; its output goes to `log`.
pid_t start(const std::vector<std::string>& arguments, const std::filesystem::path& log);
int wait_for(pid_t process);  // exit code, as in Finished

// A folder that goes away, with a BERT of two layers x 32 in model/, and a task of two classes in train.tsv and
// dev.tsv: a text is "good" when it has more of the words good0..good9 than of bad0..bad9.
class Workshop {
 public:
  Workshop();
  ~Workshop();
  Workshop(const Workshop&) = delete;
  Workshop& operator=(const Workshop&) = delete;

  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }
  void write(const std::string& name, const std::string& text) const;

  // Makes decoder/ beside the encoder, with its tokenizer: two layers x 32, so many heads 16 wide on two of keys.
  std::filesystem::path make_decoder(std::int64_t heads) const;

  // `train` with a recipe for this task; `more` are further flags.
  std::vector<std::string> train(const std::string& run, const std::vector<std::string>& more) const;

 private:
  std::filesystem::path path_;
};

std::string bytes_of(const std::filesystem::path& file);

// Loss and gradient norm of each step of a run, in turn.
std::vector<double> losses_of(const std::filesystem::path& run);

}  // namespace dsd::test
