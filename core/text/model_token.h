#pragma once
// What a model makes of a piece of text: an id and where in the piece it stands.

#include <cstddef>
#include <cstdint>

namespace dsd {

struct ModelToken {
  std::int32_t id;
  std::size_t begin, end;  // bytes of the piece
};

}  // namespace dsd
