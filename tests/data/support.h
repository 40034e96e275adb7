#pragma once
// What the tests of data and eval share: a folder that goes away, rows read into memory, a tokenizer of letters, and
// the text of an expected Error.

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"
#include "core/data/dataset.h"
#include "core/data/rows.h"

namespace dsd::testing {

namespace fs = std::filesystem;

class Folder {
 public:
  Folder() {
    std::string name = (fs::temp_directory_path() / "dsd-data-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) std::abort();
    path_ = name;
  }
  ~Folder() { fs::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  const fs::path& path() const { return path_; }
  std::string text() const { return path_.string(); }

  fs::path write(const std::string& name, std::string_view bytes) const {
    const fs::path file = path_ / name;
    fs::create_directories(file.parent_path());
    std::ofstream(file, std::ios::binary) << bytes;
    return file;
  }

 private:
  fs::path path_;
};

// What an Error says; "" when there is none.
template <class Act>
std::string error_of(Act&& act) {
  try {
    act();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

struct PlainRow {
  std::string text, pair, label;  // "" for what a row does not have
  bool operator==(const PlainRow&) const = default;
  friend std::ostream& operator<<(std::ostream& out, const PlainRow& row) {
    return out << '[' << row.text << '|' << row.pair << '|' << row.label << ']';
  }
};

struct ReadFile {
  std::vector<PlainRow> rows;
  std::vector<std::string> notes;
};

inline ReadFile read_all(const Task& task, const DataConfig& data, const SplitFile& file) {
  const auto reader = open_rows(task, data, file);
  ReadFile read;
  Row row;
  while (reader->next(row))
    read.rows.push_back(
        {std::string(row.text), std::string(row.pair.value_or("")), std::string(row.label.value_or(""))});
  read.notes = reader->notes();
  return read;
}

inline ReadFile read_split(const std::string& name, const DataConfig& data, Split split, std::size_t part = 0) {
  const Task task = find_task(name, data);
  return read_all(task, data, split_files(task, data, split).at(part));
}

inline DataConfig data_at(const std::string& root) {
  DataConfig data;
  data.root = root;
  return data;
}

// Knows the letters a to z, alone and within words: "ab" is two tokens. Ids: 0 [PAD], 1 [UNK], 2 [CLS], 3 [SEP], 4
// [MASK], 5 a ... 30 z, 31 ##a ... 56 ##z.
inline Tokenizer letter_tokenizer(const Folder& folder) {
  std::string vocabulary = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n";
  for (char c = 'a'; c <= 'z'; ++c) vocabulary += std::string{c, '\n'};
  for (char c = 'a'; c <= 'z'; ++c) vocabulary += std::string{'#', '#', c, '\n'};
  folder.write("tokenizer/vocab.txt", vocabulary);
  return Tokenizer::load(folder.path() / "tokenizer");
}

// GLUE in its official files, where this checkout has it.
inline const fs::path kGlue = "../shared/data/glue";

}  // namespace dsd::testing
