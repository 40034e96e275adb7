#!/usr/bin/env bash
# What each method costs: the time of a step and the peak memory of every ready recipe for encoders beside glue_kl's, with
# the same teacher, student, examples and order. Takes about ten minutes of the whole machine. Ends with lines
# `ratio NAME VALUE`; all is kept as JSON.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

usage() {
  cat <<'USAGE'
usage: scripts/bench/methods.sh [--data DIR] [--out DIR] [--steps N] [--passes N] [--layers N] [--methods "glue_kl ..."]
  --data     the GLUE suite's folder (default: ../shared/data/glue)
  --out      where results go (default: runs/bench-methods)
  --steps    steps of a run (30), the teacher run in each; --passes runs of each method in turn (3), the median counts
  --layers   of the student (2); where a recipe matches layers, it is of the teacher's width
  --methods  recipes to measure beside glue_kl (default: all that distil an encoder)
USAGE
}

data=../shared/data/glue out=runs/bench-methods steps=30 passes=3 layers=2 methods=''
while (($#)); do
  case $1 in
    --data | --out | --steps | --passes | --layers | --methods)
      [[ -n ${2:-} ]] || { echo "methods.sh: error: $1 needs a value" >&2 && exit 2; }
      declare "${1#--}=$2" && shift
      ;;
    -h | --help) usage && exit 0 ;;
    *) echo "methods.sh: error: unknown flag '$1'; see scripts/bench/methods.sh --help" >&2 && exit 2 ;;
  esac
  shift
done
[[ -d $data ]] || { echo "methods.sh: error: no folder $data; scripts/get_glue.sh DIR fetches GLUE" >&2 && exit 1; }

scripts/setup.sh
scripts/build.sh release dsdistill
model=${DSD_DEPS:-.deps}/models/minilm-l6 threads=$(nproc)
mkdir -p "$out"
if [[ -z $methods ]]; then
  for file in recipes/glue_*.yaml; do
    name=$(basename "$file" .yaml)
    # Several stages are several runs; two classes give a standardised loss nothing; decoders are another model.
    case $name in *_teacher | glue_v3_* | glue_r1_* | glue_standardised | glue_kl) continue ;; esac
    grep -q '^stages:' "$file" && continue
    methods+=" $name"
  done
fi
teacher=$out/teacher
[[ -e $teacher/student/config.json ]] || bin/dsdistill train glue_teacher --task sst2 --data "$data" --student "$model" \
  --set train.max_steps=20 --set data.train_rows=2000 --set eval.every=1000000 --threads "$threads" --run "$teacher" >"$out/log"

# one NAME PASS
one() {
  local result=$out/$1-$2.json
  [[ -s $result ]] && return
  rm -rf "$out/run"
  bin/dsdistill train "$1" --task sst2 --data "$data" --teacher "$teacher" --set student.layers="$layers" \
    --set teacher.remember=false --set data.train_rows=4000 --set train.max_steps="$steps" --set eval.every=1000000 \
    --set eval.robustness=null --threads "$threads" --run "$out/run" --json "$result.new" >"$out/log" 2>&1 ||
    { tail -n 5 "$out/log" >&2 && exit 1; }
  mv "$result.new" "$result"
}
for ((pass = 1; pass <= passes; ++pass)); do
  for name in glue_kl $methods; do one "$name" "$pass"; done
done
python3 - "$out" "$steps" <<'REPORT'
import json, pathlib, statistics, sys
out, runs = pathlib.Path(sys.argv[1]), {}
for file in sorted(out.glob("glue_*-*.json")):
    run = json.loads(file.read_text())
    runs.setdefault(file.stem.rsplit("-", 1)[0], []).append((run["seconds"] / run["steps"], run["peak_memory_bytes"] / 2**20))
cost = {name: [statistics.median(column) for column in zip(*rows)] for name, rows in runs.items()}
base = cost["glue_kl"]
print(f"{'method':28}{'ms a step':>12}{'peak MiB':>12}")
for name, (seconds, memory) in sorted(cost.items(), key=lambda item: item[1][0]):
    print(f"{name:28}{1e3 * seconds:12.1f}{memory:12.0f}")
(out / "methods.json").write_text(json.dumps({name: {"seconds": s, "mib": m} for name, (s, m) in cost.items()}, indent=2))
for name, (seconds, memory) in sorted(cost.items()):
    if name != "glue_kl":
        print(f"ratio {name}_time {seconds / base[0]:.3f}")
        print(f"ratio {name}_memory {memory / base[1]:.3f}")
REPORT
