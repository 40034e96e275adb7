// Plain text: a line is a text, or two with a tab between.
#include "core/base/error.h"
#include "core/data/row_readers.h"

namespace dsd {
namespace {

class TextReader final : public RowReader {
 public:
  TextReader(const std::filesystem::path& path, std::string task, bool pair)
      : RowReader(path), task_(std::move(task)), pair_(pair) {}

  bool next(Row& row) override {
    std::string_view line;
    do {
      if (!lines_.next(line)) {
        if (rows_ == 0) fail("{}: is empty; expected one text a line", lines_.name());
        return false;
      }
    } while (line.empty());
    ++rows_;
    row = {.text = line, .pair = std::nullopt, .label = std::nullopt, .input = std::nullopt};
    if (!pair_) return true;
    const std::size_t tab = line.find('\t');
    if (tab == std::string_view::npos)
      fail("{}: one text, but task '{}' compares two; separate them by a tab", place(), task_);
    row.text = line.substr(0, tab);
    row.pair = line.substr(tab + 1);
    return true;
  }

 private:
  std::string task_;
  bool pair_;
  std::int64_t rows_ = 0;
};

}  // namespace

std::unique_ptr<RowReader> open_text(const std::filesystem::path& path, const std::string& task, bool pair) {
  return std::make_unique<TextReader>(path, task, pair);
}

}  // namespace dsd
