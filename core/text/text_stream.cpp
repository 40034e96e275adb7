#include "core/text/text_stream.h"

namespace dsd {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // what a decoder puts for bytes that are no character

}  // namespace

std::string TextStream::pending() const {
  std::vector<std::int32_t> all = context_;
  all.insert(all.end(), fresh_.begin(), fresh_.end());
  return tokenizer_.decode(all).substr(tokenizer_.decode(context_).size());
}

std::string TextStream::add(std::int32_t id) {
  fresh_.push_back(id);
  std::string text = pending();
  if (text.empty() || text.ends_with(kReplacement)) return {};
  context_.swap(fresh_);
  fresh_.clear();
  return text;
}

std::string TextStream::finish() {
  if (fresh_.empty()) return {};
  std::string text = pending();
  fresh_.clear();
  return text;
}

}  // namespace dsd
