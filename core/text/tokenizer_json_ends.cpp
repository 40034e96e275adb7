// The stages behind the model: post_processor and decoder.
#include "core/base/error.h"
#include "core/text/tokenizer_json.h"

namespace dsd {
namespace {

std::vector<TemplatePart> read_template(const JsonPart& part, const JsonPart& special_tokens, std::int64_t rows) {
  using Kind = TemplatePart::Kind;
  constexpr std::int64_t kMostSegment = 1 << 16;
  std::vector<TemplatePart> out;
  for (const JsonPart& item : part.items()) {
    item.allow({"SpecialToken", "Sequence"});
    if (item.value().size() != 1) item.wrong("expected one of 'SpecialToken' and 'Sequence'");
    const bool is_special = item.has("SpecialToken");
    const JsonPart inner = item[is_special ? "SpecialToken" : "Sequence"];
    inner.allow({"id", "type_id"});
    const auto segment = static_cast<std::int32_t>(inner["type_id"].integer(0, kMostSegment));
    const std::string& name = inner["id"].text();
    if (!is_special) {
      if (name != "A" && name != "B") inner["id"].wrong(fmt::format("'{}' is neither 'A' nor 'B'", printable(name)));
      out.push_back({name == "A" ? Kind::first : Kind::second, segment, {}});
      continue;
    }
    if (!special_tokens.has(name)) inner["id"].wrong(fmt::format("'{}' is not in special_tokens", printable(name)));
    TemplatePart special{Kind::special, segment, {}};
    for (const JsonPart& id : special_tokens[name]["ids"].items())
      special.ids.push_back(static_cast<std::int32_t>(id.integer(0, rows - 1)));
    out.push_back(std::move(special));
  }
  return out;
}

std::int32_t read_bert_end(const JsonPart& part, std::int64_t rows) {
  const std::vector<JsonPart> items = part.items();
  if (items.size() != 2) part.wrong("expected a token and its id");
  items[0].text();
  return static_cast<std::int32_t>(items[1].integer(0, rows - 1));
}

// RoBERTa's pairs stand within two ends of the first, and all is segment 0.
Template roberta_template(std::int32_t cls, std::int32_t sep) {
  using Kind = TemplatePart::Kind;
  const TemplatePart start{Kind::special, 0, {cls}}, end{Kind::special, 0, {sep}};
  const TemplatePart first{Kind::first, 0, {}}, second{Kind::second, 0, {}};
  return {{start, first, end}, {start, first, end, end, second, end}};
}

// What a post-processor says, none of it twice.
struct Ends {
  std::optional<Template> around;
  std::optional<TrimSpans> trim;
};

void set_template(const JsonPart& part, Ends& ends, Template around) {
  if (ends.around) part.wrong("a second one that puts tokens around a text is not supported");
  ends.around = std::move(around);
}

void set_trim(const JsonPart& part, Ends& ends) {
  if (!part["trim_offsets"].boolean()) return;
  if (ends.trim || ends.around) part.wrong("'trim_offsets' behind another post-processor is not supported");
  ends.trim = TrimSpans{part["add_prefix_space"].boolean()};
}

void read_ends(const JsonPart& part, std::int64_t rows, Ends& ends) {
  const std::string& type = part.type();
  if (type == "BertProcessing") {
    part.allow({"type", "sep", "cls"});
    return set_template(part, ends, bert_template(read_bert_end(part["cls"], rows), read_bert_end(part["sep"], rows)));
  }
  if (type == "RobertaProcessing") {
    part.allow({"type", "sep", "cls", "trim_offsets", "add_prefix_space"});
    set_trim(part, ends);
    return set_template(part, ends,
                        roberta_template(read_bert_end(part["cls"], rows), read_bert_end(part["sep"], rows)));
  }
  if (type == "TemplateProcessing") {
    part.allow({"type", "single", "pair", "special_tokens"});
    const JsonPart special_tokens = part["special_tokens"];
    return set_template(
        part, ends,
        {read_template(part["single"], special_tokens, rows), read_template(part["pair"], special_tokens, rows)});
  }
  if (type == "ByteLevel") {
    part.allow({"type", "add_prefix_space", "trim_offsets", "use_regex"});
    return set_trim(part, ends);
  }
  if (type != "Sequence")
    part.unsupported_type(type, "BertProcessing, ByteLevel, RobertaProcessing, Sequence, TemplateProcessing");
  part.allow({"type", "processors"});
  for (const JsonPart& item : part["processors"].items()) read_ends(item, rows, ends);
}

StripDecoder read_strip(const JsonPart& part) {
  constexpr std::int64_t kMostCut = 1 << 20;
  part.allow({"type", "content", "start", "stop"});
  return {read_character(part["content"]), static_cast<std::size_t>(part["start"].integer(0, kMostCut)),
          static_cast<std::size_t>(part["stop"].integer(0, kMostCut))};
}

SuffixDecoder read_suffix(const JsonPart& part) {
  part.allow({"type", "suffix"});
  const JsonPart suffix = part["suffix"];
  if (suffix.text().empty()) suffix.wrong("is empty");
  return {suffix.text()};
}

}  // namespace

Template bert_template(std::int32_t cls, std::int32_t sep) {
  using Kind = TemplatePart::Kind;
  const TemplatePart start{Kind::special, 0, {cls}}, end{Kind::special, 0, {sep}}, second_end{Kind::special, 1, {sep}};
  const TemplatePart first{Kind::first, 0, {}}, second{Kind::second, 1, {}};
  return {{start, first, end}, {start, first, end, second, second_end}};
}

void read_post_processor(const JsonPart& part, std::int64_t rows, TokenizerParts& parts) {
  Ends ends;
  read_ends(part, rows, ends);
  if (ends.around) parts.around = std::move(*ends.around);
  parts.trim_spans = ends.trim;
}

std::vector<DecoderStep> read_decoder(const JsonPart& part) {
  const std::string& type = part.type();
  if (type == "WordPiece") {
    part.allow({"type", "prefix", "cleanup"});
    return {WordPieceDecoder{part["prefix"].text(), part["cleanup"].boolean()}};
  }
  if (type == "ByteLevel") {
    part.allow({"type", "add_prefix_space", "trim_offsets", "use_regex"});
    return {ByteLevelDecoder{}};
  }
  if (type == "Metaspace") {
    const Metaspace step = read_metaspace(part);
    return {MetaspaceDecoder{step.replacement, step.prepend != Metaspace::Prepend::never}};
  }
  if (type == "Replace") {
    part.allow({"type", "pattern", "content"});
    return {ReplaceDecoder{read_pattern(part["pattern"]), part["content"].text()}};
  }
  if (type == "Strip") return {read_strip(part)};
  if (type == "BPEDecoder") return {read_suffix(part)};
  if (type == "Sequence") {
    part.allow({"type", "decoders"});
    return read_steps<DecoderStep>(part["decoders"], read_decoder);
  }
  const bool is_fuse = type == "Fuse";
  if (!is_fuse && type != "ByteFallback")
    part.unsupported_type(type,
                          "BPEDecoder, ByteFallback, ByteLevel, Fuse, Metaspace, Replace, Sequence, Strip, WordPiece");
  part.allow({"type"});
  if (is_fuse) return {FuseDecoder{}};
  return {ByteFallbackDecoder{}};
}

}  // namespace dsd
