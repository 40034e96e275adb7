#!/usr/bin/env python3
"""Compares `dsdistill loss` with PyTorch, live: every loss on random logits of a fresh seed, value and gradient in
float64, within 1e-11. The generalised Jensen-Shannon divergence is computed as TRL's GKD trainer does.

usage: loss_live.py BINARY [--cases N] [--seed N]   (other arguments are passed over)
"""
import argparse
import json
import math
import random
import subprocess
import sys
import time

import torch
import torch.nn.functional as F

TOLERANCE = 1e-11


def kl(log_a, log_b):
    """KL(a || b), mean over rows."""
    return F.kl_div(log_b, log_a, reduction="batchmean", log_target=True)


def generalised_jsd(student, teacher, share):
    mixture = torch.logsumexp(torch.stack([student + math.log1p(-share), teacher + math.log(share)]), 0)
    return share * kl(teacher, mixture) + (1 - share) * kl(student, mixture)


def soft(compare):
    def loss(case):
        temperature = case["temperature"]
        log_q = F.log_softmax(case["student"] / temperature, -1)
        log_p = F.log_softmax(case["teacher"] / temperature, -1)
        return compare(log_q, log_p, case) * (temperature**2 if case["t_squared"] else 1)
    return loss


def continuous_scale(case):
    return 1 / (case["share"] * (1 - case["share"])) if case["continuous"] else 1


LOSSES = {  # kind: what it is, the settings it takes, against the teacher
    "forward_kl": (soft(lambda q, p, _: kl(p, q)), "t_squared: {t_squared}", True),
    "reverse_kl": (soft(lambda q, p, _: kl(q, p)), "t_squared: {t_squared}", True),
    "generalised_jsd": (soft(lambda q, p, c: generalised_jsd(q, p, c["share"]) * continuous_scale(c)),
                        "teacher_share: {share}, continuous: {continuous}, t_squared: {t_squared}", True),
    "mean_squared_error": (lambda c: F.mse_loss(c["student"], c["teacher"]), "", True),
    "cross_entropy": (lambda c: F.cross_entropy(c["student"], c["labels"], ignore_index=-1,
                                                label_smoothing=c["smoothing"]), "label_smoothing: {smoothing}", False),
}


def random_case(rng):
    rows, classes = rng.randint(1, 5), rng.randint(2, 40)
    logits = lambda: torch.tensor([[rng.gauss(0, 3) for _ in range(classes)] for _ in range(rows)], dtype=torch.double)
    labels = [rng.randint(-1, classes - 1) for _ in range(rows - 1)] + [rng.randint(0, classes - 1)]
    return {"student": logits().requires_grad_(), "teacher": logits(), "labels": torch.tensor(labels),
            "temperature": rng.choice([1.0, 2.0, rng.uniform(0.5, 8)]), "share": rng.uniform(0.001, 0.999),
            "continuous": rng.random() < 0.5, "t_squared": rng.random() < 0.5,
            "smoothing": rng.choice([0.0, rng.uniform(0, 0.9)])}


def worst_difference(binary, kind, case):
    compute, settings, against_teacher = LOSSES[kind]
    other = ["--teacher", json.dumps(case["teacher"].tolist())] if against_teacher else \
            ["--labels", json.dumps(case["labels"].tolist())]
    shown = {key: json.dumps(value) for key, value in case.items() if not isinstance(value, torch.Tensor)}
    command = [binary, "loss", kind, "--student", json.dumps(case["student"].tolist()), *other, "--gradient",
               "--temperature", shown["temperature"], "--set", settings.format(**shown)]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    expected = compute(case)
    expected.backward()
    gradient = torch.tensor(json.loads(lines[1]), dtype=torch.double)
    slope = case["student"].grad
    return max(abs(float(lines[0]) - expected.item()) / max(1, abs(expected.item())),
               ((gradient - slope).abs().max() / slope.abs().max().clamp_min(1)).item())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("--cases", type=int, default=20, help="of each loss")
    parser.add_argument("--seed", type=int, default=None)
    args, _ = parser.parse_known_args()
    seed = int(time.time()) if args.seed is None else args.seed
    rng = random.Random(seed)
    for kind in LOSSES:
        worst = max(worst_difference(args.binary, kind, random_case(rng)) for _ in range(args.cases))
        print(f"{kind}: {args.cases} cases, largest difference {worst:.1e}")
        if not worst < TOLERANCE:
            sys.exit(f"loss_live: error: {kind} differs from PyTorch by {worst:.1e} (seed {seed})")


if __name__ == "__main__":
    main()
