#pragma once
// Cuts text at places that something has matched, in each of the ways that the package knows. Included by sources only.

#include <cstddef>
#include <vector>

#include "core/text/pre_tokenizer.h"

namespace dsd {

// Takes stretches that cover a text in order and appends the pieces that they come to.
class Cutter {
 public:
  Cutter(SplitBehavior behavior, std::vector<Piece>& out) : behavior_(behavior), out_(out) {}

  void add(std::size_t begin, std::size_t end, bool is_match) {
    const bool joins = has_open_ && joins_open(is_match);
    if (!joins) {
      close();
      open_ = {begin, begin};
      has_open_ = behavior_ != SplitBehavior::removed || !is_match;
    }
    open_.end = end;
    was_match_ = is_match;
  }

  // After the last stretch.
  void close() {
    if (has_open_ && open_.begin < open_.end) out_.push_back(open_);
    has_open_ = false;
  }

 private:
  bool joins_open(bool is_match) const {
    switch (behavior_) {
      case SplitBehavior::merged_with_previous:
        return is_match && !was_match_;
      case SplitBehavior::merged_with_next:
        return !is_match && was_match_;
      case SplitBehavior::contiguous:
        return is_match == was_match_;
      default:
        return false;
    }
  }

  SplitBehavior behavior_;
  std::vector<Piece>& out_;
  Piece open_{};
  bool has_open_ = false;
  bool was_match_ = false;
};

}  // namespace dsd
