#include "core/text/pattern.h"

#include <algorithm>
#include <bit>

#include "core/base/error.h"
#include "core/text/utf8.h"

namespace dsd {
namespace {

constexpr std::size_t kNowhere = static_cast<std::size_t>(-1);

}  // namespace

Pattern::Search::Search(std::string_view text_in, std::size_t size) : text(text_in) {
  // Patterns of tokenizers need a few steps for a byte; what needs hundreds is a trap.
  constexpr std::int64_t kLeastEffort = 10'000'000, kEffortOfByte = 200;
  effort = kLeastEffort + kEffortOfByte * static_cast<std::int64_t>(size);
}

Pattern Pattern::literal(std::string_view text) {
  Pattern pattern;
  if (text.empty()) fail("an empty pattern is not supported");
  pattern.source_ = text;
  pattern.is_literal_ = true;
  return pattern;
}

void Pattern::spend(Search& search, std::size_t effort) const {
  search.effort -= static_cast<std::int64_t>(effort);
  if (search.effort < 0)
    fail("the pattern '{}' takes too long on a text of {} bytes; cut the text or the pattern", source_.substr(0, 60),
         search.text.size());
}

const Pattern::Signature& Pattern::signature(std::string_view text, std::size_t& at) const {
  const auto byte = static_cast<unsigned char>(text[at]);
  if (byte < 0x80) return ++at, ascii_[byte];
  const char32_t code = next_code_point(text, at);
  return signatures_[blocks_[pages_[code >> 8]][code & 0xFF]];
}

bool Pattern::takes(const Search& search, const Step& step, std::size_t& at) const {
  if (at == search.text.size()) return false;
  std::size_t behind = at;
  if ((signature(search.text, behind).sets >> step.set & 1) == 0) return false;
  at = behind;
  return true;
}

// As the package's iterator does it: an empty match right after a match does not count.
bool Pattern::next(Search& search) const {
  while (search.from <= search.text.size()) {
    Match match;
    if (!find(search, match)) return false;
    if (match.begin != match.end || !search.has_match || match.end != search.match.end) {
      search.match = match;
      search.has_match = true;
      search.from = match.end;
      return true;
    }
    if (search.from == search.text.size()) return false;
    next_code_point(search.text, search.from);
  }
  return false;
}

bool Pattern::find(Search& search, Match& match) const {
  if (is_literal_) {
    match.begin = search.text.find(source_, search.from);
    match.end = match.begin + source_.size();
    return match.begin != std::string_view::npos;
  }
  for (std::size_t at = search.from;;) {
    std::size_t behind = at;
    const bool at_end = at == search.text.size();
    const std::uint32_t starts = at_end ? free_starts_ : signature(search.text, behind).starts;
    const std::size_t end = starts == 0 ? kNowhere : try_at(search, at, starts);
    if (end != kNowhere) {
      match = {at, end};
      return true;
    }
    if (at_end) return false;
    at = behind;
  }
}

std::size_t Pattern::try_at(Search& search, std::size_t at, std::uint32_t starts) const {
  for (; starts != 0; starts &= starts - 1) {
    const auto number = static_cast<std::size_t>(std::countr_zero(starts));
    if (at < search.dead_until[number]) continue;
    const std::uint32_t first = alternatives_[number];
    const std::size_t end = run(search, first, at);
    if (end != kNowhere) return end;
    // A run of one set that leads nowhere from its start leads nowhere from its middle, from where it ends at the same
    // places. (Without this, patterns such as '\s+$' take the square of a text's length.)
    const Step& step = steps_[first];
    if (step.op != Op::loop || step.most != kNowhere || step.least > 1) continue;
    std::size_t run_end = at;
    while (takes(search, step, run_end)) {}
    spend(search, run_end - at);
    search.dead_until[number] = run_end;
  }
  return kNowhere;
}

bool Pattern::walk_loop(Search& search, const Step& step, std::size_t& at) const {
  std::size_t count = 0, least_at = at;
  while (count < step.most && takes(search, step, at))
    if (++count == step.least) least_at = at;
  spend(search, count);
  if (count < step.least) return false;
  if (step.keeps_all || count == step.least) return true;
  std::size_t before = at;
  previous_code_point(search.text, before);
  search.retries.push_back({step.next, before, least_at});
  return true;
}

bool Pattern::holds(Search& search, const Step& step, std::size_t at) const {
  switch (step.op) {
    case Op::line_begin:
      return at == 0 || (search.text[at - 1] == '\n' && at != search.text.size());
    case Op::line_end:
      return at == search.text.size() || search.text[at] == '\n';
    case Op::text_begin:
      return at == 0;
    case Op::text_end:
      return at == search.text.size();
    default: {
      for (std::size_t i = 0; i < step.least; ++i) {
        if (at == 0) return step.negative;
        previous_code_point(search.text, at);
      }
      return (run(search, step.other, at) != kNowhere) != step.negative;
    }
  }
}

// The end of the match that starts at `at`, or kNowhere.
std::size_t Pattern::run(Search& search, std::uint32_t number, std::size_t at) const {
  constexpr std::size_t kMostRetries = 1'000'000;
  const std::size_t base = search.retries.size();
  for (;;) {
    const Step& step = steps_[number];
    bool good = true;
    switch (step.op) {
      case Op::accept:
        search.retries.resize(base);
        return at;
      case Op::set:
        good = takes(search, step, at);
        break;
      case Op::loop:
        good = walk_loop(search, step, at);
        break;
      case Op::split:
        search.retries.push_back({step.other, at, at});
        break;
      default:
        good = holds(search, step, at);
    }
    spend(search, 1);
    number = step.next;
    if (good) continue;
    if (search.retries.size() == base) return kNowhere;
    if (search.retries.size() > kMostRetries) spend(search, static_cast<std::size_t>(search.effort) + 1);
    Retry& retry = search.retries.back();
    number = retry.step;
    at = retry.at;
    if (retry.at == retry.least) search.retries.pop_back();
    else previous_code_point(search.text, retry.at);
  }
}

}  // namespace dsd
