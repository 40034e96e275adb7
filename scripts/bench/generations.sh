#!/usr/bin/env bash
# The article's three generations of distillation beside labels alone, on GLUE tasks; see generations.py. Ends with lines
# `gain TASK STUDENT A_TO_B POINTS LOW HIGH VERDICT` and `ratio NAME VALUE`; all is kept as JSON.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
for flag in "$@"; do
  [[ $flag != -h && $flag != --help ]] || exec python3 scripts/bench/generations.py --help
done
scripts/setup.sh
scripts/build.sh release dsdistill
exec python3 scripts/bench/generations.py --model "${DSD_DEPS:-.deps}/models/minilm-l6" --threads "$(nproc)" "$@"
