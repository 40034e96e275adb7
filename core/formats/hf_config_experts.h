#pragma once
// The keys of config.json of the article's two decoders, v3 and r1. They are ours: the classes that transformers loads
// such a folder with travel in it (auto_map).

#include "core/formats/hf_config.h"
#include "core/formats/hf_config_keys.h"

namespace dsd {

V3Config read_v3(const ConfigKeys& keys);
R1Config read_r1(const ConfigKeys& keys);
void put_v3(Json& json, const V3Config& config);
void put_r1(Json& json, const R1Config& config);

// Error naming the first of these sizes that does not fit another, as "SOURCE: 'key' ...".
void check_sizes(const ExpertDecoderConfig& config, const std::string& source);
void check_sizes(const V3Config& config, const std::string& source);
void check_sizes(const R1Config& config, const std::string& source);

}  // namespace dsd
