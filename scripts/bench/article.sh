#!/usr/bin/env bash
# The article's claims on our own v3, r1 and llama, with the same kernels: prefill and decoding at growing lengths, at equal
# stored, equal total and equal active parameters; with --train also perplexities after equal training and SST-2 accuracies.
# Prints ours beside each claim, whatever it is. Takes about half an hour of the whole machine, with --train two hours.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

usage() {
  cat <<'USAGE'
usage: scripts/bench/article.sh [--out DIR] [--lengths "512 2048 4096 8192 16384"] [--repeats N] [--tokens NEW]
                                [--train] [--text DIR] [--data DIR]
  --out      where results go (default: runs/bench-article)
  --tokens   tokens decoded behind each prompt (32)
  --train    also train the families on text and on SST-2
  --text     folder of train.txt and dev.txt for it (default: made of ../shared/data/lm)
  --data     the GLUE suite's folder (default: ../shared/data/glue)
USAGE
}

out=runs/bench-article lengths='512 2048 4096 8192 16384' repeats=3 tokens=32 train=0 text='' data=../shared/data/glue
while (($#)); do
  case $1 in
    --train) train=1 ;;
    --out | --lengths | --repeats | --tokens | --text | --data)
      [[ -n ${2:-} ]] || { echo "article.sh: error: $1 needs a value" >&2 && exit 2; }
      declare "${1#--}=$2" && shift
      ;;
    -h | --help) usage && exit 0 ;;
    *) echo "article.sh: error: unknown flag '$1'; see scripts/bench/article.sh --help" >&2 && exit 2 ;;
  esac
  shift
done
scripts/setup.sh --smollm2
scripts/build.sh release dsdistill bench_article
OMP_NUM_THREADS=$(nproc)
export OMP_NUM_THREADS
mkdir -p "$out"

# measure COLUMN NAME PRESET FLAGS...: one line of JSON a length
measure() {
  local column=$1 name=$2 length
  shift 2
  for length in $lengths; do
    local file=$out/$column-$name-$length.json
    [[ -s $file ]] || { build/release/scripts/bench/bench_article "$1" "$length" "$tokens" "$repeats" model.positions=65536 \
      "${@:2}" >"$file.new" && mv "$file.new" "$file"; }
    echo "$column $name $length $(cat "$file")"
  done
}
echo "article.sh: $(nproc) threads, load $(cut -d' ' -f1 /proc/loadavg)"
# As shipped, all three store about as many parameters. With experts of one width v3 and r1 apply as many in all; a plain
# decoder's MLP is as wide as eight experts for as many in all, and as two for as many that are active.
measure stored v3 v3
measure stored r1 r1
measure stored r1_article r1_article
measure stored llama llama
measure total r1 r1 model.intermediate=344
measure total llama llama model.intermediate=2752
measure active llama llama model.intermediate=688

if ((train)); then
  if [[ -z $text ]]; then
    text=$out/text
    mkdir -p "$text"
    cat ../shared/data/lm/wikitext-2/valid.txt ../shared/data/lm/wiki_demo.txt >"$text/train.txt"
    head -c 300000 ../shared/data/lm/wikitext-2/test.txt >"$text/dev.txt"
  fi
  for preset in v3 r1 r1_article llama; do
    [[ -s $out/text-$preset.json ]] || {
      rm -rf "$out/text-$preset"
      bin/dsdistill train recipes/v3_teacher.yaml --data "$text" --set student.preset=$preset --run "$out/text-$preset" \
        --json "$out/text-$preset.json"
    }
    [[ -s $out/sst2-$preset.json ]] || {
      rm -rf "$out/sst2-$preset"
      bin/dsdistill train recipes/glue_v3_teacher.yaml --data "$data" --set student.preset=$preset --run "$out/sst2-$preset" \
        --json "$out/sst2-$preset.json"
    }
  done
fi
/usr/bin/python3 scripts/bench/article_report.py "$out"
