#!/usr/bin/env bash
# Forward KL over a vocabulary of 129,280 from hidden states, forward and backward, beside plain PyTorch: tokens a second and
# memory above inputs and gradients. Takes a minute or two and 4 GiB. Ends with lines `ratio NAME VALUE`; all is kept as JSON.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

usage() { echo "usage: scripts/bench/vocab_loss.sh [--out DIR] [--rows N] [--hidden N] [--classes N] [--repeats N]"; }
out=runs/bench-vocab-loss rows=1024 hidden=1024 classes=129280 repeats=3
while (($#)); do
  case $1 in
    --out | --rows | --hidden | --classes | --repeats)
      [[ -n ${2:-} ]] || { echo "vocab_loss.sh: error: $1 needs a value" >&2 && exit 2; }
      declare "${1#--}=$2" && shift
      ;;
    -h | --help) usage && exit 0 ;;
    *) echo "vocab_loss.sh: error: unknown flag '$1'; see scripts/bench/vocab_loss.sh --help" >&2 && exit 2 ;;
  esac
  shift
done
scripts/setup.sh --python
scripts/build.sh release bench_vocab_loss
threads=$(nproc)
export OMP_NUM_THREADS=$threads
python=${DSD_DEPS:-.deps}/python/bin/python
mkdir -p "$out"
ours() { build/release/scripts/bench/bench_vocab_loss "$rows" "$hidden" "$classes" "$2" "$3" "$repeats" "${4:-fixed}" | tee "$out/$1.json"; }
echo "vocab_loss.sh: $rows rows of $hidden, $classes classes, $threads threads, load $(cut -d' ' -f1 /proc/loadavg)"
"$python" scripts/bench/vocab_loss_peer.py "$rows" "$hidden" "$classes" "$repeats" "$threads" | tee "$out/pytorch.json"
ours fp32 fp32 192
ours bf16 bf16 192
ours fp32_small fp32 32
for kind in flsw cwsm entropy class_difficulty; do ours "fp32_$kind" fp32 192 "$kind"; done
"$python" - "$out" <<'REPORT'
import json, pathlib, sys
runs = {f.stem: json.loads(f.read_text()) for f in pathlib.Path(sys.argv[1]).glob("*.json")}
peer = runs.pop("pytorch")
for name, run in sorted(runs.items()):
    print(f"ratio {name}_to_pytorch {run['tokens_per_second'] / peer['tokens_per_second']:.2f}")
for name, run in sorted(runs.items()):
    print(f"ratio memory_{name}_to_pytorch {run['extra_mib'] / peer['extra_mib']:.3f}")
# A temperature of each row's own against one for all: time and memory.
for kind in ("flsw", "cwsm", "entropy", "class_difficulty"):
    run, fixed = runs[f"fp32_{kind}"], runs["fp32"]
    print(f"ratio {kind}_to_fixed_seconds {run['seconds'] / fixed['seconds']:.3f}")
    print(f"ratio {kind}_to_fixed_memory {run['extra_mib'] / fixed['extra_mib']:.3f}")
REPORT
