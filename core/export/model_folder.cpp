#include "core/export/model_folder.h"

#include "core/formats/tokenizer_files.h"

namespace dsd {

void write_model(Model& model, const std::filesystem::path& tokenizer, const std::filesystem::path& folder,
                 at::ScalarType dtype) {
  save_model(model, folder, dtype);
  copy_tokenizer_files(tokenizer, folder);
}

}  // namespace dsd
