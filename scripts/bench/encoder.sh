#!/usr/bin/env bash
# Speed and peak memory of distilling an encoder on SST-2, beside transformers as commonly written, TextBrewer and a tuned
# Python loop: the same teacher, start, examples in the same order, and losses compared after the run. Takes the whole
# machine for about an hour: run it when nothing else runs. Ends with lines `ratio NAME VALUE`; all is kept as JSON.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

usage() {
  cat <<'USAGE'
usage: scripts/bench/encoder.sh [--data DIR] [--out DIR] [--teacher MODEL] [--steps N] [--warm N] [--passes N]
                                [--rows N] [--dropouts "0.1 0"] [--compile]
  --data     the folder SST-2 or the GLUE suite's (default: ../shared/data/glue)
  --out      where results go (default: runs/bench-encoder)
  --teacher  a model folder fine-tuned on SST-2 (default: made once by 300 steps of recipes/glue_teacher.yaml)
  --steps    optimiser steps of each contender (100), of which --warm (20) before the clock
  --passes   how often each contender runs, in turn (3)
  --rows     training rows of the run that remembers the teacher's outputs, three epochs (0: all)
  --compile  the tuned loop compiles the student
USAGE
}

data=../shared/data/glue out=runs/bench-encoder teacher='' steps=100 warm=20 passes=3 rows=0 dropouts='0.1 0' compile=()
while (($#)); do
  case $1 in
    --compile) compile=(--compile) ;;
    --data | --out | --teacher | --steps | --warm | --passes | --rows | --dropouts)
      [[ -n ${2:-} ]] || { echo "encoder.sh: error: $1 needs a value" >&2 && exit 2; }
      declare "${1#--}=$2" && shift
      ;;
    -h | --help) usage && exit 0 ;;
    *) echo "encoder.sh: error: unknown flag '$1'; see scripts/bench/encoder.sh --help" >&2 && exit 2 ;;
  esac
  shift
done
task_folder=$data
[[ -e $data/SST-2/train.tsv ]] && task_folder=$data/SST-2
[[ -e $task_folder/train.tsv ]] || {
  echo "encoder.sh: error: no SST-2 in $data; scripts/get_glue.sh DIR SST-2 fetches it, then --data DIR" >&2
  exit 1
}

scripts/setup.sh --python
deps=${DSD_DEPS:-.deps}
python=$deps/python/bin/python
"$python" -c 'import textbrewer' 2>/dev/null ||
  "$deps/pip/bin/pip" --python "$python" install --quiet --no-deps textbrewer==0.2.1 tensorboardX==2.6.5 \
    protobuf==7.36.2
scripts/build.sh release dsdistill bench_order
threads=$(nproc) seed=0
# TextBrewer's progress bars and transformers' notes are no part of a result.
peer() { TRANSFORMERS_VERBOSITY=error HF_HUB_DISABLE_PROGRESS_BARS=1 "$python" scripts/bench/encoder_peers.py "$@" 2>"$out/peer.log" || {
  tail -n 20 "$out/peer.log" >&2
  return 1
}; }

mkdir -p "$out"
if [[ -z $teacher ]]; then
  teacher=$out/teacher/student
  [[ -e $teacher/config.json ]] ||
    bin/dsdistill train recipes/glue_teacher.yaml --task sst2 --data "$data" --student "$deps/models/minilm-l6" \
      --set train.max_steps=300 --set train.dtype=bf16 --run "$out/teacher" --resume
fi

# ours NAME FOLDER DROPOUT PASS FLAGS...: one run of dsdistill with the settings that encoder_peers.py has
ours() {
  local name=$1 folder=$2 dropout=$3 pass=$4 warm_up=$warm
  shift 4
  [[ $name != *remembered ]] || warm_up=0
  rm -rf "$folder/runs/$name"
  "$python" scripts/bench/encoder_report.py measure "$folder/runs/$name" "$warm_up" "$folder/$name-$pass.json" -- \
    bin/dsdistill train recipes/glue_kl.yaml --task sst2 --data "$data" --teacher "$teacher" --student "$folder/start" \
    --set student.layers=2 --set student.dropout="$dropout" --set losses.temperature=2 --set losses.soft_weight=0.7 \
    --set losses.hard_weight=0.3 --set train.batch=32 --set train.learning_rate=1e-4 --set train.weight_decay=0.01 \
    --set train.clip_norm=1 --set schedules.learning_rate=1 --set eval.every=1000000 \
    --set seed=$seed --threads "$threads" --run "$folder/runs/$name" "$@"
}

for dropout in $dropouts; do
  folder=$out/dropout-$dropout
  rm -rf "$folder"
  mkdir -p "$folder/trained" "$folder/runs"
  peer student --teacher "$teacher" --out "$folder/start" --dropout "$dropout"
  build/release/scripts/bench/bench_order sst2 "$data" "$teacher" 32 $seed "$steps" >"$folder/order.txt"
  common=(--teacher "$teacher" --student "$folder/start" --data "$task_folder" --order "$folder/order.txt" --steps "$steps"
    --warm "$warm" --dropout "$dropout" --threads "$threads" --scratch "$folder/scratch")
  for ((pass = 1; pass <= passes; ++pass)); do
    echo "encoder.sh: dropout $dropout, pass $pass of $passes, load $(cut -d' ' -f1 /proc/loadavg)"
    run_peer() {
      local name=$1 kind=$2
      shift 2
      peer run "$kind" "${common[@]}" --save "$folder/trained/$name" "$@" | tee "$folder/$name-$pass.json"
    }
    run_peer transformers_fp32 transformers
    run_peer transformers_bf16 transformers --dtype bf16
    run_peer textbrewer_fp32 textbrewer
    run_peer tuned_fp32 tuned "${compile[@]}"
    run_peer tuned_bf16 tuned --dtype bf16 "${compile[@]}"
    run_peer tuned_bf16_cached tuned --dtype bf16 --cached "${compile[@]}"
    each_step=(--set teacher.remember=false --set train.max_steps="$steps")
    ours dsdistill_fp32 "$folder" "$dropout" "$pass" --set train.dtype=fp32 "${each_step[@]}"
    ours dsdistill_bf16 "$folder" "$dropout" "$pass" --set train.dtype=bf16 "${each_step[@]}"
    three_epochs=(--set teacher.remember=true --epochs 3)
    ((rows == 0)) || three_epochs+=(--set data.train_rows="$rows")
    ours dsdistill_bf16_remembered "$folder" "$dropout" "$pass" --set train.dtype=bf16 "${three_epochs[@]}"
  done
  for name in dsdistill_fp32 dsdistill_bf16; do
    cp -r "$folder/runs/$name/student" "$folder/trained/$name"
  done
  peer loss --teacher "$teacher" --data "$task_folder" "$folder"/trained/* >"$folder/losses.json"
done
for dropout in $dropouts; do
  echo
  echo "dropout $dropout"
  "$python" scripts/bench/encoder_report.py table "$out/dropout-$dropout"
done
