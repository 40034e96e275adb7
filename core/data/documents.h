#pragma once
// The documents of a text file, piece by piece: no more than some hundred KiB of it lies in memory, whatever its size.
// A byte order mark before the first document is no part of it.

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace dsd {

struct DocumentRules {
  // Text between documents, which then have no line breaks at their ends; none: the file is one, byte for byte.
  std::optional<std::string> separator;
  bool articles = false;  // a line " = Title = " between blank ones is the first of a document
};

class DocumentReader {
 public:
  DocumentReader(const std::filesystem::path& path, DocumentRules rules);

  // Moves to the next document that has any text; false at the end of the file.
  bool next();
  // More of the document, in whole characters, valid until the next call; empty at its end. Error where the file is not
  // UTF-8, naming line and byte.
  std::string_view piece();

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  // A part of the document at hand, as places in the buffer.
  struct Stretch {
    std::size_t begin = 0, end = 0;
    std::size_t next = 0;   // where reading goes on
    bool complete = false;  // the document ends with it
  };

  bool fill();
  void check_characters();
  Stretch read();
  Stretch find_separator() const;
  Stretch find_heading() const;
  bool is_heading(std::size_t line_break) const;
  std::size_t character_at(std::size_t place) const;
  std::string_view take(const Stretch& stretch);

  std::unique_ptr<std::FILE, Close> file_;
  std::string name_;
  DocumentRules rules_;
  std::string buffer_;
  std::size_t begin_ = 0;    // bytes before it have been given
  std::size_t checked_ = 0;  // bytes before it are whole characters
  bool at_end_ = false;      // of the file
  bool ended_ = true;        // the document at hand has been given
  bool fresh_ = true;        // nothing of it has been given
  std::optional<Stretch> ahead_;
  std::int64_t line_ = 1, line_bytes_ = 0;  // where checked_ stands, for messages
};

}  // namespace dsd
