#include "tests/cli/program.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/model/model.h"

namespace dsd::test {
namespace {

namespace fs = std::filesystem;

pid_t spawn(const std::vector<std::string>& arguments, const fs::path& out, const fs::path& error) {
  const char* binary = std::getenv("DSD_BINARY");
  if (!binary) fail("DSD_BINARY does not name the program to test");
  const pid_t process = ::fork();
  if (process != 0) return process;
  const auto redirect = [](const fs::path& file, int stream) {
    ::dup2(::open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644), stream);
  };
  redirect(out, STDOUT_FILENO);
  redirect(error, STDERR_FILENO);
  ::close(STDIN_FILENO);
  std::vector<char*> argv{const_cast<char*>(binary)};
  for (const auto& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  ::execv(binary, argv.data());
  ::_exit(127);
}

fs::path own_temporary(const char* name) {
  return fs::temp_directory_path() / fmt::format("dsd-cli-{}-{}", ::getpid(), name);
}

// Texts of 3 to 8 words in a fixed order; no random numbers, so that the task is the same everywhere.
std::string task_text(int rows, int first) {
  std::string text = "text\tlabel\n";
  for (int i = first; i < first + rows; ++i) {
    const bool good = i % 3 != 0;
    for (int word = 0; word < 3 + i % 6; ++word) {
      const bool same = word % 3 != 2;
      text += fmt::format("{}{}{}", word == 0 ? "" : " ", good == same ? "good" : "bad", (i * 7 + word * 3) % 10);
    }
    text += good ? "\tgood\n" : "\tbad\n";
  }
  return text;
}

void make_model(const fs::path& folder) {
  const BertConfig bert{.vocab_size = 25,
                        .hidden_size = 32,
                        .num_hidden_layers = 2,
                        .num_attention_heads = 2,
                        .intermediate_size = 64,
                        .max_position_embeddings = 32};
  ModelConfig config{.family = bert, .head = {}, .json = ""};
  config.head.architectures = {"BertModel"};
  fs::create_directories(folder);
  const auto model =
      random_model(config, {.head = HeadKind::none, .trainable = false}, {.seed = 1, .purpose = Purpose::weights});
  save_model(*model, folder, at::kFloat);
  std::string vocabulary = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n";
  for (const char* stem : {"good", "bad"})
    for (int i = 0; i < 10; ++i) vocabulary += fmt::format("{}{}\n", stem, i);
  write_atomically(folder / "vocab.txt", vocabulary);
  write_atomically(folder / "tokenizer_config.json", R"({"do_lower_case": true, "tokenizer_class": "BertTokenizer"})");
}

}  // namespace

int wait_for(pid_t process) {
  int status = 0;
  ::waitpid(process, &status, 0);
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

pid_t start(const std::vector<std::string>& arguments, const fs::path& log) {
  return spawn(arguments, fs::path("/dev/null"), log);
}

Finished dsdistill(const std::vector<std::string>& arguments) {
  const fs::path out = own_temporary("out"), error = own_temporary("error");
  Finished finished;
  finished.code = wait_for(spawn(arguments, out, error));
  finished.out = bytes_of(out);
  finished.error = bytes_of(error);
  fs::remove(out);
  fs::remove(error);
  return finished;
}

std::string bytes_of(const fs::path& file) { return read_text(file); }

Workshop::Workshop() {
  static int count = 0;
  path_ = own_temporary("work") += std::to_string(++count);
  fs::remove_all(path_);
  fs::create_directories(path_);
  make_model(path_ / "model");
  write("train.tsv", task_text(240, 0));
  write("dev.tsv", task_text(60, 1000));
  write("task.yaml",
        "task: classification\ndata:\n  root: .\n  train: train.tsv\n  dev: dev.tsv\n  max_length: 16\n"
        "train:\n  batch: 8\n  learning_rate: 1e-3\n");
}

fs::path Workshop::make_decoder(std::int64_t heads) const {
  const LlamaConfig llama{.vocab_size = 25,
                          .hidden_size = 32,
                          .num_hidden_layers = 2,
                          .num_attention_heads = heads,
                          .num_key_value_heads = 2,
                          .head_dim = 16,
                          .intermediate_size = 64,
                          .max_position_embeddings = 64};
  ModelConfig config{.family = llama, .head = {}, .json = ""};
  config.head.architectures = {"LlamaForCausalLM"};
  fs::path folder = path_ / "decoder";
  fs::create_directories(folder);
  const auto model = random_model(config, {.head = HeadKind::next_token, .trainable = false},
                                  {.seed = 1, .purpose = Purpose::weights});
  save_model(*model, folder, at::kFloat);
  for (const char* name : {"vocab.txt", "tokenizer_config.json"})
    fs::copy_file(path_ / "model" / name, folder / name, fs::copy_options::overwrite_existing);
  return folder;
}

Workshop::~Workshop() { fs::remove_all(path_); }

void Workshop::write(const std::string& name, const std::string& text) const { write_atomically(path_ / name, text); }

std::vector<std::string> Workshop::train(const std::string& run, const std::vector<std::string>& more) const {
  std::vector<std::string> arguments{"train", (path_ / "task.yaml").string(), "--data",    path_.string(),
                                     "--run", (path_ / run).string(),         "--threads", "1"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

std::vector<double> losses_of(const std::filesystem::path& run) {
  std::vector<double> numbers;
  std::istringstream lines(bytes_of(run / "log.jsonl"));
  for (std::string line; std::getline(lines, line);)
    if (const auto json = nlohmann::json::parse(line); json.contains("gradient_norm"))
      numbers.insert(numbers.end(), {json["loss"].get<double>(), json["gradient_norm"].get<double>()});
  return numbers;
}

}  // namespace dsd::test
