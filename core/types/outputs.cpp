#include "core/types/outputs.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "core/base/error.h"

namespace dsd {

std::string name_of(const Site& site) {
  constexpr std::array<std::string_view, 6> names{"embedding", "hidden", "query", "key", "value", "pooled"};
  return fmt::format("{}.{}", names[static_cast<std::size_t>(site.kind)], site.layer);
}

bool Wanted::contains(const Site& site) const { return std::ranges::find(sites, site) != sites.end(); }

namespace {

const Tensor& find(const std::vector<std::pair<Site, Tensor>>& captured, const Site& site, std::string_view who) {
  const auto found = std::ranges::find(captured, site, [](const auto& entry) { return entry.first; });
  if (found == captured.end()) fail("the {} was not asked for {}", who, name_of(site));
  return found->second;
}

}  // namespace

const Tensor& Outputs::at(const Site& site) const { return find(captured, site, "model"); }
const Tensor& TeacherOutputs::at(const Site& site) const { return find(captured, site, "teacher"); }

}  // namespace dsd
