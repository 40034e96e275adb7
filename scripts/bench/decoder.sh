#!/usr/bin/env bash
# Distilling SmolLM2-135M (30 layers) into 8 of its layers, 4 pieces of 256 tokens a step, beside transformers: tokens a
# second, and memory above the loaded models. Takes about ten minutes of the whole machine. Ends with lines
# `ratio NAME VALUE`; all is kept as JSON.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

usage() {
  cat <<'USAGE'
usage: scripts/bench/decoder.sh [--text FILE] [--out DIR] [--steps N] [--warm N]
  --text   plain text of at least half a megabyte (default: ../shared/data/lm/wikitext-2/valid.txt)
  --out    where results go (default: runs/bench-decoder)
  --steps  steps of each contender (10), of which --warm (3) before the clock; what remembers the teacher takes about
           twice as many, over one text twice
USAGE
}

text=../shared/data/lm/wikitext-2/valid.txt out=runs/bench-decoder steps=10 warm=3
while (($#)); do
  case $1 in
    --text | --out | --steps | --warm)
      [[ -n ${2:-} ]] || { echo "decoder.sh: error: $1 needs a value" >&2 && exit 2; }
      declare "${1#--}=$2" && shift
      ;;
    -h | --help) usage && exit 0 ;;
    *) echo "decoder.sh: error: unknown flag '$1'; see scripts/bench/decoder.sh --help" >&2 && exit 2 ;;
  esac
  shift
done
[[ -e $text ]] || { echo "decoder.sh: error: no file $text; name a text with --text" >&2 && exit 1; }
scripts/setup.sh --python --smollm2
scripts/build.sh release dsdistill
deps=${DSD_DEPS:-.deps}
python=$deps/python/bin/python gguf=$deps/models/smollm2-135m/SmolLM2-135M-Instruct.Q4_1.gguf
threads=$(nproc) layers=0,4,8,12,16,20,24,29
mkdir -p "$out/data"
[[ -e $out/model/config.json ]] || bin/dsdistill inspect "$gguf" --unpack "$out/model" >/dev/null
head -c 400000 "$text" >"$out/data/train.txt"
head -c 2000 "$text" >"$out/data/dev.txt"
head -c $((steps * 4200)) "$text" >"$out/data/short.txt" # about as many steps

peer() {
  TRANSFORMERS_VERBOSITY=error "$python" scripts/bench/decoder_peer.py "$out/model" "$out/data/train.txt" --layers "$layers" \
    --steps "$steps" --warm "$warm" --threads "$threads" --dtype "$1" 2>"$out/peer.log" >"$out/transformers_$1.json" ||
    { tail -n 20 "$out/peer.log" >&2 && exit 1; }
  cut -c1-100 "$out/transformers_$1.json"
}
# ours NAME WARM FLAGS...
ours() {
  local name=$1 before=$2
  shift 2
  rm -rf "$out/run"
  "$python" scripts/bench/encoder_report.py measure "$out/run" "$before" "$out/$name.json" -- \
    bin/dsdistill train recipes/lm_smollm2_to_8_layers_kl.yaml --data "$out/data" --teacher "$out/model" \
    --set "student.from_layers=[$layers]" --set train.batch=4 --set train.tokens=1024 --set eval.every=1000000 \
    --threads "$threads" --run "$out/run" "$@" >"$out/ours.log" || { tail -n 20 "$out/ours.log" >&2 && exit 1; }
}
echo "decoder.sh: $threads threads, load $(cut -d' ' -f1 /proc/loadavg)"
peer fp32
peer bf16
for dtype in fp32 bf16; do
  ours dsdistill_$dtype "$warm" --set train.dtype=$dtype --set teacher.remember=false --set train.max_steps="$steps"
  # Twice over the same text: the second half of the steps finds every row remembered.
  ours dsdistill_${dtype}_remembered half --set train.dtype=$dtype --set data.train=short.txt --epochs 2
done
"$python" - "$out" <<'REPORT'
import json, pathlib, sys
out = pathlib.Path(sys.argv[1])
runs = {f.stem: json.loads(f.read_text()) for f in out.glob("*.json")}
weights = (out / "model" / "model.safetensors").stat().st_size / 2**20
student = sum(p.stat().st_size for p in (out / "run" / "student").glob("*.safetensors")) / 2**20
floor = 190  # the program and LibTorch, as `train --dry-run` prints it
rate = {name: run["tokens_per_second"] for name, run in runs.items()}
extra = {name: run.get("extra_mib", run.get("peak_mib", 0) - weights - student - floor) for name, run in runs.items()}
for name in sorted(runs):
    print(f"{name:28}{rate[name]:10.1f} tokens/s{extra[name]:10.0f} MiB above the models")
best = max(rate["transformers_fp32"], rate["transformers_bf16"])
less = min(extra["transformers_fp32"], extra["transformers_bf16"])
for name in sorted(runs):
    if name.startswith("dsdistill"):
        print(f"ratio {name}_to_best {rate[name] / best:.3f}")
        print(f"ratio memory_{name}_to_least {extra[name] / less:.3f}")
REPORT
