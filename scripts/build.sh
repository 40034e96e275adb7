#!/usr/bin/env bash
# Configures and builds build/<kind>, and points bin/dsdistill at the binary just built.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

usage() {
  cat <<'USAGE'
usage: scripts/build.sh release|debug|asan|cuda|fuzz [TARGET...]
  release  -O2; runs on any x86-64
  debug    -O0 -g
  asan     -O1 -g1 with the address and undefined sanitizers
  cuda     release plus the CUDA launchers (nvcc) and NCCL; needs scripts/setup.sh --cuda
  fuzz     clang with libFuzzer; its targets are fuzzers (all) and fuzz_*
Without TARGET the binary and all tests are built. $DSD_JOBS compilers run at once (default: the cores, one for each 2 GiB).
USAGE
}

kind=${1:-}
case $kind in
  release) flags=(-DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_FLAGS_RELEASE=-O2) ;;
  debug) flags=(-DCMAKE_BUILD_TYPE=Debug -DCMAKE_CXX_FLAGS_DEBUG="-O0 -g") ;;
  asan) flags=(-DCMAKE_BUILD_TYPE=Debug -DCMAKE_CXX_FLAGS_DEBUG="-O1 -g1" "-DDSD_SANITIZE=address,undefined") ;;
  cuda)
    cuda_home=${CUDA_HOME:-/usr/local/cuda}
    [[ -x $cuda_home/bin/nvcc ]] || {
      echo "build: error: no nvcc in $cuda_home/bin; run scripts/setup.sh --cuda, it says what to install" >&2
      exit 1
    }
    flags=(-DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_FLAGS_RELEASE=-O2 -DCMAKE_CUDA_FLAGS_RELEASE=-O2 -DDSD_CUDA=ON
      -DCMAKE_CUDA_COMPILER="$cuda_home/bin/nvcc" -DCUDAToolkit_ROOT="$cuda_home" -DCMAKE_CUDA_COMPILER_LAUNCHER=ccache)
    ;;
  fuzz)
    flags=(-DCMAKE_BUILD_TYPE=Debug -DCMAKE_CXX_COMPILER=clang++ -DCMAKE_CXX_FLAGS_DEBUG="-O1 -g1" -DDSD_FUZZ=ON
      "-DDSD_SANITIZE=fuzzer-no-link,address,undefined")
    ;;
  -h | --help) usage && exit 0 ;;
  *) usage >&2 && exit 2 ;;
esac
shift

flags+=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache -DCMAKE_EXE_LINKER_FLAGS=-fuse-ld=mold -DCMAKE_COMPILE_WARNING_AS_ERROR=ON
  -DCMAKE_EXPORT_COMPILE_COMMANDS=ON)
[[ -z ${DSD_DEPS:-} ]] || flags+=(-DDSD_DEPS="$DSD_DEPS")
# What a hash of the source cannot see: the precompiled header's own time stamp and its macros.
export CCACHE_SLOPPINESS=pch_defines,time_macros
# A checkout in another folder finds what this one compiled.
export CCACHE_BASEDIR=$PWD CCACHE_NOHASHDIR=1

folder=build/$kind
# CMake runs again by itself when a list file changes; here only when there is nothing yet or other flags are asked for.
if [[ ! -e $folder/build.ninja || "${flags[*]}" != "$(cat "$folder/flags" 2>/dev/null)" ]]; then
  cmake -S . -B "$folder" -G Ninja "${flags[@]}"
  echo "${flags[*]}" >"$folder/flags"
fi

jobs=${DSD_JOBS:-}
if [[ -z $jobs ]]; then
  # A file over LibTorch takes up to 1.4 GiB to compile.
  fits=$(awk '/MemAvailable/ { print int($2 / 2097152) }' /proc/meminfo)
  jobs=$(($(nproc) < fits ? $(nproc) : fits > 0 ? fits : 1))
fi
ninja -C "$folder" -j "$jobs" "$@"

if [[ $kind != fuzz && -x $folder/cli/dsdistill ]]; then
  mkdir -p bin
  ln -sfn "../$folder/cli/dsdistill" bin/dsdistill
  echo "build: bin/dsdistill is now the $kind build"
fi
