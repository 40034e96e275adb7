// `dsdistill tokenize` as a program: what ends a line and what does not. Skipped aloud where the program is not built.
#include <sys/wait.h>

#include <array>
#include <cstdlib>
#include <iostream>

#include "tests/text/support.h"

namespace dsd {

using namespace dsd::testing;

namespace {

struct Ran {
  std::string output;  // both streams
  int code;
};

Ran run_tokenize_program(const char* program, const fs::path& model, const fs::path& file, const char* flags = "") {
  const std::string command =
      "'" + std::string(program) + "' tokenize '" + model.string() + "' '" + file.string() + "' " + flags + " 2>&1";
  FILE* pipe = ::popen(command.c_str(), "r");
  REQUIRE(pipe != nullptr);
  Ran ran;
  std::array<char, 256> buffer;
  for (std::size_t size; (size = std::fread(buffer.data(), 1, buffer.size(), pipe)) > 0;)
    ran.output.append(buffer.data(), size);
  ran.code = WEXITSTATUS(::pclose(pipe));
  return ran;
}

}  // namespace

TEST_CASE("the ids of each line; a line ends at \\n alone") {
  const char* program = std::getenv("DSD_BINARY");
  if (program == nullptr || !fs::exists(program)) {
    std::cout << "skipped: DSD_BINARY does not name the program\n";
    CHECK(true);
    return;
  }
  const Folder folder;
  const fs::path model = folder.write("tokenizer.json", small_tokenizer().dump());
  const auto run = [&](std::string_view text) {
    return run_tokenize_program(program, model, folder.write("text", text));
  };
  using namespace std::string_view_literals;
  CHECK(run("a b\n\nunaffable").output == "1 6 7 2\n1 2\n1 3 4 5 2\n");
  CHECK(run("a\n").output == "1 6 2\n");
  CHECK(run("\n\n").output == "1 2\n1 2\n");
  CHECK(run("").output.empty());
  CHECK(run("a\rb\r\na\v\fb\xE2\x80\xA8"
            "a")
            .output == "1 6 7 2\n1 0 6 2\n");  // \v and \f are dropped as controls: "ab"
  CHECK(run("a\0,b"sv).output == "1 6 8 7 2\n");
  CHECK(run_tokenize_program(program, model, folder.write("text", "a\nb\0b\0\0"sv), "--null").output ==
        "1 6 7 2\n1 7 2\n1 2\n");
  const Ran bad = run("a\nb\xFF\n");
  CHECK(bad.code == 1);
  CHECK(contains(bad.output, "1 6 2\n"));
  CHECK(contains(bad.output, "text:2: byte 2 of the line is not valid UTF-8"));
}

}  // namespace dsd
