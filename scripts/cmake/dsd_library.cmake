# Flags that every target of ours shares. -Wno-restrict: GCC 12 warns of its own std::string (GCC bug 105651). Never exported, never set globally.
add_library(dsd_options INTERFACE)
target_compile_features(dsd_options INTERFACE cxx_std_20)
target_include_directories(dsd_options INTERFACE ${PROJECT_SOURCE_DIR})
target_compile_options(dsd_options INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wno-missing-field-initializers -Wshadow -Wnon-virtual-dtor
  -Woverloaded-virtual> $<$<COMPILE_LANG_AND_ID:CXX,GNU>:-Wno-restrict>)
target_compile_options(dsd_options INTERFACE $<$<COMPILE_LANGUAGE:CUDA>:-Xcompiler=-Wall>)
if(DSD_SANITIZE)
  target_compile_options(dsd_options INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-fsanitize=${DSD_SANITIZE}
    -fno-sanitize-recover=all -fno-omit-frame-pointer>)
  target_link_options(dsd_options INTERFACE -fsanitize=${DSD_SANITIZE})
endif()

# One precompiled header for every target that sees LibTorch.
add_library(dsd_pch OBJECT ${PROJECT_SOURCE_DIR}/scripts/cmake/pch.cpp)
target_link_libraries(dsd_pch PRIVATE dsd_options dsd_torch)
target_precompile_headers(dsd_pch PRIVATE ${PROJECT_SOURCE_DIR}/scripts/cmake/pch.h)

# dsd_library(<name> [TORCH] SOURCES ... [LINK ...]): one folder, one static library, one alias dsd::<name>.
# LINK is public: what a folder's headers include travels with it.
function(dsd_library name)
  cmake_parse_arguments(ARG "TORCH" "" "SOURCES;LINK" ${ARGN})
  add_library(dsd_${name} STATIC ${ARG_SOURCES})
  target_link_libraries(dsd_${name} PUBLIC ${ARG_LINK} PRIVATE dsd_options)
  target_include_directories(dsd_${name} PUBLIC ${PROJECT_SOURCE_DIR})
  if(ARG_TORCH)
    target_link_libraries(dsd_${name} PUBLIC dsd_torch)
    target_precompile_headers(dsd_${name} REUSE_FROM dsd_pch)
  endif()
  add_library(dsd::${name} ALIAS dsd_${name})
endfunction()

# dsd_test(<name> [TORCH] SOURCES ... LINK ...): one folder, one test binary, one ctest entry.
# A test process has one thread that waits passively, so that `ctest -j` does not fight over the cores.
function(dsd_test name)
  cmake_parse_arguments(ARG "TORCH" "" "SOURCES;LINK" ${ARGN})
  add_executable(test_${name} ${ARG_SOURCES} ${PROJECT_SOURCE_DIR}/tests/main.cpp)
  target_link_libraries(test_${name} PRIVATE dsd_options ${ARG_LINK})
  if(ARG_TORCH)
    target_link_libraries(test_${name} PRIVATE dsd_torch)
    target_precompile_headers(test_${name} REUSE_FROM dsd_pch)
    set_source_files_properties(${PROJECT_SOURCE_DIR}/tests/main.cpp PROPERTIES SKIP_PRECOMPILE_HEADERS ON)
  endif()
  add_test(NAME ${name} COMMAND test_${name} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
  set_tests_properties(${name} PROPERTIES ENVIRONMENT
    "OMP_NUM_THREADS=1;OMP_WAIT_POLICY=passive;DSD_BINARY=$<TARGET_FILE:dsdistill>" TIMEOUT 1200)
endfunction()

# dsd_fuzz(<name> SOURCES ... LINK ...): one libFuzzer binary, fuzz_<name>; built with clang by scripts/test.sh --fuzz.
option(DSD_FUZZ "Build the fuzz targets; needs clang++" OFF)
add_custom_target(fuzzers)
function(dsd_fuzz name)
  if(NOT DSD_FUZZ)
    return()
  endif()
  cmake_parse_arguments(ARG "" "" "SOURCES;LINK" ${ARGN})
  add_executable(fuzz_${name} ${ARG_SOURCES})
  target_link_libraries(fuzz_${name} PRIVATE dsd_options ${ARG_LINK})
  target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
  add_dependencies(fuzzers fuzz_${name})
endfunction()
