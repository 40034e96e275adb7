#pragma once
// The merges of BPE as files write them.

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/text/bpe.h"
#include "core/text/vocabulary.h"

namespace dsd {

// "a b"; nothing unless exactly one blank stands in it.
std::optional<std::pair<std::string_view, std::string_view>> split_merge(std::string_view text);

// The ids of the two and of what they become (`right` without the prefix that tokens within a word carry). Nothing, and
// a complaint, when one is not in the vocabulary.
std::optional<Bpe::Merge> find_merge(const Vocabulary& vocabulary, std::string_view left, std::string_view right,
                                     std::string_view prefix, std::string& complaint);

// merges.txt: one a line, in the order of their ranks; lines that begin with "#version" are none.
std::vector<Bpe::Merge> read_merges_file(const std::filesystem::path& path, const Vocabulary& vocabulary);

}  // namespace dsd
