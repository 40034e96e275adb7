#include "core/formats/checkpoint.h"

#include <algorithm>
#include <array>

#include "tests/formats/support.h"

using namespace dsd;
using namespace dsd::testing;

namespace {

const std::array<float, 6> kValues = {1, 2, 3, 4, 5, 6};

std::vector<TensorInfo> three_tensors() {
  const std::span<const std::byte> bytes = std::as_bytes(std::span<const float>(kValues));
  return {{"c", Dtype::f32, {2}, bytes.first(8)},
          {"a", Dtype::bf16, {2, 2}, bytes.subspan(8, 8)},
          {"b", Dtype::u8, {8}, bytes.subspan(16)}};
}

std::string opening(const fs::path& folder) {
  return error_of([&] { Checkpoint::open(folder); });
}

std::vector<std::string> files_in(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace

TEST_CASE("one file or many shards are the same checkpoint") {
  const Folder whole, cut;
  const std::vector<TensorInfo> tensors = three_tensors();
  write_checkpoint(whole.path(), to_write(tensors), {{"format", "pt"}});
  write_checkpoint(cut.path(), to_write(tensors), {{"format", "pt"}}, 16);
  CHECK(files_in(whole.path()) == std::vector<std::string>{"model.safetensors"});
  CHECK(files_in(cut.path()) == std::vector<std::string>{"model-00001-of-00002.safetensors",
                                                         "model-00002-of-00002.safetensors",
                                                         "model.safetensors.index.json"});
  CHECK(read_text(cut / "model.safetensors.index.json") ==
        "{\n  \"metadata\": {\n    \"total_size\": 24\n  },\n  \"weight_map\": {\n"
        "    \"a\": \"model-00001-of-00002.safetensors\",\n    \"b\": \"model-00002-of-00002.safetensors\",\n"
        "    \"c\": \"model-00001-of-00002.safetensors\"\n  }\n}\n");

  const Checkpoint one = Checkpoint::open(whole.path()), two = Checkpoint::open(cut.path());
  for (const Checkpoint& each : {one, two}) {
    CHECK(std::vector<std::string>(each.names().begin(), each.names().end()) ==
          std::vector<std::string>{"a", "b", "c"});
    CHECK(each.total_bytes() == 24);
    for (const TensorInfo& tensor : tensors) {
      REQUIRE(each.find(tensor.name) != nullptr);
      CHECK(each.find(tensor.name)->shape == tensor.shape);
      CHECK(std::equal(tensor.bytes.begin(), tensor.bytes.end(), each.at(tensor.name).bytes.begin()));
    }
    CHECK(each.find("d") == nullptr);
    CHECK(error_of([&] { each.at("d"); }) == each.folder().string() + ": its weights have no tensor 'd'");
  }
  CHECK(one.content_hash() == two.content_hash());
}

TEST_CASE("the content hash tells names, shapes, dtypes and bytes apart") {
  const auto hash = [](const std::vector<TensorInfo>& tensors) {
    const Folder folder;
    write_checkpoint(folder.path(), to_write(tensors), {});
    return Checkpoint::open(folder.path()).content_hash();
  };
  const std::vector<TensorInfo> original = three_tensors();
  std::vector<Key128> hashes = {hash(original)};
  std::vector<TensorInfo> changed = original;
  changed[0].name = std::string("d");
  hashes.push_back(hash(changed));
  changed = original;
  changed[1].shape = {4};
  hashes.push_back(hash(changed));
  changed = original;
  changed[1].dtype = Dtype::f16;
  hashes.push_back(hash(changed));
  changed = original;
  changed[2].bytes = original[1].bytes;
  hashes.push_back(hash(changed));
  std::sort(hashes.begin(), hashes.end());
  CHECK(std::adjacent_find(hashes.begin(), hashes.end()) == hashes.end());
  CHECK(hash(original) == hash(three_tensors()));
}

TEST_CASE("an index that lies is named") {
  const Folder folder;
  write_checkpoint(folder.path(), to_write(three_tensors()), {}, 16);
  const fs::path index = folder / "model.safetensors.index.json";
  const std::string sound = read_text(index), place = index.string();
  const auto with = [&](const std::string& map) {
    write_atomically(index, "{\"weight_map\":" + map + "}");
    return opening(folder.path());
  };
  CHECK(with(R"({"a":"../model-00001-of-00002.safetensors"})") ==
        place +
            ": tensor 'a' lies in '../model-00001-of-00002.safetensors', outside the model's folder; that is not "
            "followed");
  CHECK(contains(with(R"({"a":"/etc/passwd"})"), "outside the model's folder"));
  CHECK(contains(with(R"({"a":""})"), "outside the model's folder"));
  CHECK(with(R"({"a":7})") == place + ": tensor 'a' lies in 7; expected the name of a file");
  CHECK(contains(with("[]"), "'weight_map' is missing or no object"));
  CHECK(contains(with("{}"), "'weight_map' names no tensor"));
  CHECK(contains(with(R"({"a":"x","a":"y"})"), "key 'a' stands twice"));
  CHECK(with(R"({"a":"model-00002-of-00002.safetensors"})") ==
        (folder / "model-00002-of-00002.safetensors").string() +
            ": tensor 'a' is not in it, but model.safetensors.index.json says so; fetch the model again");
  write_atomically(index, sound);
  fs::remove(folder / "model-00002-of-00002.safetensors");
  CHECK(opening(folder.path()) ==
        (folder / "model-00002-of-00002.safetensors").string() +
            ": is missing, but model.safetensors.index.json says that tensor 'b' lies in it; fetch the model again");
  write_atomically(index, "{");
  CHECK(contains(opening(folder.path()), place + ":1:1: not valid JSON"));
}

TEST_CASE("a folder without weights that can be read") {
  const Folder folder;
  CHECK(opening(folder / "none") == (folder / "none").string() + ": no such folder");
  CHECK(opening(folder.path()) ==
        folder.path().string() + ": has no weights; expected model.safetensors or model.safetensors.index.json");
  folder.write("pytorch_model.bin", "PK");
  const std::string message = opening(folder.path());
  CHECK(contains(message,
                 "pytorch_model.bin: is a pickle, which may run code when it is read; convert it once with: "
                 "python3 -c \"import"));
  CHECK(message.ends_with(folder.path().string()));
  CHECK(message.find('\n') == std::string::npos);
}

TEST_CASE("a real checkpoint is read, and copied to the same content") {
  const fs::path real = "../shared/data/models/stories260K/hf";
  if (!fs::exists(real)) {
    MESSAGE("skipped: no " << real.string());
    return;
  }
  const Checkpoint checkpoint = Checkpoint::open(real);
  CHECK(checkpoint.at("model.embed_tokens.weight").shape == std::vector<std::int64_t>{512, 64});
  std::vector<TensorInfo> tensors;
  for (const std::string& name : checkpoint.names()) tensors.push_back(checkpoint.at(name));
  const Folder copy;
  write_checkpoint(copy.path(), to_write(tensors), {{"format", "pt"}}, 100'000);
  CHECK(files_in(copy.path()).size() > 3);
  CHECK(Checkpoint::open(copy.path()).content_hash() == checkpoint.content_hash());
}
