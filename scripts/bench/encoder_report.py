#!/usr/bin/env python3
"""Measures one run of dsdistill, and makes the table and the ratios of scripts/bench/encoder.sh.

  measure RUN WARM OUT -- COMMAND...  runs COMMAND; rate from RUN/log.jsonl after WARM steps (or "half" of them), peak memory of the process
  table FOLDER                        medians of FOLDER/<contender>-<pass>.json with FOLDER/losses.json: prints the table
                                      and the ratios, writes FOLDER/summary.json
"""
import json
import pathlib
import re
import resource
import statistics
import subprocess
import sys

RATIOS = [  # name, what, dividend, divisor
    ("fp32_to_common", "rate", "dsdistill_fp32", "transformers_fp32"),
    ("bf16_remembered_to_common", "rate", "dsdistill_bf16_remembered", "transformers_bf16"),
    ("bf16_to_common", "rate", "dsdistill_bf16", "transformers_bf16"),
    ("fp32_to_textbrewer", "rate", "dsdistill_fp32", "textbrewer_fp32"),
    ("fp32_to_tuned", "rate", "dsdistill_fp32", "tuned_fp32"),
    ("bf16_to_tuned", "rate", "dsdistill_bf16", "tuned_bf16"),
    ("bf16_remembered_to_tuned_cached", "rate", "dsdistill_bf16_remembered", "tuned_bf16_cached"),
    ("memory_fp32_to_common", "memory", "dsdistill_fp32", "transformers_fp32"),
    ("memory_bf16_to_common", "memory", "dsdistill_bf16", "transformers_bf16"),
    ("memory_bf16_remembered_to_common", "memory", "dsdistill_bf16_remembered", "transformers_bf16"),
]


def step_lines(run):
    """The lines of the log that tell of one step each."""
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    return [line for line in lines if "examples_per_second" in line]


def measure(run, warm, out, command):
    code = subprocess.run(command, check=False).returncode
    if code:
        sys.exit(f"encoder_report: error: {' '.join(command)} ended with code {code}")
    lines = step_lines(run)
    warm = len(lines) // 2 if warm == "half" else int(warm)
    steps = lines[warm:]
    if not steps:
        sys.exit(f"encoder_report: error: {run}/log.jsonl has no more than {warm} steps")
    examples = [step["examples_per_second"] * step["seconds"] for step in steps]
    tokens = [step["tokens_per_second"] * step["seconds"] for step in steps]
    seconds = [step["seconds"] for step in steps]
    result = {
        "examples_per_second": sum(examples) / sum(seconds),
        "tokens_per_second": sum(tokens) / sum(seconds),
        "milliseconds_per_step": 1000 * statistics.median(seconds),
        "peak_mib": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024,
        "steps": len(steps) + warm,
    }
    out.write_text(json.dumps(result) + "\n")
    print(json.dumps(result))


def medians(folder):
    passes = {}
    for path in sorted(folder.glob("*-*.json")):
        name = re.fullmatch(r"(.+)-\d+", path.stem)
        if name:
            passes.setdefault(name[1], []).append(json.loads(path.read_text()))
    return {name: {"rate": statistics.median(p["examples_per_second"] for p in results),
                   "memory": statistics.median(p["peak_mib"] for p in results),
                   "rates": [p["examples_per_second"] for p in results]} for name, results in passes.items()}


def table(folder):
    found = medians(folder)
    losses_file = folder / "losses.json"
    losses = json.loads(losses_file.read_text()) if losses_file.exists() else {}
    losses = {pathlib.Path(path).name: loss for path, loss in losses.items()}
    print(f"\n{'':28}{'examples/s':>12}{'(passes)':>26}{'peak MiB':>10}{'dev loss':>10}")
    for name, result in sorted(found.items(), key=lambda item: item[1]["rate"]):
        rates = " ".join(f"{rate:.0f}" for rate in result["rates"])
        loss = f"{losses[name]['loss']:.4f}" if name in losses else ""
        print(f"{name:28}{result['rate']:12.1f}{rates:>26}{result['memory']:10.0f}{loss:>10}")
    ratios = {name: found[a][what] / found[b][what] for name, what, a, b in RATIOS if a in found and b in found}
    values = [entry["loss"] for entry in losses.values()]
    if values:
        ratios["loss_spread"] = max(values) / min(values)
    for name, value in ratios.items():
        print(f"ratio {name} {value:.3f}")
    summary = {"version": 1, "contenders": found, "losses": losses, "ratios": ratios}
    (folder / "summary.json").write_text(json.dumps(summary, indent=1) + "\n")


def main():
    match sys.argv[1:]:
        case ["measure", run, warm, out, "--", *command] if command:
            measure(pathlib.Path(run), warm, pathlib.Path(out), command)
        case ["table", folder]:
            table(pathlib.Path(folder))
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
