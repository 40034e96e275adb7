#include "core/text/decode_stream.h"

#include <algorithm>

namespace dsd {
namespace {

std::size_t characters(const std::string& text) {
  return static_cast<std::size_t>(std::count_if(
      text.begin(), text.end(), [](char byte) { return (static_cast<unsigned char>(byte) & 0xC0) != 0x80; }));
}

}  // namespace

// Text that was handed out cannot be taken back: where a byte that came later has made it invalid, as many characters
// as it had are passed over.
std::string DecodeStream::fresh_part(const std::string& text) const {
  if (text.starts_with(prefix_)) return text.substr(prefix_.size());
  std::size_t at = 0;
  for (std::size_t left = characters(prefix_); at < text.size(); ++at)
    if ((static_cast<unsigned char>(text[at]) & 0xC0) != 0x80 && left-- == 0) break;
  return text.substr(at);
}

std::string DecodeStream::push(std::int32_t id) {
  ids_.push_back(id);
  const std::string text = decoded();
  if (text.size() <= prefix_.size() || text.ends_with("\uFFFD")) return {};
  std::string fresh = fresh_part(text);
  // What was handed out last stays, as what comes may look different behind it (its blank, for one).
  ids_.erase(ids_.begin(), ids_.begin() + static_cast<std::ptrdiff_t>(handed_out_));
  handed_out_ = ids_.size();
  prefix_ = decoded();
  return fresh;
}

std::string DecodeStream::finish() {
  std::string rest = fresh_part(decoded());
  ids_.clear();
  handed_out_ = 0;
  prefix_.clear();
  return rest;
}

}  // namespace dsd
