#pragma once
// Every test of a folder that sees LibTorch includes this file last, and no doctest header beside it: LibTorch's
// logging headers define CHECK and its family as aborting macros, so they come first and doctest's take their place.
#include <ATen/ATen.h>
#include <c10/util/Logging.h>

#undef CHECK
#undef CHECK_EQ
#undef CHECK_NE
#undef CHECK_LT
#undef CHECK_LE
#undef CHECK_GT
#undef CHECK_GE

#include <doctest/doctest.h>
