// From a pattern's tree to the steps that are walked, and to the table that says of each code point which sets it is
// in.
#include <algorithm>
#include <map>

#include "core/base/error.h"
#include "core/text/pattern.h"
#include "core/text/pattern_syntax.h"

namespace dsd {

class Pattern::Compiler {
 public:
  explicit Compiler(Pattern& pattern) : pattern_(pattern) {}

  void compile(const PatternNode& root) {
    const std::uint32_t accept = add({});
    std::vector<PatternNode> parts = {root};
    if (root.kind == PatternNode::Kind::alternatives) parts = root.parts;
    if (parts.size() > kMostAlternatives) {
      PatternNode rest;
      rest.kind = PatternNode::Kind::alternatives;
      const auto last = parts.begin() + kMostAlternatives - 1;
      rest.parts.assign(last, parts.end());
      parts.erase(last, parts.end());
      parts.push_back(std::move(rest));
    }
    for (const PatternNode& part : parts) pattern_.alternatives_.push_back(steps_of(part, accept));
    lay_out();
  }

 private:
  struct First {  // how what follows a step can begin
    CodeSet set;
    bool nothing = false;  // without any code point, as far as can be told
  };

  std::uint32_t add(Step step) {
    constexpr std::size_t kMostSteps = 4096;
    if (pattern_.steps_.size() == kMostSteps) fail("a pattern of so many steps is not supported");
    pattern_.steps_.push_back(step);
    return static_cast<std::uint32_t>(pattern_.steps_.size() - 1);
  }

  std::uint8_t bit_of(const CodeSet& set) {
    constexpr std::size_t kMostSets = 64;
    for (std::size_t i = 0; i < sets_.size(); ++i)
      if (sets_[i].ranges() == set.ranges()) return static_cast<std::uint8_t>(i);
    if (sets_.size() == kMostSets) fail("a pattern of more than {} classes is not supported", kMostSets);
    sets_.push_back(set);
    return static_cast<std::uint8_t>(sets_.size() - 1);
  }

  // The first step of `node`, which goes on at `next`.
  std::uint32_t steps_of(const PatternNode& node, std::uint32_t next) {
    using Kind = PatternNode::Kind;
    switch (node.kind) {
      case Kind::sequence:
        for (auto part = node.parts.rbegin(); part != node.parts.rend(); ++part) next = steps_of(*part, next);
        return next;
      case Kind::alternatives: {
        std::uint32_t first = steps_of(node.parts.back(), next);
        for (std::size_t i = node.parts.size() - 1; i-- > 0;)
          first = add({.op = Op::split, .next = steps_of(node.parts[i], next), .other = first});
        return first;
      }
      case Kind::set:
        return add({.op = Op::set, .set = bit_of(node.set), .next = next});
      case Kind::repeat:
        return node.parts[0].kind == Kind::set ? loop(node, next) : copies(node, next);
      case Kind::look: {
        const std::size_t back = node.behind ? length_of(node.parts[0]).least : 0;
        const std::uint32_t sought = steps_of(node.parts[0], add({}));
        return add({.op = Op::look, .negative = node.negative, .next = next, .other = sought, .least = back});
      }
      case Kind::line_begin:
        return add({.op = Op::line_begin, .next = next});
      case Kind::line_end:
        return add({.op = Op::line_end, .next = next});
      case Kind::text_begin:
        return add({.op = Op::text_begin, .next = next});
      case Kind::text_end:
        break;
    }
    return add({.op = Op::text_end, .next = next});
  }

  // A loop gives nothing back where what follows cannot fail, or cannot begin with what the loop takes.
  std::uint32_t loop(const PatternNode& node, std::uint32_t next) {
    const CodeSet& set = node.parts[0].set;
    Step step{.op = Op::loop, .set = bit_of(set), .next = next, .least = node.least, .most = node.most};
    step.keeps_all = node.possessive || cannot_fail(next);
    if (!step.keeps_all) {
      const First follows = first_of(next);
      step.keeps_all = !follows.nothing && follows.set.shared(set).empty();
    }
    return add(step);
  }

  std::uint32_t copies(const PatternNode& node, std::uint32_t next) {
    const PatternNode& part = node.parts[0];
    std::uint32_t first = next;
    if (node.most == PatternNode::kNoEnd) {
      first = add({.op = Op::split, .other = next});
      open_.push_back(first);
      const std::uint32_t body = steps_of(part, first);
      pattern_.steps_[first].next = body;
      open_.pop_back();
    } else {
      for (std::size_t i = node.least; i < node.most; ++i)
        first = add({.op = Op::split, .next = steps_of(part, first), .other = next});
    }
    for (std::size_t i = 0; i < node.least; ++i) first = steps_of(part, first);
    return first;
  }

  bool is_open(std::uint32_t number) {
    constexpr std::size_t kMostLooks = 1'000'000;
    if (++looks_ > kMostLooks) fail("a pattern so entangled is not supported");
    return std::find(open_.begin(), open_.end(), number) != open_.end();
  }

  bool cannot_fail(std::uint32_t number) {
    const Step& step = pattern_.steps_[number];
    if (is_open(number)) return false;
    if (step.op == Op::accept) return true;
    if (step.op == Op::loop) return step.least == 0 && cannot_fail(step.next);
    return step.op == Op::split && (cannot_fail(step.next) || cannot_fail(step.other));
  }

  First first_of(std::uint32_t number) {
    const Step step = pattern_.steps_[number];
    if (is_open(number) || step.op == Op::accept) return {{}, true};
    if (step.op == Op::set) return {sets_[step.set], false};
    if (step.op == Op::loop && step.least > 0) return {sets_[step.set], false};
    First first = first_of(step.next);
    if (step.op == Op::loop) first.set = first.set.united(sets_[step.set]);
    if (step.op == Op::split) {
      const First other = first_of(step.other);
      first = {first.set.united(other.set), first.nothing || other.nothing};
    }
    return first;
  }

  // Fills the tables: code points between two borders of sets are alike.
  void lay_out() {
    std::vector<First> firsts;
    for (const std::uint32_t first : pattern_.alternatives_) firsts.push_back(first_of(first));
    std::map<char32_t, Signature> changes;  // bits that turn at a code point
    for (std::size_t i = 0; i < sets_.size(); ++i)
      for (const CodeRange range : sets_[i].ranges())
        for (const char32_t border : {range.first, static_cast<char32_t>(range.last + 1)})
          changes[border].sets ^= std::uint64_t{1} << i;
    for (std::size_t i = 0; i < firsts.size(); ++i) {
      const std::uint32_t bit = std::uint32_t{1} << i;
      if (firsts[i].nothing) pattern_.free_starts_ |= bit;
      const CodeSet starts = firsts[i].nothing ? CodeSet(0, kLastCodePoint) : firsts[i].set;
      for (const CodeRange range : starts.ranges())
        for (const char32_t border : {range.first, static_cast<char32_t>(range.last + 1)})
          changes[border].starts ^= bit;
    }
    fill(changes);
  }

  void fill(const std::map<char32_t, Signature>& changes) {
    constexpr std::size_t kPage = 256;
    Signature now;
    std::uint16_t number = number_of(now);
    auto change = changes.begin();
    std::map<std::array<std::uint16_t, kPage>, std::uint16_t> seen;
    for (char32_t page = 0; page <= kLastCodePoint / kPage; ++page) {
      std::array<std::uint16_t, kPage> block;
      for (std::size_t i = 0; i < kPage; ++i) {
        const char32_t code = page * kPage + static_cast<char32_t>(i);
        if (change != changes.end() && change->first == code) {
          now = {now.sets ^ change->second.sets, now.starts ^ change->second.starts};
          number = number_of(now);
          ++change;
        }
        block[i] = number;
        if (code < pattern_.ascii_.size()) pattern_.ascii_[code] = now;
      }
      const auto [found, is_new] = seen.emplace(block, static_cast<std::uint16_t>(pattern_.blocks_.size()));
      if (is_new) pattern_.blocks_.push_back(block);
      pattern_.pages_.push_back(found->second);
    }
  }

  std::uint16_t number_of(const Signature& signature) {
    constexpr std::size_t kMostSignatures = 4096;
    auto& all = pattern_.signatures_;
    const auto found = std::find(all.begin(), all.end(), signature);
    if (found == all.end() && all.size() == kMostSignatures) fail("a pattern of so many classes is not supported");
    const auto number = static_cast<std::uint16_t>(found - all.begin());
    if (found == all.end()) all.push_back(signature);
    return number;
  }

  Pattern& pattern_;
  std::vector<CodeSet> sets_;
  std::vector<std::uint32_t> open_;  // loops over groups whose body is being made
  std::size_t looks_ = 0;
};

Pattern Pattern::regular_expression(std::string_view source) {
  if (source.empty()) fail("an empty pattern is not supported");
  Pattern pattern;
  pattern.source_ = source;
  const PatternNode root = parse_pattern(source);
  Compiler(pattern).compile(root);
  return pattern;
}

}  // namespace dsd
