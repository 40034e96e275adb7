// `dsdistill init DATA`: a recipe for one's own examples, with the columns, labels and lengths found in them.
#include <fmt/format.h>

#include <cstdio>
#include <fstream>

#include "cli/commands.h"
#include "cli/table_sniff.h"
#include "core/base/error.h"
#include "core/base/files.h"
#include "core/base/program.h"
#include "core/config/writer.h"
#include "core/recipe/load.h"

namespace dsd {
namespace {

namespace fs = std::filesystem;

// The checkpoint that a teacher is made from unless one is named: the one that scripts/setup.sh unpacks, or its name.
std::string default_start() {
  const fs::path unpacked = ".deps/models/minilm-l6";
  return fs::is_directory(unpacked) ? unpacked.string() : "sentence-transformers/all-MiniLM-L6-v2";
}

// The files that a recipe names, all in one folder.
struct Files {
  fs::path root;
  std::string train, dev, test, unlabelled;  // empty: none
  bool held_out = false;                     // train and dev were made here
};

std::string beside(const fs::path& data, std::initializer_list<std::string_view> names) {
  for (const auto name : names) {
    const fs::path file = data.parent_path() / fmt::format("{}{}", name, data.extension().string());
    std::error_code ignored;
    if (fs::is_regular_file(file, ignored) && !fs::equivalent(file, data, ignored)) return file.filename().string();
  }
  return "";
}

// Every tenth row goes to dev, the rest to train: where rows are sorted by label, each label keeps its share.
void hold_out(const fs::path& data, bool header, const fs::path& folder, bool replace) {
  write_folder_atomically(folder, replace, [&](const fs::path& inside) {
    for (const bool dev : {false, true})
      write_atomically(inside / fmt::format("{}{}", dev ? "dev" : "train", data.extension().string()),
                       [&](const Sink& sink) {
                         std::ifstream file(data, std::ios::binary);
                         std::string line;
                         std::int64_t row = header ? -1 : 0;
                         for (; std::getline(file, line); line.empty() ? row : ++row)
                           if (!line.empty() && (row < 0 || (row % 10 == 9) == dev)) sink(line + "\n");
                       });
  });
}

Files find_files(const fs::path& data, const TableFacts& facts, const fs::path& out, bool force) {
  Files files;
  files.root = data.has_parent_path() ? data.parent_path() : fs::path(".");
  files.train = data.filename().string();
  files.dev = beside(data, {"dev", "valid", "validation", "val"});
  files.test = beside(data, {"test"});
  files.unlabelled = beside(data, {"unlabelled", "unlabeled"});
  if (!files.dev.empty()) return files;
  if (facts.rows < 20)
    fail("{}: {} examples are too few to hold some out; put a dev{} beside it", data.string(), facts.rows,
         data.extension().string());
  files = {.root = out.parent_path() / (out.stem().string() + "-data"),
           .train = {},
           .dev = {},
           .test = {},
           .unlabelled = {}};
  files.held_out = true;
  hold_out(data, !facts.jsonl, files.root, force);
  files.train = "train" + data.extension().string();
  files.dev = "dev" + data.extension().string();
  return files;
}

std::string labels_line(const TableFacts& facts, const Roles& roles) {
  std::string line;
  for (const auto& label : facts.find(roles.label)->distinct)
    line += (line.empty() ? "" : ", ") + quoted_if_needed(label);
  return line;
}

// The commands that make the teacher and then the student out of one recipe.
struct TwoCommands {
  std::string teacher, student, teacher_run;
};

std::string shell_word(const std::string& text) {
  constexpr std::string_view plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./,=";
  if (text.find_first_not_of(plain) == std::string::npos) return text;
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

TwoCommands commands_for(const InitOptions& options, const Files& files) {
  const std::string stem = fs::path(options.out).stem().string();
  const std::string start = options.teacher.empty() ? default_start() : options.teacher;
  TwoCommands commands;
  commands.teacher_run = fmt::format("runs/{}-teacher", stem);
  commands.teacher = fmt::format(
      "{} train {} --student {} --set teacher.path=null --set student.layers=null{} --set "
      "train.learning_rate=5e-5 --run {}",
      program_name(), shell_word(options.out), shell_word(start),
      files.unlabelled.empty() ? "" : " --set 'data.unlabelled=[]'", shell_word(commands.teacher_run));
  commands.student = fmt::format("{} train {} --run {}", program_name(), shell_word(options.out),
                                 shell_word(fmt::format("runs/{}-student", stem)));
  return commands;
}

std::string recipe_text(const InitOptions& options, const TableFacts& facts, const Roles& roles, const Files& files,
                        const TwoCommands& commands) {
  const auto text = [](std::string_view value) { return quoted_if_needed(value); };
  std::string out = fmt::format("# Distils a teacher into a student of two layers on {}.\n",
                                fs::path(options.data).filename().string());
  out += fmt::format("# First make the teacher (it is called the student while it is trained itself):\n#   {}\n",
                     commands.teacher);
  out += fmt::format("# then the student:\n#   {}\n", commands.student);
  out +=
      fmt::format("task: {}\ndata:\n  root: {}\n  train: {}\n", roles.is_regression ? "regression" : "classification",
                  text(files.root.string()), text(files.train));
  out += fmt::format("  dev: {}{}\n", text(files.dev), files.held_out ? " # every tenth row, held out by `init`" : "");
  if (!files.test.empty()) out += fmt::format("  test: {}\n", text(files.test));
  if (!files.unlabelled.empty())
    out += fmt::format("  unlabelled: [{}] # the teacher labels it\n", text(files.unlabelled));
  out += fmt::format("  columns:\n    text: {}\n", text(roles.text));
  if (roles.text_pair) out += fmt::format("    text_pair: {}\n", text(*roles.text_pair));
  out += fmt::format("    label: {}\n", text(roles.label));
  if (!roles.is_regression) out += fmt::format("  labels: [{}]\n", labels_line(facts, roles));
  out += fmt::format("  max_length: {} # tokens; about 95 of 100 examples are shorter\n",
                     estimate_max_length(facts, roles));
  out += fmt::format("teacher:\n  path: {}\n", text(commands.teacher_run));
  out += "student:\n  layers: 2 # the teacher's lowest two are where it starts\n";
  out += "losses:\n  soft_weight: 0.7 # against the teacher\n  hard_weight: 0.3 # against the labels\n";
  if (!roles.is_regression) out += "  temperature: 2.0\n";
  out += "train:\n  epochs: 3.0\n  batch: 32\n  learning_rate: 1e-4\n";
  return out;
}

}  // namespace

int run_init(const InitOptions& options) {
  const fs::path data(options.data), out(options.out);
  if (fs::exists(out) && !options.force) fail("{}: is there already; --force replaces it", out.string());
  const TableFacts facts = sniff_table(data);
  const Roles roles = find_roles(facts, data);
  const Files files = find_files(data, facts, out, options.force);
  const TwoCommands commands = commands_for(options, files);
  const std::string text = recipe_text(options, facts, roles, files, commands);
  parse_recipe(text, out.string());  // what is handed out must be accepted
  write_atomically(out, text);

  fmt::print("{}: {} rows; text '{}'{}, label '{}' ({})\n", data.string(), facts.rows, roles.text,
             roles.text_pair ? fmt::format(" and '{}'", *roles.text_pair) : "", roles.label,
             roles.is_regression ? "numbers" : fmt::format("{} classes", facts.find(roles.label)->distinct.size()));
  if (files.held_out) fmt::print("{}: every tenth row is held out as dev\n", files.root.string());
  fmt::print("{}: written. Next:\n  {}\n  {}\n", out.string(), commands.teacher, commands.student);
  return 0;
}

}  // namespace dsd
