// `dsdistill inspect` as a program.
#include <nlohmann/json.hpp>

#include "tests/check.h"
#include "tests/cli/program.h"

using namespace dsd::test;

namespace {

const std::string kGguf = "tests/formats/golden/gguf/llama.gguf";

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

nlohmann::json listing(const std::string& path, const Workshop& workshop) {
  const std::string json = (workshop / "listing.json").string();
  const Finished finished = dsdistill({"inspect", path, "--json", json});
  REQUIRE(finished.code == 0);
  return nlohmann::json::parse(bytes_of(json));
}

}  // namespace

TEST_CASE("a GGUF file: its own names and types, totals and a checksum") {
  const Workshop workshop;
  const nlohmann::json found = listing(kGguf, workshop);
  CHECK(found.at("format") == "GGUF version 3");
  CHECK(contains(found.at("architecture"), "llama (LlamaForCausalLM): layers 2, hidden 32, intermediate 64"));
  CHECK(found.at("tensors").size() == 20);
  CHECK(found.at("tensors").at(0).at("name") == "blk.0.attn_k.weight");
  CHECK(found.at("tensors").at(0).at("shape") == nlohmann::json({16, 32}));
  CHECK(found.at("totals").at("tensors") == 20);
  CHECK(found.at("totals_by_dtype").at("F32").at("parameters") == 5 * 32);
  CHECK(found.at("checksum").at("value").get<std::string>().size() == 32);
  CHECK(found.at("checksum") == listing(kGguf, workshop).at("checksum"));

  const Finished text = dsdistill({"inspect", kGguf});
  CHECK(contains(text.out, "blk.0.attn_k.weight"));
  CHECK(contains(text.out, "checksum      " + found.at("checksum").at("value").get<std::string>()));
}

TEST_CASE("a model's folder, and a safetensors file of its own") {
  const Workshop workshop;
  const nlohmann::json folder = listing((workshop / "model").string(), workshop);
  CHECK(folder.at("format") == "safetensors");
  CHECK(contains(folder.at("architecture"), "bert"));
  const nlohmann::json file = listing((workshop / "model/model.safetensors").string(), workshop);
  CHECK(file.at("architecture") == "not stated");
  CHECK(file.at("tensors") == folder.at("tensors"));
  CHECK(file.at("checksum") == folder.at("checksum"));
}

TEST_CASE("a GGUF file is unpacked to the tensors that transformers reads") {
  const Workshop workshop;
  const std::string out = (workshop / "unpacked").string();
  REQUIRE(dsdistill({"inspect", kGguf, "--unpack", out}).code == 0);
  const nlohmann::json ours = listing(out, workshop);
  const nlohmann::json expected = listing("tests/formats/golden/gguf/llama.safetensors", workshop);
  CHECK(ours.at("checksum") == expected.at("checksum"));
  CHECK(contains(ours.at("architecture"), "LlamaForCausalLM"));
  const Finished again = dsdistill({"inspect", kGguf, "--unpack", out});
  CHECK(again.code == 1);
  CHECK(contains(again.error, "is there already"));
}

TEST_CASE("what cannot be inspected is named") {
  const Workshop workshop;
  CHECK(contains(dsdistill({"inspect", (workshop / "none").string()}).error, "no such folder"));
  workshop.write("bad.gguf", "GGUF");
  const Finished bad = dsdistill({"inspect", (workshop / "bad.gguf").string()});
  CHECK(bad.code == 1);
  CHECK(contains(bad.error, "bad.gguf: byte 4: the version takes 4 bytes"));
  const Finished safetensors = dsdistill({"inspect", (workshop / "model").string(), "--unpack", "x"});
  CHECK(contains(safetensors.error, "is no GGUF file"));
}
