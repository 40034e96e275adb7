#include "core/text/decode_stream.h"

#include "core/base/error.h"

namespace dsd {
namespace {

bool is_unfinished(const std::string& text) { return text.ends_with("\uFFFD"); }

}  // namespace

std::string DecodeStream::behind_prefix(const std::string& text) const {
  if (!text.starts_with(prefix_))
    fail("the text '{}' of tokens changed to '{}' with the ones behind them; decode them at once", prefix_, text);
  return text.substr(prefix_.size());
}

std::string DecodeStream::push(std::int32_t id) {
  if (prefix_.empty() && !ids_.empty()) {
    std::string text = decoded();
    if (!is_unfinished(text)) {
      prefix_ = std::move(text);
      prefix_ids_ = ids_.size();
    }
  }
  ids_.push_back(id);
  const std::string text = decoded();
  if (text.size() <= prefix_.size() || is_unfinished(text)) return {};
  std::string fresh = behind_prefix(text);
  // The tokens just handed out stay, as what the next one looks like may depend on them (its blank, for one).
  const std::size_t kept = ids_.size() - prefix_ids_;
  ids_.erase(ids_.begin(), ids_.begin() + static_cast<std::ptrdiff_t>(prefix_ids_));
  prefix_ = decoded();
  prefix_ids_ = kept;
  return fresh;
}

std::string DecodeStream::finish() {
  std::string rest = behind_prefix(decoded());
  ids_.clear();
  prefix_.clear();
  prefix_ids_ = 0;
  return rest;
}

}  // namespace dsd
