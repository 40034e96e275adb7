#!/usr/bin/env bash
# Forward KL from hidden states over a vocabulary, forward and backward, beside plain PyTorch: the same numbers, losses
# and gradients compared after the run. Takes the whole machine for some ten minutes: run it when nothing else runs. Ends with
# lines `ratio NAME VALUE`; all is kept as JSON.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

usage() {
  cat <<'USAGE'
usage: scripts/bench/vocab_loss.sh [--out DIR] [--passes N] [--repeats N] [--shape "TOKENS HIDDEN VOCABULARY"]
                                   [--small ROWS] [--only "NAME.."]
  --out      where results go (default: runs/bench-vocab-loss)
  --passes   how often each contender's process runs, in turn (3)
  --repeats  timed passes of a process, after one that warms up (3)
  --shape    (default: "1024 1024 129280")
  --small    rows of a tile with the small-memory setting (32); the default setting has 256
  --only     of plain_fp32 fp32 bf16 fp32_small bf16_small; results of earlier runs stay in DIR
USAGE
}

out=runs/bench-vocab-loss passes=3 repeats=3 shape='1024 1024 129280' small=32
only='plain_fp32 fp32 bf16 fp32_small bf16_small'
while (($#)); do
  case $1 in
    --out | --passes | --repeats | --shape | --small | --only)
      [[ -n ${2:-} ]] || { echo "vocab_loss.sh: error: $1 needs a value" >&2 && exit 2; }
      declare "${1#--}=$2" && shift
      ;;
    -h | --help) usage && exit 0 ;;
    *) echo "vocab_loss.sh: error: unknown flag '$1'; see scripts/bench/vocab_loss.sh --help" >&2 && exit 2 ;;
  esac
  shift
done
read -ra sizes <<<"$shape"
((${#sizes[@]} == 3)) || { echo "vocab_loss.sh: error: --shape takes three numbers" >&2 && exit 2; }

scripts/setup.sh --python
python=${DSD_DEPS:-.deps}/python/bin/python
scripts/build.sh release bench_vocabulary
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-$(nproc)}
mkdir -p "$out"
ours() { build/release/scripts/bench/bench_vocabulary "$1" "$2" "$repeats" "${sizes[@]}"; }
for ((pass = 1; pass <= passes; ++pass)); do
  for name in $only; do
    echo "vocab_loss.sh: pass $pass of $passes, $name, load $(cut -d' ' -f1 /proc/loadavg)"
    case $name in
      plain_fp32) "$python" scripts/bench/vocab_loss_peer.py run "$repeats" "${sizes[@]}" ;;
      fp32 | bf16) ours "$name" 256 ;;
      fp32_small | bf16_small) ours "${name%_small}" "$small" ;;
      *) echo "vocab_loss.sh: error: unknown contender '$name'" >&2 && exit 2 ;;
    esac | tee "$out/$name-$pass.json"
  done
done
"$python" scripts/bench/vocab_loss_peer.py table "$out"
