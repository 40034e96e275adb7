#!/usr/bin/env bash
# Set-up, release build and all tests; the last lines are ctest's.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

usage() {
  cat <<'USAGE'
usage: scripts/test.sh [--asan] [--parity] [--fuzz SECONDS] [NAME...]
  --asan          test the build with the address and undefined sanitizers instead of the release build
  --parity        also compare with transformers and tokenizers, live, on fresh seeds (installs them on the first use)
  --fuzz SECONDS  also feed random files to each reader for that long
  NAME            only the tests whose name matches (ctest -R)
USAGE
}

kind=release parity=0 fuzz=0 names=()
while (($#)); do
  case $1 in
    --asan) kind=asan ;;
    --parity) parity=1 ;;
    --fuzz)
      [[ ${2:-} =~ ^[1-9][0-9]*$ ]] || { echo "test: error: --fuzz needs a number of seconds, e.g. --fuzz 60" >&2 && exit 2; }
      fuzz=$2 && shift
      ;;
    -h | --help) usage && exit 0 ;;
    -*) echo "test: error: unknown flag '$1'; see scripts/test.sh --help" >&2 && exit 2 ;;
    *) names+=("$1") ;;
  esac
  shift
done

setup=()
((parity)) && setup+=(--python)
((fuzz)) && setup+=(--dev)
scripts/setup.sh "${setup[@]}"
scripts/build.sh "$kind"

if ((fuzz)); then
  scripts/build.sh fuzz fuzzers
  mapfile -t fuzzers < <(find build/fuzz -type f -name 'fuzz_*' -perm -u+x | sort)
  ((${#fuzzers[@]})) || { echo "test: error: build/fuzz holds no fuzz target" >&2 && exit 1; }
  for fuzzer in "${fuzzers[@]}"; do
    echo "test: $fuzzer for $fuzz seconds"
    mkdir -p "$fuzzer.found"
    "$fuzzer" -max_total_time="$fuzz" -rss_limit_mb=2048 -timeout=10 -print_final_stats=1 -verbosity=0 \
      -artifact_prefix="$fuzzer.found/" "$fuzzer.found"
  done
fi
if ((parity)); then
  for script in scripts/reference/*_live.py; do
    echo "test: $script"
    models=${DSD_DEPS:-.deps}/models model=()
    case $script in
      */tokenizer_live.py) ;;
      */gguf_live.py) [[ ! -d $models/smollm2-135m ]] || model=("$models/smollm2-135m") ;;
      *) model=("$models/minilm-l6") ;;
    esac
    "${DSD_DEPS:-.deps}/python/bin/python" "$script" bin/dsdistill "${model[@]}"
  done
fi

# One thread a process that waits passively (each test's ENVIRONMENT says so), so that the cores are not fought over.
select=()
((${#names[@]} == 0)) || select=(-R "$(IFS='|' && echo "${names[*]}")")
ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=1:strict_string_checks=1} UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1} \
  ctest --test-dir "build/$kind" --output-on-failure --no-tests=error -j "$(nproc)" "${select[@]}"
