#!/usr/bin/env python3
"""Forward KL from hidden states over a vocabulary, and the report of scripts/bench/vocab_loss.sh.

  run PASSES [TOKENS HIDDEN VOCABULARY]  plain PyTorch in fp32, forward and backward; prints one JSON object as
                                         bench_vocabulary does
  table FOLDER                           medians of FOLDER/<contender>-<pass>.json: prints the table and the ratios,
                                         writes FOLDER/summary.json
"""
import json
import pathlib
import re
import statistics
import sys
import time

TEMPERATURE = 2.0
CONTENDERS = ["plain_fp32", "fp32", "bf16", "fp32_small", "bf16_small"]


def numbers(rows, columns, deviation, seed):
    """The numbers of bench_vocabulary: even ones in a range, from a hash of their place."""
    import numpy
    import torch

    values = numpy.empty(rows * columns, dtype=numpy.float32)
    start = seed * 0x9E3779B97F4A7C15 % 2**64
    block = 1 << 22
    for first in range(0, values.size, block):
        x = numpy.arange(first, min(first + block, values.size), dtype=numpy.uint64)
        x += numpy.uint64(start)
        x ^= x >> numpy.uint64(31)
        x *= numpy.uint64(0xBF58476D1CE4E5B9)
        x ^= x >> numpy.uint64(29)
        even = (x >> numpy.uint64(40)).astype(numpy.float64) / 16777216.0 - 0.5
        values[first:first + x.size] = even * (deviation * 12**0.5)
    return torch.from_numpy(values.reshape(rows, columns))


def status_mib(key):
    for line in open("/proc/self/status", encoding="ascii"):
        if line.startswith(key):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"/proc/self/status has no {key}")


def run(passes, tokens=1024, hidden=1024, vocabulary=129280):
    import torch
    import torch.nn.functional as F

    weight, rows = numbers(vocabulary, hidden, hidden**-0.5, 1), numbers(tokens, hidden, 1, 2)
    teacher_weight, teacher_rows = numbers(vocabulary, hidden, hidden**-0.5, 3), numbers(tokens, hidden, 1, 4)
    for leaf in (weight, rows):
        leaf.requires_grad_(True)
        leaf.grad = torch.zeros_like(leaf)
    torch.mm(torch.ones(64, 64), torch.ones(64, 64))
    before = status_mib("VmRSS:")
    pathlib.Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    seconds = []
    for _ in range(passes + 1):  # the first warms up
        weight.grad.zero_()
        rows.grad.zero_()
        start = time.perf_counter()
        with torch.no_grad():
            target = F.log_softmax(teacher_rows @ teacher_weight.T / TEMPERATURE, -1)
        log_q = F.log_softmax(rows @ weight.T / TEMPERATURE, -1)
        loss = F.kl_div(log_q, target, reduction="batchmean", log_target=True) * TEMPERATURE**2
        loss.backward()
        seconds.append(time.perf_counter() - start)
        value = loss.item()
        del target, log_q, loss
    result = {"seconds": seconds[1:], "extra_mib": status_mib("VmHWM:") - before, "loss": value,
              "hidden_gradient_norm": rows.grad.norm().item(), "weight_gradient_norm": weight.grad.norm().item(),
              "threads": torch.get_num_threads()}
    print(json.dumps(result))


def medians(folder):
    found = {}
    for path in sorted(folder.glob("*-*.json")):
        name = re.fullmatch(r"(.+)-\d+", path.stem)
        if name:
            found.setdefault(name[1], []).append(json.loads(path.read_text(encoding="utf-8")))
    result = {}
    for name, runs in found.items():
        result[name] = dict(runs[-1], extra_mib=max(one["extra_mib"] for one in runs),
                            seconds=statistics.median(s for one in runs for s in one["seconds"]))
    return {name: result[name] for name in CONTENDERS if name in result}


def table(folder):
    found = medians(folder)
    plain = found["plain_fp32"]
    print(f"{'':12} {'seconds':>9} {'extra MiB':>10} {'loss':>13} {'|dHidden|':>12} {'|dWeight|':>12}")
    ratios = {}
    for name, one in found.items():
        print(f"{name:12} {one['seconds']:9.3f} {one['extra_mib']:10.1f} {one['loss']:13.8f} "
              f"{one['hidden_gradient_norm']:12.6g} {one['weight_gradient_norm']:12.6g}")
        if name != "plain_fp32":
            ratios[f"vocab_loss_{name}_to_plain"] = plain["seconds"] / one["seconds"]
            ratios[f"memory_vocab_loss_{name}_to_plain"] = plain["extra_mib"] / one["extra_mib"]
    if not found["fp32"].get("bf16_instructions"):
        print("this processor has no bf16 instructions: products in bf16 widen their operands to fp32")
    for name, value in ratios.items():
        print(f"ratio {name} {value:.3f}")
    summary = {"version": 1, "contenders": found, "ratios": ratios}
    (folder / "summary.json").write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
    for name, one in found.items():
        for key in ("loss", "hidden_gradient_norm", "weight_gradient_norm"):
            if abs(one[key] / plain[key] - 1) > (1e-2 if name.startswith("bf16") else 1e-4):
                sys.exit(f"vocab_loss_peer: error: {name} has {key} {one[key]}, plain PyTorch {plain[key]}")


def main():
    match sys.argv[1:]:
        case ["run", passes, *shape]:
            run(int(passes), *map(int, shape))
        case ["table", folder]:
            table(pathlib.Path(folder))
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
