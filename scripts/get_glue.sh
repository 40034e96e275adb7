#!/usr/bin/env bash
# Fetches the nine GLUE tasks from their official addresses into the official layout. Needs a network; goes on where a
# broken download stopped, and skips what is there already.
set -euo pipefail

usage() {
  cat <<'USAGE'
usage: scripts/get_glue.sh DIR [TASK...]
  DIR   where the task folders go: DIR/SST-2/train.tsv and so on
  TASK  CoLA SST-2 MRPC QQP STS-B MNLI QNLI RTE WNLI AX (default: all, about 200 MB)
$GLUE_URL and $MRPC_URL name mirrors of the two official folders.
USAGE
}

glue_url=${GLUE_URL:-https://dl.fbaipublicfiles.com/glue/data}
mrpc_url=${MRPC_URL:-https://dl.fbaipublicfiles.com/senteval/senteval_data}

die() {
  echo "get_glue: error: $*" >&2
  exit 1
}

[[ $# -gt 0 ]] || { usage >&2 && exit 2; }
[[ $1 != -h && $1 != --help ]] || { usage && exit 0; }
out=$1 && shift
tasks=("$@")
((${#tasks[@]})) || tasks=(CoLA SST-2 MRPC QQP STS-B MNLI QNLI RTE WNLI AX)
for tool in curl unzip python3; do
  command -v "$tool" >/dev/null || die "no '$tool' here; run scripts/setup.sh"
done
mkdir -p "$out"
parts=$out/.parts
mkdir -p "$parts"

# fetch URL FILE: a file has its name only when all of it is there.
fetch() {
  local url=$1 file=$2 attempt
  [[ -e $file ]] && return 0
  echo "get_glue: fetching $url"
  for attempt in 1 2 3 4 5; do
    if curl --fail --location --silent --show-error --continue-at - --connect-timeout 30 --speed-limit 1000 \
      --speed-time 60 --output "$file.part" "$url"; then
      mv "$file.part" "$file"
      return 0
    fi
    sleep "$attempt"
  done
  die "could not fetch $url; run the same command again, it resumes"
}

fetch_zip() {
  local task=$1 archive=$2
  fetch "$glue_url/$archive" "$parts/$archive"
  unzip -tqq "$parts/$archive" >/dev/null || {
    rm -f "$parts/$archive"
    die "$glue_url/$archive came damaged and was removed; run the same command again"
  }
  rm -rf "$parts/unpacked"
  unzip -qo "$parts/$archive" -d "$parts/unpacked"
  [[ -e $parts/unpacked/$task/train.tsv ]] || die "$archive holds no $task/train.tsv"
  rm -rf "${out:?}/$task"
  mv "$parts/unpacked/$task" "$out/$task"
  rm -rf "${parts:?}/unpacked" "${parts:?}/$archive"
}

# MRPC comes as its own two files and a list of the pairs that make the dev set; the rule is that of GLUE's own script.
fetch_mrpc() {
  fetch "$mrpc_url/msr_paraphrase_train.txt" "$parts/msr_paraphrase_train.txt"
  fetch "$mrpc_url/msr_paraphrase_test.txt" "$parts/msr_paraphrase_test.txt"
  fetch "$glue_url/mrpc_dev_ids.tsv" "$parts/mrpc_dev_ids.tsv"
  rm -rf "$parts/MRPC"
  mkdir "$parts/MRPC"
  python3 - "$parts" <<'PYTHON'
import pathlib, sys
parts = pathlib.Path(sys.argv[1])
lines = lambda name: (parts / name).read_text(encoding="utf-8").split("\n")
dev_pairs = {tuple(line.strip().split("\t")) for line in lines("mrpc_dev_ids.tsv") if line.strip()}
def rows(name):
    header, *body = [line for line in lines(name) if line.strip()]
    return header.rstrip("\r"), [line.strip().split("\t") for line in body]
header, body = rows("msr_paraphrase_train.txt")
for name, wanted in (("train", False), ("dev", True)):
    kept = ["\t".join(row) for row in body if ((row[1], row[2]) in dev_pairs) == wanted]
    (parts / "MRPC" / f"{name}.tsv").write_text("\n".join([header, *kept]) + "\n", encoding="utf-8", newline="\n")
_, body = rows("msr_paraphrase_test.txt")
test = ["\t".join([str(index), *row[1:]]) for index, row in enumerate(body)]
(parts / "MRPC" / "test.tsv").write_text("\n".join(["index\t#1 ID\t#2 ID\t#1 String\t#2 String", *test]) + "\n",
                                         encoding="utf-8", newline="\n")
PYTHON
  rm -rf "${out:?}/MRPC"
  mv "$parts/MRPC" "$out/MRPC"
  rm -f "$parts"/m*
}

for task in "${tasks[@]}"; do
  folder=$task
  [[ $task == AX ]] && folder=diagnostic
  if [[ -d $out/$folder ]]; then
    echo "get_glue: $out/$folder is there already"
    continue
  fi
  case $task in
    CoLA | SST-2 | STS-B | MNLI | RTE | WNLI) fetch_zip "$task" "$task.zip" ;;
    QQP) fetch_zip QQP QQP-clean.zip ;;
    QNLI) fetch_zip QNLI QNLIv2.zip ;;
    MRPC) fetch_mrpc ;;
    AX)
      fetch "$glue_url/AX.tsv" "$parts/diagnostic.tsv"
      mkdir "$out/diagnostic"
      mv "$parts/diagnostic.tsv" "$out/diagnostic/diagnostic.tsv"
      ;;
    *) die "no GLUE task '$task'; they are CoLA SST-2 MRPC QQP STS-B MNLI QNLI RTE WNLI AX" ;;
  esac
  echo "get_glue: $out/$folder"
done
rmdir "$parts" 2>/dev/null || true
