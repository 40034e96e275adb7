#!/usr/bin/env bash
# Scores of encoders fine-tuned by dsdistill beside transformers with the same hyper-parameters, three seeds each, on five
# GLUE tasks; and a student of two layers distilled on SST-2 beside the same student trained on labels alone. Takes about
# an hour; scores do not depend on what else runs. Ends with lines `difference TASK POINTS`; all is kept as JSON.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

usage() {
  cat <<'USAGE'
usage: scripts/bench/quality.sh [--data DIR] [--out DIR] [--tasks "sst2 rte ..."] [--seeds "0 1 2"] [--rows N] [--no-distil]
  --data       the GLUE suite's folder (default: ../shared/data/glue)
  --out        where results go (default: runs/bench-quality)
  --rows       training rows of sst2 (10000; 0: all)
  --no-distil  leave out the distilled student
USAGE
}

data=../shared/data/glue out=runs/bench-quality tasks='sst2 rte mrpc cola stsb' seeds='0 1 2' rows=10000 distil=1
while (($#)); do
  case $1 in
    --no-distil) distil=0 ;;
    --data | --out | --tasks | --seeds | --rows)
      [[ -n ${2:-} ]] || { echo "quality.sh: error: $1 needs a value" >&2 && exit 2; }
      declare "${1#--}=$2" && shift
      ;;
    -h | --help) usage && exit 0 ;;
    *) echo "quality.sh: error: unknown flag '$1'; see scripts/bench/quality.sh --help" >&2 && exit 2 ;;
  esac
  shift
done
[[ -d $data ]] || { echo "quality.sh: error: no folder $data; scripts/get_glue.sh DIR fetches GLUE" >&2 && exit 1; }

scripts/setup.sh --python
scripts/build.sh release dsdistill
deps=${DSD_DEPS:-.deps}
python=$deps/python/bin/python model=$deps/models/minilm-l6 threads=$(nproc)
mkdir -p "$out"
limit_of() { if [[ $1 == sst2 ]]; then echo "$rows"; else echo 0; fi; }
epochs_of() { if [[ $1 == sst2 ]]; then echo 1; else echo 2; fi; }

for task in $tasks; do
  for seed in $seeds; do
    common=("$task" "seed $seed")
    limit=$(limit_of "$task") epochs=$(epochs_of "$task")
    theirs=$out/$task-$seed-transformers.json ours=$out/$task-$seed-dsdistill.json
    if [[ ! -s $theirs ]]; then
      echo "quality.sh: ${common[*]}: transformers"
      "$python" scripts/bench/quality_peer.py --model "$model" --data "$data" --task "$task" --seed "$seed" --epochs "$epochs" \
        --learning-rate 5e-5 --rows "$limit" --threads "$threads" 2>"$out/peer.log" >"$theirs.new" ||
        { tail -n 20 "$out/peer.log" >&2 && exit 1; }
      mv "$theirs.new" "$theirs"
    fi
    if [[ ! -s $ours ]]; then
      echo "quality.sh: ${common[*]}: dsdistill"
      limit_rows=()
      ((limit == 0)) || limit_rows=(--set data.train_rows="$limit")
      rm -rf "$out/run"
      bin/dsdistill train recipes/glue_teacher.yaml --task "$task" --data "$data" --student "$model" --epochs "$epochs" \
        --set seed="$seed" --set eval.every=1000000 "${limit_rows[@]}" --threads "$threads" --run "$out/run" --json "$ours" \
        >"$out/ours.log" || { tail -n 20 "$out/ours.log" >&2 && exit 1; }
      if [[ $task == sst2 && $seed == "${seeds%% *}" ]]; then rm -rf "$out/teacher" && mv "$out/run" "$out/teacher"; fi
    fi
  done
done
if ((distil)) && [[ ! -s $out/distilled.json && -d $out/teacher ]]; then
  echo "quality.sh: a student of two layers on sst2, distilled and on labels alone"
  rm -rf "$out/run"
  bin/dsdistill train recipes/glue_kl.yaml --task sst2 --data "$data" --teacher "$out/teacher" --set student.layers=2 \
    --epochs 2 --baseline --threads "$threads" --run "$out/run" --json "$out/distilled.json"
fi
"$python" - "$out" <<'REPORT'
import json, pathlib, statistics, sys
out = pathlib.Path(sys.argv[1])
theirs = {}
for file in sorted(out.glob("*-*-transformers.json")):
    task, seed, _ = file.stem.split("-")
    ours = json.loads((out / f"{task}-{seed}-dsdistill.json").read_text())
    theirs.setdefault(task, []).append((json.loads(file.read_text())["score"], ours["best_score"]))
print(f"{'task':8}{'transformers':>24}{'dsdistill':>24}")
for task, scores in theirs.items():
    columns = [" ".join(f"{100 * s:.1f}" for s in side) for side in zip(*scores)]
    print(f"{task:8}{columns[0]:>24}{columns[1]:>24}")
for task, scores in theirs.items():
    peer, own = (statistics.median(side) for side in zip(*scores))
    print(f"difference {task} {100 * (own - peer):+.2f}")
if (out / "distilled.json").exists():
    run = json.loads((out / "distilled.json").read_text())
    print(f"distilled {100 * run['best_score']:.2f} labels alone {100 * run['baseline_score']:.2f} teacher "
          f"{100 * run['teacher_score']:.2f}")
    print(f"difference distilled_to_baseline {100 * (run['best_score'] - run['baseline_score']):+.2f}")
REPORT
