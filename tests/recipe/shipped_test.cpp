// Every recipe in recipes/: it reads, it survives being written, and any one slip in it gives one fault at its place.
#include <algorithm>
#include <functional>
#include <set>

#include "core/base/files.h"
#include "core/config/node.h"
#include "core/recipe/shelf.h"
#include "tests/recipe/faults.h"

namespace dsd {
namespace {

// A tree as YAML with one entry a line, so that a line tells an entry. `line_of` gives the line of the entry at an
// index.
class Emitter {
 public:
  explicit Emitter(const Node& root) { map(root, 0); }
  std::string text;

 private:
  static bool holds_maps(const Node& list) {
    return !list.items.empty() && std::ranges::all_of(list.items, [](const Node& item) {
      return item.kind == Node::Kind::map && !item.entries.empty();
    });
  }
  static std::string inline_text(const Node& node) {
    if (node.kind == Node::Kind::null) return "null";
    if (node.kind == Node::Kind::scalar) return node.quoted ? '"' + node.scalar + '"' : node.scalar;
    std::string out;
    for (const auto& item : node.items) out += (out.empty() ? "" : ", ") + inline_text(item);
    return "[" + out + "]";
  }
  void map(const Node& node, std::size_t indent) {
    for (const auto& entry : node.entries) {
      text += std::string(indent, ' ') + entry.key + ":";
      if (entry.value.kind == Node::Kind::list && holds_maps(entry.value)) {
        text += "\n";
        for (const auto& item : entry.value.items) {
          text += std::string(indent + 2, ' ') + "-\n";
          map(item, indent + 4);
        }
      } else if (entry.value.kind == Node::Kind::map && !entry.value.entries.empty()) {
        text += "\n";
        map(entry.value, indent + 2);
      } else {
        text += entry.value.kind == Node::Kind::map ? " {}\n" : " " + inline_text(entry.value) + "\n";
      }
    }
  }
};

Node scalar(std::string text, bool quoted = false) {
  Node node;
  node.kind = Node::Kind::scalar;
  node.scalar = std::move(text);
  node.quoted = quoted;
  return node;
}

Node list_of(Node item) {
  Node node;
  node.kind = Node::Kind::list;
  node.items.push_back(std::move(item));
  return node;
}

Node map_of(std::string key, Node value) {
  Node node;
  node.kind = Node::Kind::map;
  node.entries.push_back({std::move(key), {}, std::move(value)});
  return node;
}

// A number that may change: another number may stand in its place, and a schedule may be in quotes.
bool is_schedule(const Node& value) {
  return value.scalar.find("->") != std::string::npos || value.scalar.find('^') != std::string::npos;
}

bool reads_as(const std::string& word, std::string_view characters) {
  return !word.empty() && word.find_first_not_of(characters) == std::string::npos;
}

// Values of other types than the one that stands there, none of which the key may hold.
std::vector<Node> retyped(const Node& value) {
  const Node map = map_of("surprise", scalar("1")), list = list_of(map_of("surprise", scalar("1")));
  if (value.kind == Node::Kind::list) return {scalar("word"), scalar("7"), scalar("true"), map};
  // In place of a temperature's kind a number may stand.
  if (value.kind == Node::Kind::map && value.find("base") != nullptr) return {scalar("word"), scalar("true"), list};
  if (value.kind == Node::Kind::map) return {scalar("word"), scalar("7"), scalar("true"), list};
  const std::vector<Node> always{map, list_of(scalar("word"))};
  std::vector<Node> all = always;
  all.push_back(scalar("true"));
  if (value.scalar == "true" || value.scalar == "false") {
    all.back() = scalar("7");
    all.push_back(scalar("word"));
    all.push_back(scalar(value.scalar, true));
  } else if (!value.quoted && reads_as(value.scalar, "0123456789")) {
    all.push_back(scalar("word"));
    all.push_back(scalar(value.scalar, true));
  } else if (!value.quoted && reads_as(value.scalar, "0123456789.e-")) {
    all.push_back(scalar("word"));
    all.push_back(scalar(value.scalar, true));
  } else if (is_schedule(value)) {
    all.push_back(scalar("word"));
    all.push_back(scalar(value.scalar + " wise"));
  } else {
    all.push_back(scalar("7"));
    all.push_back(scalar("7.5"));
  }
  return all;
}

std::vector<std::string> misspelt(const std::string& key) {
  std::vector<std::string> all{key + "x", "x" + key, key.substr(1), key.substr(0, key.size() - 1),
                               key + key[key.size() - 1]};
  for (std::size_t i = 0; i + 1 < key.size(); ++i) {
    std::string swapped = key;
    std::swap(swapped[i], swapped[i + 1]);
    all.push_back(swapped);
    std::string changed = key;
    changed[i] = changed[i] == 'z' ? 'y' : 'z';
    all.push_back(changed);
  }
  all.push_back(key + "_typo");
  std::erase(all, key);
  std::erase(all, "");
  return all;
}

// Visits every mapping of a tree, with the keys that lead to it.
void for_each_map(Node& node, const std::string& path, const std::function<void(Node&, const std::string&)>& visit) {
  if (node.kind != Node::Kind::map) return;
  visit(node, path);
  for (auto& entry : node.entries) {
    const std::string below = path.empty() ? entry.key : path + "." + entry.key;
    for_each_map(entry.value, below, visit);
    for (auto& item : entry.value.items) for_each_map(item, below + "[]", visit);
  }
}

int line_of(const std::string& text, std::size_t at) {
  return 1 + static_cast<int>(std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(at), '\n'));
}

// Emits the whole tree, with a mark at one entry, to learn its line.
class Shipped {
 public:
  explicit Shipped(const std::string& name) : name_(name) {
    Diagnostics faults(name);
    root_ = *parse_yaml(read_text("recipes/" + name + ".yaml", kMostYamlBytes), 0, faults);
  }

  void check_all() {
    REQUIRE(faults_of(Emitter(root_).text).empty());
    for_each_map(root_, "", [&](Node& map, const std::string& path) {
      for (std::size_t i = 0; i < map.entries.size(); ++i) check_entry(map, i, path);
    });
  }

  int slips = 0;

 private:
  void check_entry(Node& map, std::size_t i, const std::string& path) {
    const Node original = map;
    const std::string key = original.entries[i].key;
    map.entries[i].key = "?mark?";
    const std::string marked = Emitter(root_).text;
    map = original;
    const int line = line_of(marked, marked.find("?mark?"));
    const auto expect_one = [&](const std::string& what, int at_line, std::string_view named) {
      const std::string text = Emitter(root_).text;
      const auto lines = faults_of(text);
      ++slips;
      CAPTURE(name_);
      CAPTURE(what);
      CAPTURE(path);
      CAPTURE(key);
      CAPTURE(lines);
      CHECK(lines.size() == 1);
      if (at_line && !lines.empty()) CHECK(lines[0].starts_with("r.yaml:" + std::to_string(at_line) + ":"));
      if (!lines.empty()) CHECK_MESSAGE(lines[0].find(named) != std::string::npos, lines[0]);
      map = original;
    };
    const auto names_of = [](const Node& node) {
      std::set<std::string> keys;
      for (const auto& entry : node.entries) keys.insert(entry.key);
      return keys;
    };

    map.entries.insert(map.entries.begin() + static_cast<std::ptrdiff_t>(i) + 1, original.entries[i]);
    expect_one("doubled", 0, "'" + key + "' is given twice");
    map.entries.push_back(original.entries[i]);
    expect_one("doubled at the end", 0, "'" + key + "' is given twice");
    for (const auto& word : misspelt(key)) {
      if (names_of(original).contains(word)) continue;
      map.entries[i].key = word;
      expect_one("misspelt", line, "'" + word + "'");
    }
    for (const auto& value : retyped(original.entries[i].value)) {
      map.entries[i].value = value;
      // A temperature may be a mapping, stages a list: one of another kind is told at what it holds.
      const bool in_stage = path.empty() && key == "stages" && value.kind == Node::Kind::list;
      const bool either = key == "temperature" || (path.empty() && key == "stages");
      const bool inside = either && value.kind == Node::Kind::map;
      expect_one("retyped", line + (in_stage ? 2 : inside ? 1 : 0), key);
    }
    const std::set<std::string> always{"task", "data", "data.root", "losses.features[].loss"};
    map.entries.erase(map.entries.begin() + static_cast<std::ptrdiff_t>(i));
    if (always.contains(path.empty() ? key : path + "." + key)) return expect_one("deleted", 0, "needs '" + key + "'");
    CHECK(faults_of(Emitter(root_).text).size() <= 1);
    map = original;
  }

  std::string name_;
  Node root_;
};

TEST_CASE("any one slip in a shipped recipe gives one fault that names its place") {
  for (const auto& [name, purpose, path] : ready_recipes()) {
    Shipped recipe(name);
    recipe.check_all();
    CHECK(recipe.slips > 100);
  }
}

TEST_CASE("shipped recipes are read, written and read again") {
  for (const auto& [name, purpose, path] : ready_recipes()) {
    CAPTURE(name);
    const std::string first = dump_recipe(resolved(load_recipe(find_recipe(name))));
    CHECK(dump_recipe(resolved(parse_recipe(first, name))) == first);
  }
}

TEST_CASE("the GLUE recipes serve each of the nine tasks") {
  for (const char* task : {"CoLA", "SST-2", "MRPC", "STS-B", "QQP", "MNLI", "QNLI", "RTE", "WNLI"}) {
    CAPTURE(task);
    const std::vector<std::string> overrides{std::string("task=") + task, "data.root=elsewhere"};
    CHECK_NOTHROW(load_recipe("recipes/glue_teacher.yaml", overrides));
    CHECK_NOTHROW(load_recipe("recipes/glue_kl.yaml", overrides));
  }
}

TEST_CASE("recipes/README.md is what `recipe explain` prints") {
  CHECK(read_text("recipes/README.md", 1 << 20) == explain_recipe(""));
}

}  // namespace
}  // namespace dsd
