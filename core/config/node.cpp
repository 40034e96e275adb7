#include "core/config/node.h"

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <map>
#include <sstream>

namespace dsd {
namespace {

// What the builder throws through the parser; it never leaves this file.
struct SyntaxFault {
  Mark mark;
  std::string text;
};

std::size_t cost(const Node& node) {
  std::size_t bytes = sizeof(Node) + node.scalar.size();
  for (const auto& item : node.items) bytes += cost(item);
  for (const auto& entry : node.entries) bytes += sizeof(Node::Entry) + entry.key.size() + cost(entry.value);
  return bytes;
}

int depth(const Node& node) {
  int deepest = 0;
  for (const auto& item : node.items) deepest = std::max(deepest, depth(item));
  for (const auto& entry : node.entries) deepest = std::max(deepest, depth(entry.value));
  return deepest + 1;
}

class Builder : public YAML::EventHandler {
 public:
  explicit Builder(int source) : source_(source) {}

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (++documents_ > 1) throw SyntaxFault{at(mark), "a second document begins here; one is read: remove the '---'"};
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    Node node;
    // The parser places a value that is left out at whatever comes next; its key is the better place.
    node.mark = !stack_.empty() && stack_.back().key ? stack_.back().key->mark : at(mark);
    attach(std::move(node), anchor);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end()) throw SyntaxFault{at(mark), "this alias stands inside what it refers to"};
    if (static_cast<int>(stack_.size()) + depth(found->second) > kMostYamlDepth) too_deep(at(mark));
    spend(cost(found->second), at(mark));
    attach(Node(found->second), YAML::anchor_t{});
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    check_tag(tag, at(mark));
    Node node;
    node.kind = Node::Kind::scalar;
    node.mark = at(mark);
    node.quoted = tag == "!";
    node.scalar = value;
    attach(std::move(node), anchor);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(Node::Kind::list, at(mark), tag, anchor);
  }
  void OnSequenceEnd() override { close(); }

  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(Node::Kind::map, at(mark), tag, anchor);
  }
  void OnMapEnd() override { close(); }

  Node root;

 private:
  struct Key {
    std::string text;
    Mark mark;
  };
  struct Open {
    Node node;
    YAML::anchor_t anchor;
    std::optional<Key> key;  // a key of the mapping that waits for its value
  };

  Mark at(const YAML::Mark& mark) const { return {source_, mark.line + 1, mark.column + 1}; }

  static void too_deep(Mark mark) {
    throw SyntaxFault{mark, fmt::format("nested more than {} levels deep", kMostYamlDepth)};
  }

  static void check_tag(const std::string& tag, Mark mark) {
    if (!tag.empty() && tag != "?" && tag != "!")
      throw SyntaxFault{mark, fmt::format("the tag '{}' has no meaning here; remove it", tag)};
  }

  void spend(std::size_t bytes, Mark mark) {
    spent_ += bytes;
    if (spent_ > kMostAliasBytes) throw SyntaxFault{mark, "aliases expand to too much; write the values out"};
  }

  void open(Node::Kind kind, Mark mark, const std::string& tag, YAML::anchor_t anchor) {
    check_tag(tag, mark);
    if (!stack_.empty() && stack_.back().node.kind == Node::Kind::map && !stack_.back().key) bad_key(mark);
    if (stack_.size() >= static_cast<std::size_t>(kMostYamlDepth)) too_deep(mark);
    Node node;
    node.kind = kind;
    node.mark = mark;
    stack_.push_back({std::move(node), anchor, std::nullopt});
  }

  void close() {
    Open top = std::move(stack_.back());
    stack_.pop_back();
    attach(std::move(top.node), top.anchor);
  }

  void attach(Node node, YAML::anchor_t anchor) {
    if (anchor) {
      spend(cost(node), node.mark);
      anchors_.insert_or_assign(anchor, node);
    }
    if (stack_.empty()) {
      root = std::move(node);
      return;
    }
    Open& top = stack_.back();
    if (top.node.kind == Node::Kind::list) {
      top.node.items.push_back(std::move(node));
    } else if (!top.key) {
      if (node.kind != Node::Kind::scalar) bad_key(node.mark);
      top.key = Key{std::move(node.scalar), node.mark};
    } else {
      top.node.entries.push_back({std::move(top.key->text), top.key->mark, std::move(node)});
      top.key.reset();
    }
  }

  [[noreturn]] static void bad_key(Mark mark) { throw SyntaxFault{mark, "a key must be a word"}; }

  int source_;
  int documents_ = 0;
  std::size_t spent_ = 0;
  std::vector<Open> stack_;
  std::map<YAML::anchor_t, Node> anchors_;
};

// Length of the well-formed UTF-8 character at the front of `text`; 0 when there is none.
std::size_t utf8_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  const auto follows = [&](std::size_t i) { return (byte(i) & 0xC0) == 0x80; };
  const unsigned first = byte(0), second = byte(1);
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF) return follows(1) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    const bool overlong = first == 0xE0 && second < 0xA0, surrogate = first == 0xED && second > 0x9F;
    return follows(1) && follows(2) && !overlong && !surrogate ? 3 : 0;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    const bool overlong = first == 0xF0 && second < 0x90, beyond = first == 0xF4 && second > 0x8F;
    return follows(1) && follows(2) && follows(3) && !overlong && !beyond ? 4 : 0;
  }
  return 0;
}

// The parser takes byte 4 for the end and mends bad UTF-8 in silence, so both are refused before it sees them.
void check_bytes(std::string_view text, int source) {
  if (text.size() > kMostYamlBytes)
    throw SyntaxFault{{source, 1, 1}, fmt::format("{} bytes, more than the {} read", text.size(), kMostYamlBytes)};
  Mark mark{source, 1, 1};
  for (std::size_t i = 0; i < text.size();) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if ((byte < 0x20 && byte != '\t' && byte != '\n' && byte != '\r') || byte == 0x7F)
      throw SyntaxFault{mark, fmt::format("the control character 0x{:02x} may not stand here", byte)};
    const std::size_t length = utf8_length(text.substr(i));
    if (length == 0) throw SyntaxFault{mark, fmt::format("byte 0x{:02x} is not UTF-8; save the file as UTF-8", byte)};
    i += length;
    if (byte == '\n') mark = {source, mark.line + 1, 1};
    else ++mark.column;
  }
}

}  // namespace

Node* Node::find(std::string_view key) {
  for (auto& entry : entries)
    if (entry.key == key) return &entry.value;
  return nullptr;
}

const Node* Node::find(std::string_view key) const { return const_cast<Node*>(this)->find(key); }

std::optional<Node> parse_yaml(std::string_view text, int source, Diagnostics& faults) {
  try {
    check_bytes(text, source);
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    Builder builder(source);
    while (parser.HandleNextDocument(builder)) {}
    return std::move(builder.root);
  } catch (const SyntaxFault& fault) {
    faults.add(fault.mark, fault.text);
  } catch (const YAML::Exception& error) {
    const Mark mark{source, std::max(0, error.mark.line) + 1, std::max(0, error.mark.column) + 1};
    faults.add(mark, fmt::format("not YAML: {}", error.msg));
  }
  return std::nullopt;
}

std::string describe(const Node& node) {
  if (node.kind == Node::Kind::null) return "nothing";
  if (node.kind == Node::Kind::list) return "a list";
  if (node.kind == Node::Kind::map) return "a mapping";
  return fmt::format(fmt::runtime(node.quoted ? "the text '{}'" : "'{}'"), clipped(node.scalar));
}

std::string clipped(std::string_view text) {
  constexpr std::size_t most = 60;
  std::size_t length = std::min(text.size(), most);
  while (length < text.size() && length > 0 && (text[length] & 0xC0) == 0x80) --length;  // keep characters whole
  std::string shown;
  for (const char c : text.substr(0, length)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7F) shown += fmt::format("\\x{:02x}", byte);
    else shown += c;
  }
  return length < text.size() ? shown + "..." : shown;
}

}  // namespace dsd
