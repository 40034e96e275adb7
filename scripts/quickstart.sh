#!/usr/bin/env bash
# The main job from one command: fine-tune a teacher, distil a student of one layer, score, export and try it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

usage() {
  cat <<'USAGE'
usage: scripts/quickstart.sh [--short] [--glue DIR] [--out DIR] [--sentence TEXT]
  --short          a few hundred steps in all: shows that everything works, not how well
  --glue DIR       SST-2 from the GLUE folder DIR (scripts/get_glue.sh fetches one) instead of WordNet's definitions
  --out DIR        where teacher, student and export go (default: the first runs/quickstart-N that is not finished;
                   a run that was stopped is gone on with)
  --sentence TEXT  what the student classifies at the end, instead of asking
USAGE
}

short=0 glue='' out='' sentence=''
while (($#)); do
  case $1 in
    --short) short=1 ;;
    --glue | --out | --sentence)
      [[ -n ${2:-} ]] || { echo "quickstart: error: $1 needs a value; see scripts/quickstart.sh --help" >&2 && exit 2; }
      declare "${1#--}=$2" && shift
      ;;
    -h | --help) usage && exit 0 ;;
    *) echo "quickstart: error: unknown flag '$1'; see scripts/quickstart.sh --help" >&2 && exit 2 ;;
  esac
  shift
done
[[ -z $glue || -d $glue ]] || { echo "quickstart: error: no folder $glue; scripts/get_glue.sh $glue fetches it" >&2 && exit 1; }
if [[ -z $out ]]; then
  number=1
  while [[ -e runs/quickstart-$number/finished ]]; do number=$((number + 1)); done
  out=runs/quickstart-$number
fi

# name, and the seconds it takes on two cores when nothing is there yet
phases=("set-up" 60 "build" 240 "data" 2 "teacher" 170 "student" 160 "export" 5 "score" 30 "try" 1)
((short)) && phases=("set-up" 60 "build" 240 "data" 2 "teacher" 25 "student" 25 "export" 5 "score" 20 "try" 1)
current=-2 began=0 started=$SECONDS
clock() { printf '%d:%02d' $(($1 / 60)) $(($1 % 60)); }
next_phase() {
  ((current < 0)) || echo "quickstart: ${phases[current]} took $((SECONDS - began)) s"
  current=$((current + 2)) began=$SECONDS
  ((current < ${#phases[@]})) || return 0
  local left=0 at rest=''
  for ((at = current; at < ${#phases[@]}; at += 2)); do
    left=$((left + phases[at + 1])) rest+=" ${phases[at]}"
  done
  echo
  echo "== $((current / 2 + 1))/$((${#phases[@]} / 2)) ${phases[current]} (remaining:$rest; about $(clock "$left") min)"
}
# Says the command in a form that can be pasted, then runs it.
dsdistill() {
  local word line='bin/dsdistill'
  for word in "$@"; do
    if [[ $word =~ ^[A-Za-z0-9_./=:,+-]+$ ]]; then line+=" $word"; else line+=" ${word@Q}"; fi
  done
  echo "$line"
  bin/dsdistill "$@"
}

next_phase
scripts/setup.sh
next_phase
scripts/build.sh release dsdistill

next_phase
teacher_flags=() student_flags=() data=$out/data
if [[ -n $glue ]]; then
  data=$glue
  teacher_recipe=recipes/glue_teacher.yaml student_recipe=recipes/glue_kl.yaml
  teacher_flags=(--task sst2 --student "${DSD_DEPS:-.deps}/models/minilm-l6" --epochs 1)
  student_flags=(--task sst2 --epochs 1 --set student.layers=1)
  eval_flags=(--task sst2)
  sentence_like='a film of quiet charm that never quite finds its ending'
  echo "SST-2 from $data"
else
  teacher_recipe=recipes/wordnet_teacher.yaml student_recipe=recipes/wordnet_kl.yaml
  teacher_flags=(--student "${DSD_DEPS:-.deps}/models/minilm-l6")
  eval_flags=(--task classification --set data.train=train.tsv --set data.dev=dev.tsv)
  sentence_like='a small wild cat with tufted ears that hunts at night'
  sizes=(--unlabelled 24000) # the teacher's first pass over them is what takes time
  ((short)) && sizes=(--train 4000 --dev 500 --unlabelled 2000)
  scripts/wordnet.py "$data" "${sizes[@]}"
fi
# Products in bf16 are faster where the processor has instructions for them, and slower elsewhere.
if grep -qE '\b(avx512_bf16|amx_bf16)\b' /proc/cpuinfo; then dtype=bf16; else dtype=fp32; fi
teacher_flags+=(--set train.dtype="$dtype")
student_flags+=(--set train.dtype="$dtype")
if ((short)); then
  teacher_flags+=(--set train.max_steps=60)
  student_flags+=(--set train.max_steps=120)
fi

next_phase
dsdistill train "$teacher_recipe" --data "$data" "${teacher_flags[@]}" --run "$out/teacher" --resume
next_phase
dsdistill train "$student_recipe" --data "$data" --teacher "$out/teacher" "${student_flags[@]}" --baseline \
  --run "$out/student" --resume
next_phase
rm -rf "$out/exported"
dsdistill export "$out/student" "$out/exported" --scheme bf16
next_phase
dsdistill eval "$out/teacher" "$out/student/baseline" "$out/student" "${eval_flags[@]}" --data "$data" \
  --json "$out/scores.json"

next_phase
if [[ -z $sentence && -t 0 ]]; then
  echo "Type a line for the student to classify, such as: $sentence_like"
  read -r -t 60 -p '> ' sentence || echo
fi
dsdistill predict "$out/exported" "${sentence:-$sentence_like}"
next_phase
touch "$out/finished"
echo
echo "quickstart: done in $(clock $((SECONDS - started))) min; the student is in $out/exported. More lines:"
echo "  bin/dsdistill predict $out/exported 'another line'"
