// The grammar of schedules (schedules/configs.h): its reader and its writer.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>
#include <charconv>
#include <cmath>

#include "core/base/error.h"
#include "core/base/nearest.h"
#include "core/config/slot.h"
#include "schedules/schedule.h"

namespace dsd {
namespace {

constexpr std::int64_t kMostStages = 1000000;
constexpr std::array<std::pair<std::string_view, Curve>, 4> kCurves{
    {{"linear", Curve::linear}, {"cosine", Curve::cosine}, {"exponential", Curve::exponential}, {"root", Curve::root}}};

struct Token {
  enum class Kind { end, number, word, sign } kind = Kind::end;
  std::string_view text;
  std::size_t column = 1;
  double number = 0;
};

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Faults are thrown as GrammarFault, which never leaves this file.
class Tokens {
 public:
  explicit Tokens(std::string_view text) : text_(text) {}

  Token next() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n')) ++at_;
    Token token{.column = at_ + 1};
    if (at_ == text_.size()) return token;
    const std::string_view rest = text_.substr(at_);
    const std::size_t sign = rest[0] == '-' || rest[0] == '+' ? 1 : 0;
    if (rest.size() > sign && (is_digit(rest[sign]) || rest[sign] == '.')) return number(token, rest);
    token.kind = is_letter(rest[0]) ? Token::Kind::word : Token::Kind::sign;
    std::size_t length = rest.starts_with("->") ? 2 : 1;
    if (token.kind == Token::Kind::word)
      while (length < rest.size() && (is_letter(rest[length]) || rest[length] == '-')) ++length;
    return taken(token, length);
  }

 private:
  Token number(Token token, std::string_view rest) {
    token.kind = Token::Kind::number;
    const char* const begin = rest.data() + (rest[0] == '+' ? 1 : 0);  // from_chars takes no plus
    const auto [end, error] = std::from_chars(begin, rest.data() + rest.size(), token.number);
    if (error == std::errc::invalid_argument)
      throw GrammarFault{token.column, fmt::format("must be a number, got '{}'", rest.substr(0, 1))};
    token = taken(token, static_cast<std::size_t>(end - rest.data()));
    if (error != std::errc{}) throw GrammarFault{token.column, "must fit into 64 bits"};
    return token;
  }

  Token taken(Token token, std::size_t length) {
    token.text = text_.substr(at_, length);
    at_ += length;
    return token;
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

class Parser {
 public:
  Parser(std::string_view text, const Range& range) : tokens_(text), range_(range), now_(tokens_.next()) {
    following_ = tokens_.next();
  }

  ScheduleConfig schedule() {
    // What does not even begin as a number is not told by its columns.
    if (now_.kind != Token::Kind::number) throw GrammarFault{};
    only_number_ = following_.kind == Token::Kind::end;
    ScheduleConfig config;
    config.segments = {segment()};
    while (continues()) {
      if (!config.segments.back().over) refuse("'over' and a length: only the last segment may be without one");
      take(",");
      advance();
      config.segments.push_back(segment());
    }
    if (take(",")) config.warm_up = warm_up();
    if (now_.kind != Token::Kind::end) refuse_word();
    return config;
  }

 private:
  bool sees(std::string_view text) const { return now_.text == text; }
  bool continues() const { return sees("then") || (sees(",") && following_.text == "then"); }

  Token advance() {
    const Token token = now_;
    now_ = following_;
    if (now_.kind != Token::Kind::end) following_ = tokens_.next();
    return token;
  }
  bool take(std::string_view text) {
    if (!sees(text)) return false;
    advance();
    hopes_.clear();
    return true;
  }
  // As take, and remembers what could have stood here.
  bool hopes_for(std::string_view text) {
    hopes_.push_back(text);
    return take(text);
  }

  [[noreturn]] void refuse(std::string_view wanted) const { refuse(now_, wanted); }
  [[noreturn]] static void refuse(const Token& token, std::string_view wanted) {
    throw GrammarFault{token.column, fmt::format("must be {}, got {}", wanted,
                                                 token.kind == Token::Kind::end ? std::string("the end")
                                                                                : fmt::format("'{}'", token.text))};
  }
  // A word that none of the hopes is.
  [[noreturn]] void refuse_word() {
    std::string wanted;
    for (const auto hope : hopes_) wanted += fmt::format("'{}', ", hope);
    std::erase_if(hopes_, [](std::string_view hope) { return !is_letter(hope[0]); });
    for (const auto always : {"then", "warm-up"}) hopes_.push_back(always);
    const auto meant = now_.kind == Token::Kind::word ? nearest(now_.text, hopes_) : std::nullopt;
    throw GrammarFault{now_.column, fmt::format("must be {}'then', ', warm-up' or the end, got '{}'{}", wanted,
                                                now_.text, meant ? fmt::format("; did you mean '{}'?", *meant) : "")};
  }

  Token number(std::string_view wanted) {
    if (now_.kind != Token::Kind::number) refuse(wanted);
    return advance();
  }
  // A number that the schedule takes.
  double value() {
    const Token token = number("a number");
    check_value(token.number, token);
    return token.number;
  }
  void check_value(double number, const Token& token, std::string_view where = "") const {
    if (!std::isfinite(number)) refuse(token, "small enough to stay finite");
    const std::string shown = where.empty() ? std::string(token.text) : fmt::format("{} {}", number, where);
    if (const auto fault = range_fault(range_, number, shown))
      throw GrammarFault{only_number_ ? 0 : token.column, *fault};
  }
  std::int64_t count(std::string_view wanted, double most) {
    const Token token = number(wanted);
    if (token.number != std::floor(token.number) || token.number < 1 || token.number > most) refuse(token, wanted);
    return static_cast<std::int64_t>(token.number);
  }

  ScheduleSegment segment() {
    ScheduleSegment segment;
    hopes_.clear();
    const Token first = now_;
    const double from = value();
    if (hopes_for("->")) segment.shape = change(first, from);
    else if (hopes_for("*")) segment.shape = powers(from);
    else segment.shape = ConstantSegment{from};
    if (hopes_for("over")) {
      segment.over = length();
      if (segment.over == RunLength{}) refuse(length_, "above 0");
    }
    return segment;
  }

  std::variant<ConstantSegment, ChangeSegment, StagesSegment, PowersSegment> change(const Token& first, double from) {
    const Token last = now_;
    const double to = value();
    if (stages_follow()) return StagesSegment{from, to, stages()};
    ChangeSegment segment{from, to, Curve::linear};
    for (const auto& [name, curve] : kCurves)
      if (hopes_for(name)) {
        segment.curve = curve;
        break;
      }
    for (const Token& end : {first, last}) {
      if (segment.curve == Curve::exponential && end.number <= 0) refuse(end, "above 0, as 'exponential' needs");
      if (segment.curve == Curve::root && end.number < 0) refuse(end, "0 or above, as 'root' needs");
    }
    return segment;
  }

  PowersSegment powers(double from) {
    const Token factor = number("a factor");
    if (factor.number <= 0) refuse(factor, "above 0");
    if (!take("^")) refuse("'^stage'");
    if (!take("stage")) refuse("'stage'");
    if (!stages_follow()) refuse("', N stages'");
    const PowersSegment segment{from, factor.number, stages()};
    const double last = from * std::pow(segment.factor, static_cast<double>(segment.stages - 1));
    if (segment.stages > 1) check_value(last, factor, "in the last stage");
    return segment;
  }

  bool stages_follow() {
    hopes_.push_back("in N stages");
    return sees("in") || (sees(",") && following_.kind == Token::Kind::number);
  }
  std::int64_t stages() {
    advance();
    hopes_.clear();
    const std::int64_t stages = count("a whole number of stages, 1 to 1000000", kMostStages);
    if (!take("stages") && !take("stage")) refuse("'stages'");
    return stages;
  }

  RunLength length() {
    length_ = now_;
    const Token token = number("a length: '60%' or '500 steps'");
    if (take("%")) {
      if (const double left = 100 - percent_; token.number < 0 || token.number > left + 1e-9)
        refuse(token, fmt::format("from 0 to {:g}, what is left of 100 %", left));
      percent_ += token.number;
      return {.percent = token.number};
    }
    if (!take("steps") && !take("step")) refuse("'%' or 'steps'");
    if (token.number != std::floor(token.number) || token.number < 0 || token.number > 1e15)
      refuse(token, "a whole number of steps");
    return {.steps = static_cast<std::int64_t>(token.number)};
  }

  RunLength warm_up() {
    const Token word = now_;
    if (!take("warm-up")) {
      hopes_ = {};
      refuse_word();
    }
    if (range_.min > 0 || (range_.min == 0 && range_.open_min))
      throw GrammarFault{word.column, "must be the end: a warm-up rises from 0, and this number may not be 0"};
    return length();
  }

  Tokens tokens_;
  const Range& range_;
  Token now_, following_, length_;
  std::vector<std::string_view> hopes_;
  double percent_ = 0;
  bool only_number_ = false;
};

std::string text_of(const RunLength& length) {
  if (length.steps > 0) return fmt::format("{} {}", length.steps, length.steps == 1 ? "step" : "steps");
  return fmt::format("{}%", length.percent);
}

std::string text_of(std::int64_t stages) { return fmt::format("{} {}", stages, stages == 1 ? "stage" : "stages"); }

std::string text_of(const ConstantSegment& segment) { return number_text(segment.value); }
std::string text_of(const ChangeSegment& segment) {
  return fmt::format("{} -> {} {}", number_text(segment.from), number_text(segment.to),
                     kCurves[static_cast<std::size_t>(segment.curve)].first);
}
std::string text_of(const StagesSegment& segment) {
  return fmt::format("{} -> {} in {}", number_text(segment.from), number_text(segment.to), text_of(segment.stages));
}
std::string text_of(const PowersSegment& segment) {
  return fmt::format("{} * {}^stage, {}", number_text(segment.from), number_text(segment.factor),
                     text_of(segment.stages));
}

constexpr std::array<std::pair<std::string_view, std::string_view>, 7> kForms{
    {{"0.7", "the same throughout"},
     {"1 -> 0 linear", "from the first number to the second over the whole run; linear, cosine, exponential or root"},
     {"0.9 -> 0.1 cosine over 60%", "over so much of the run, then the second number; '500 steps' is a length too"},
     {"0.5 -> 1 in 4 stages", "equal parts of the run: from + (to - from) stage/(stages - 1), stage = 0, 1, ..."},
     {"2.0 * 0.8^stage, 4 stages", "equal parts of the run, in a geometric series"},
     {"0 over 10%, then 0 -> 1 cosine over 500 steps, then 1", "one after another; the last takes what is left"},
     {"1 -> 0 linear, warm-up 10%", "rises from 0 over the first part of the run, and what is written follows"}}};

}  // namespace

constinit const Grammar ScheduleConfig::grammar{
    .name = "number or schedule", .example = "0.9 -> 0.1 cosine over 60%", .forms = kForms};

std::optional<GrammarFault> ScheduleConfig::read(std::string_view text, const Range& range) {
  try {
    *this = Parser(text, range).schedule();
    return std::nullopt;
  } catch (const GrammarFault& fault) {
    return fault;
  }
}

std::string ScheduleConfig::text() const {
  std::string out;
  for (const auto& [shape, over] : segments) {
    if (!out.empty()) out += ", then ";
    out += std::visit([](const auto& kind) { return text_of(kind); }, shape);
    if (over) out += " over " + text_of(*over);
  }
  return warm_up == RunLength{} ? out : out + ", warm-up " + text_of(warm_up);
}

ScheduleConfig schedule_of(std::string_view text) {
  ScheduleConfig config;
  if (const auto fault = config.read(text, any))
    fail_as(ExitCode::bad_input, "'{}' is no schedule: column {} {}", text, fault->column,
            fault->text.empty() ? "must be a number" : fault->text);
  return config;
}

}  // namespace dsd
