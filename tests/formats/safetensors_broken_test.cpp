// Every way in which a file can be wrong that we know of, each with its one line.

#include "core/formats/safetensors.h"
#include "tests/formats/support.h"

using namespace dsd;
using namespace dsd::testing;

namespace {

std::string reading(const std::string& file) {
  return error_of([&] { SafetensorsFile::parse(as_bytes(file), "x.safetensors"); });
}

// One tensor's entry in an otherwise sound file with `data` bytes.
std::string entry(const std::string& text, std::size_t data) {
  return safetensors("{\"w\":" + text + "}", std::string(data, '\0'));
}

struct Broken {
  std::string file;
  std::string message;  // after "x.safetensors: "
};

void check(const std::vector<Broken>& all) {
  for (const Broken& broken : all) {
    const std::string message = reading(broken.file);
    CHECK(message == "x.safetensors: " + broken.message);
    CHECK(message.find('\n') == std::string::npos);
  }
}

struct BrokenAt {
  std::string file;
  const char* before;   // the header up to the offending text's last byte: its last occurrence tells the place
  const char* message;  // between the byte and "; not a valid safetensors file"
};

void check(const std::vector<BrokenAt>& all) {
  for (const BrokenAt& broken : all) {
    const std::size_t at = broken.file.rfind(broken.before);
    REQUIRE(at != std::string::npos);
    const std::size_t byte = at + std::strlen(broken.before) - 1;
    CHECK(reading(broken.file) ==
          fmt::format("x.safetensors: byte {}: {}; not a valid safetensors file", byte, broken.message));
  }
}

const std::string kSound = R"({"dtype":"F32","shape":[2],"data_offsets":[0,8]})";

}  // namespace

TEST_CASE("the sound file that the broken ones vary is read") { CHECK(reading(entry(kSound, 8)).empty()); }

TEST_CASE("a file that is too short, cut, or something else") {
  const std::string sound = entry(kSound, 8);
  check(std::vector<Broken>{
      {"", "has 0 bytes, too few for a safetensors file; fetch it again"},
      {"abc", "has 3 bytes, too few for a safetensors file; fetch it again"},
      {sound.substr(0, 20),
       "byte 0: the header should have 54 bytes, but only 12 follow; the file is cut short, fetch it again"},
      {sound.substr(0, sound.size() - 1), "tensor 'w' ends at byte 70 of 69; the file is cut short, fetch it again"},
      {sound + "z", "byte 70: 1 bytes after the last tensor belong to no tensor"},
      {std::string(8, '\xff') + sound,
       "byte 0: a header of 18446744073709551615 bytes is more than the 100000000 allowed; not a safetensors file"},
      {safetensors(""), "byte 8: the header does not open with '{'; not a safetensors file"},
      {safetensors(" {}"), "byte 8: the header does not open with '{'; not a safetensors file"},
      {"version https://git-lfs.github.com/spec/v1\noid sha256:00\n",
       "is a Git LFS pointer, not the weights; run 'git lfs pull' in its folder"},
  });
}

TEST_CASE("a header that is no JSON, or other JSON") {
  CHECK(contains(reading(safetensors("{\"w\":")), "x.safetensors: byte 14: the header is not valid JSON: "));
  CHECK(contains(reading(safetensors("{}x")), "x.safetensors: byte 11: the header is not valid JSON: "));
  CHECK(contains(reading(safetensors("{\"\xff\":1}")), "ill-formed UTF-8"));
  check(std::vector<BrokenAt>{
      {safetensors(R"({"w":3})"), "3", "tensor 'w': found the number 3 where an object is expected"},
      {safetensors(R"({"w":[]})"), "[", "tensor 'w': found a list where an object is expected"},
      {safetensors("{\"w\":" + std::string(100'000, '[') + "}"), ":[",
       "tensor 'w': found a list where an object is expected"},
      {safetensors(R"({"w":{"dtype":{}}})"), ":{", "tensor 'w': found an object where a text is expected"},
      {safetensors(R"({"w":{"dtype":"F32","shape":{}}})"), ":{",
       "tensor 'w': found an object where a list of whole numbers is expected"},
      {safetensors(R"({"w":true})"), "true", "tensor 'w': found true or false where an object is expected"},
      {safetensors(R"({"__metadata__":{"a":1}})"), "1", "__metadata__: found the number 1 where a text is expected"},
      {safetensors(R"({"__metadata__":{"a":"","a":"b"}})"), "\"b\"", "__metadata__: key 'a' stands twice"},
      {safetensors(R"({"__metadata__":{},"__metadata__":{}})"), "\"__metadata__\"",
       "__metadata__: __metadata__ stands twice"},
  });
}

TEST_CASE("an entry that is incomplete or mistyped") {
  check(std::vector<BrokenAt>{
      {entry(R"({"shape":[2],"data_offsets":[0,8]})", 8), "8]}", "tensor 'w': dtype is missing"},
      {entry(R"({"dtype":"F32","data_offsets":[0,8]})", 8), "8]}", "tensor 'w': shape is missing"},
      {entry(R"({"dtype":"F32","shape":[2]})", 8), "2]}", "tensor 'w': data_offsets is missing"},
      {entry(R"({"dtype":"F31","shape":[2],"data_offsets":[0,8]})", 8), "\"F31\"",
       "tensor 'w': unknown dtype 'F31'; known: BOOL, F4, F6_E2M3, F6_E3M2, U8, I8, F8_E5M2, F8_E4M3, F8_E8M0, "
       "F8_E4M3FNUZ, F8_E5M2FNUZ, I16, U16, F16, BF16, I32, U32, F32, C64, F64, I64, U64"},
      {entry(R"({"dtype":"F32","shape":[-2],"data_offsets":[0,8]})", 8), "-2",
       "tensor 'w': found the number -2 where a whole number from 0 is expected"},
      {entry(R"({"dtype":"F32","shape":[2.0],"data_offsets":[0,8]})", 8), "2.0",
       "tensor 'w': found the number 2.0 where a whole number from 0 is expected"},
      {entry(R"({"dtype":"F32","shape":["2"],"data_offsets":[0,8]})", 8), "\"2\"",
       "tensor 'w': found the text '2' where a whole number from 0 is expected"},
      {entry(R"({"dtype":"F32","shape":[null],"data_offsets":[0,8]})", 8), "null",
       "tensor 'w': found null where a whole number from 0 is expected"},
      {entry(R"({"dtype":"F32","shape":[[2]],"data_offsets":[0,8]})", 8), "[[",
       "tensor 'w': found a list where a whole number from 0 is expected"},
      {entry(R"({"dtype":"F32","shape":[9223372036854775808],"data_offsets":[0,8]})", 8), "9223372036854775808",
       "tensor 'w': the dimension 9223372036854775808 is too large"},
      {entry(R"({"dtype":"F32","shape":[2],"data_offsets":[]})", 8), "[]",
       "tensor 'w': data_offsets has 0 numbers, expected two"},
      {entry(R"({"dtype":"F32","shape":[2],"data_offsets":[0]})", 8), "0]",
       "tensor 'w': data_offsets has 1 numbers, expected two"},
      {entry(R"({"dtype":"F32","shape":[2],"data_offsets":[0,8,9]})", 8), "9",
       "tensor 'w': data_offsets has more than two numbers"},
      {entry(R"({"dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8]})", 8), "\"dtype\"",
       "tensor 'w': 'dtype' stands twice"},
      {entry(R"({"dtype":"F32","shape":[2],"shape":[2],"data_offsets":[0,8]})", 8), "\"shape\"",
       "tensor 'w': 'shape' stands twice"},
      {entry(R"({"dtype":"F32","data_offsets":[0,8],"shape":[2],"data_offsets":[0,8]})", 8), "\"data_offsets\"",
       "tensor 'w': 'data_offsets' stands twice"},
      {entry(R"({"dtype":"F32","shape":[2],"strides":[1],"data_offsets":[0,8]})", 8), "\"strides\"",
       "tensor 'w': unknown key 'strides'; expected dtype, shape and data_offsets"},
  });
}

TEST_CASE("shapes and offsets that do not fit the data or each other") {
  const auto two = [](const char* a, const char* b, std::size_t data) {
    return safetensors(fmt::format(R"({{"a":{{"dtype":"U8","shape":[4],"data_offsets":{}}},)"
                                   R"("b":{{"dtype":"U8","shape":[4],"data_offsets":{}}}}})",
                                   a, b),
                       std::string(data, '\0'));
  };
  REQUIRE(reading(two("[0,4]", "[4,8]", 8)).empty());
  REQUIRE(reading(two("[4,8]", "[0,4]", 8)).empty());
  const std::size_t start = two("[0,4]", "[4,8]", 0).size();  // of the data; the same for all of them
  const std::size_t alone = entry(R"({"dtype":"F32","shape":[2],"data_offsets":[1000,1008]})", 0).size();
  check(std::vector<Broken>{
      {entry(R"({"dtype":"F32","shape":[3],"data_offsets":[0,8]})", 8),
       "tensor 'w': F32 of shape [3] takes 12 bytes, but data_offsets [0, 8] give 8"},
      {entry(R"({"dtype":"F4","shape":[3],"data_offsets":[0,2]})", 2),
       "tensor 'w': F4 elements of shape [3] make no whole number of bytes, or too many"},
      {entry(R"({"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,8]})", 8),
       "tensor 'w': F32 elements of shape [4294967296, 4294967296] make no whole number of bytes, or too many"},
      {entry(R"({"dtype":"F32","shape":[2],"data_offsets":[8,0]})", 8),
       "tensor 'w': data_offsets [8, 0] run backwards"},
      {entry(R"({"dtype":"F32","shape":[2],"data_offsets":[18446744073709551608,18446744073709551615]})", 8),
       "tensor 'w': F32 of shape [2] takes 8 bytes, but data_offsets [18446744073709551608, 18446744073709551615] "
       "give 7"},
      {entry(R"({"dtype":"F32","shape":[2],"data_offsets":[1000,1008]})", 8),
       fmt::format("byte {}: 1000 bytes before tensor 'w' belong to no tensor", alone)},
      {two("[0,4]", "[2,6]", 8), fmt::format("byte {}: tensor 'b' overlaps the tensor before it", start + 2)},
      {two("[0,4]", "[0,4]", 8), fmt::format("byte {}: tensor 'b' overlaps the tensor before it", start)},
      {two("[0,4]", "[5,9]", 9), fmt::format("byte {}: 1 bytes before tensor 'b' belong to no tensor", start + 4)},
      {two("[0,4]", "[4,8]", 9), fmt::format("byte {}: 1 bytes after the last tensor belong to no tensor", start + 8)},
      {two("[0,4]", "[4,8]", 7),
       fmt::format("tensor 'b' ends at byte {} of {}; the file is cut short, fetch it again", start + 8, start + 7)},
      {safetensors(R"({"w":)" + kSound + R"(,"w":{"dtype":"F32","shape":[2],"data_offsets":[8,16]}})",
                   std::string(16, '\0')),
       "tensor 'w' stands twice in the header"},
  });
}

TEST_CASE("every prefix and every flipped byte of a sound file is read or refused with one line") {
  const std::string sound = read_text("tests/formats/golden/shapes.safetensors");
  for (std::size_t i = 0; i < sound.size(); ++i) {
    CHECK_FALSE(reading(sound.substr(0, i)).empty());
    for (const int mask : {0x01, 0x20, 0x80}) {
      std::string flipped = sound;
      flipped[i] = static_cast<char>(flipped[i] ^ mask);
      CHECK(reading(flipped).find('\n') == std::string::npos);
    }
  }
}

TEST_CASE("a folder, a missing file") {
  const Folder folder;
  CHECK(contains(error_of([&] { SafetensorsFile::open(folder.path()); }), folder.path().string()));
  CHECK(contains(error_of([&] { SafetensorsFile::open(folder / "none.safetensors"); }), "No such file"));
}
