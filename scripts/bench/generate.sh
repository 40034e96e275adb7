#!/usr/bin/env bash
# Generation from SmolLM2-135M's Q4_1 GGUF, batch 1: prefill and decoding, tokens a second, beside transformers in bf16 and,
# where llama-cpp-python is installed (`.deps/python/bin/pip install llama-cpp-python`, eight minutes to build), llama.cpp.
# Ends with lines `ratio NAME VALUE`; all is kept as JSON.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

usage() { echo "usage: scripts/bench/generate.sh [--text FILE] [--out DIR] [--length TOKENS] [--tokens NEW] [--repeats N]"; }
text=../shared/data/lm/wikitext-2/valid.txt out=runs/bench-generate length=512 tokens=64 repeats=3
while (($#)); do
  case $1 in
    --text | --out | --length | --tokens | --repeats)
      [[ -n ${2:-} ]] || { echo "generate.sh: error: $1 needs a value" >&2 && exit 2; }
      declare "${1#--}=$2" && shift
      ;;
    -h | --help) usage && exit 0 ;;
    *) echo "generate.sh: error: unknown flag '$1'; see scripts/bench/generate.sh --help" >&2 && exit 2 ;;
  esac
  shift
done
[[ -e $text ]] || { echo "generate.sh: error: no file $text; name a text with --text" >&2 && exit 1; }
scripts/setup.sh --python --smollm2
scripts/build.sh release dsdistill
deps=${DSD_DEPS:-.deps}
python=$deps/python/bin/python gguf=$deps/models/smollm2-135m/SmolLM2-135M-Instruct.Q4_1.gguf threads=$(nproc)
mkdir -p "$out"
[[ -e $out/model/config.json ]] || bin/dsdistill inspect "$gguf" --unpack "$out/model" >/dev/null
# About four bytes a token; the peers cut the prompt to its length, ours reads what is cut here.
head -c $((length * 6)) "$text" >"$out/long.txt"
"$python" - "$out" "$length" <<'CUT'
import pathlib, sys
from transformers import AutoTokenizer
out, length = pathlib.Path(sys.argv[1]), int(sys.argv[2])
tokenizer = AutoTokenizer.from_pretrained(out / "model")
ids = tokenizer((out / "long.txt").read_text(encoding="utf-8"))["input_ids"][:length]
(out / "prompt.txt").write_text(tokenizer.decode(ids), encoding="utf-8")
CUT
echo "generate.sh: $threads threads, load $(cut -d' ' -f1 /proc/loadavg)"
common=(--prompt "$out/prompt.txt" --length "$length" --tokens "$tokens" --threads "$threads" --repeats "$repeats")
TRANSFORMERS_VERBOSITY=error "$python" scripts/bench/generate_peer.py transformers "$out/model" "${common[@]}" 2>/dev/null |
  tee "$out/transformers.json"
if "$python" -c 'import llama_cpp' 2>/dev/null; then
  "$python" scripts/bench/generate_peer.py llama_cpp "$gguf" "${common[@]}" 2>/dev/null | tee "$out/llama_cpp.json"
else
  echo "generate.sh: llama-cpp-python is not installed: no figure of llama.cpp"
fi
prompts=()
for ((i = 0; i <= repeats; ++i)); do prompts+=("$(cat "$out/prompt.txt")"); done
for dtype in fp32 bf16; do
  bin/dsdistill generate "$gguf" "${prompts[@]}" --new-tokens $((tokens + 1)) --ignore-end --dtype $dtype --threads "$threads" \
    --timing 2>&1 >/dev/null | tee "$out/dsdistill_$dtype.txt"
done
"$python" - "$out" <<'REPORT'
import json, pathlib, re, sys
out = pathlib.Path(sys.argv[1])
runs = {f.stem: json.loads(f.read_text()) for f in out.glob("*.json") if f.stem != "summary"}
for file in out.glob("dsdistill_*.txt"):
    prefill, decoding = re.findall(r"at ([\d.]+) tokens/s", file.read_text())
    runs[file.stem] = {"prefill": float(prefill), "decoding": float(decoding)}
for name, run in sorted(runs.items()):
    print(f"{name:16} prefill {run['prefill']:8.1f} tokens/s   decoding {run['decoding']:8.1f} tokens/s")
for what in ("prefill", "decoding"):
    ours = max(run[what] for name, run in runs.items() if name.startswith("dsdistill"))
    for name, run in sorted(runs.items()):
        if not name.startswith("dsdistill"):
            print(f"ratio {what}_to_{name} {ours / run[what]:.3f}")
(out / "summary.json").write_text(json.dumps(runs, indent=1) + "\n")
REPORT
