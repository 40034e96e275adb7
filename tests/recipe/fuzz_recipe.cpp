// Any bytes as a recipe, with an override from its first line: read or refused, and what is read survives being
// written.
#include <cstdint>
#include <cstdlib>

#include "core/base/error.h"
#include "core/recipe/load.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::vector<std::string> overrides{std::string(text.substr(0, text.find('\n')))};
  dsd::Recipe recipe;
  try {
    recipe = dsd::parse_recipe(text, "fuzz.yaml", size % 2 ? overrides : std::vector<std::string>{});
  } catch (const dsd::Error&) {
    return 0;
  }
  const std::string written = dsd::dump_recipe(dsd::resolved(recipe));
  if (dsd::dump_recipe(dsd::resolved(dsd::parse_recipe(written, "again.yaml"))) != written) std::abort();
  return 0;
}
