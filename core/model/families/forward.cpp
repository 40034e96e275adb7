#include "core/model/families/forward.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "core/base/error.h"

namespace dsd {
namespace {

using Kind = Site::Kind;

bool reads_qkv(Kind kind) { return kind == Kind::query || kind == Kind::key || kind == Kind::value; }

Site site_of(Kind kind, std::int64_t layer, int stream) {
  return {.kind = kind, .layer = static_cast<int>(layer), .stream = stream};
}

}  // namespace

bool ForwardRun::wants(Kind kind, std::int64_t layer) const {
  return wanted.contains(site_of(kind, layer, pass.stream));
}

bool ForwardRun::wants_qkv(std::int64_t layer) const {
  return wants(Kind::query, layer) || wants(Kind::key, layer) || wants(Kind::value, layer);
}

void ForwardRun::capture(Kind kind, std::int64_t layer, const Tensor& value) {
  if (wants(kind, layer)) outputs.captured.emplace_back(site_of(kind, layer, pass.stream), value);
}

void ForwardRun::capture_qkv(std::int64_t layer, const Tensor& qkv, std::int64_t width, std::int64_t key_width) {
  capture(Kind::query, layer, qkv.narrow(1, 0, width));
  capture(Kind::key, layer, qkv.narrow(1, width, key_width));
  capture(Kind::value, layer, qkv.narrow(1, width + key_width, key_width));
}

void ForwardRun::reach_sites() {
  for (const Site& site : wanted.sites)
    if (site.stream == pass.stream) depth = std::max<std::int64_t>(depth, site.layer + (reads_qkv(site.kind) ? 1 : 0));
}

void check_site(const Site& site, std::int64_t layers) {
  const bool whole = site.kind == Kind::embedding || site.kind == Kind::pooled;
  const std::int64_t last = whole ? 0 : layers - (reads_qkv(site.kind) ? 1 : 0);
  if (site.layer < 0 || site.layer > last)
    fail("{} is not in this model, which has {} layers; the last one there is {}", name_of(site), layers, last);
}

}  // namespace dsd
