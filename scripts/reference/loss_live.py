#!/usr/bin/env python3
"""Compares `dsdistill loss` with PyTorch, live: every loss on random logits of a fresh seed, value and gradient in
float64, within 1e-11, every option of them too. The generalised Jensen-Shannon divergence is computed as TRL's GKD trainer does.

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


def standardised(logits):
    return (logits - logits.mean(-1, keepdim=True)) / (1e-7 + logits.std(-1, keepdim=True))


def corrected(p, case):
    """The teacher's probabilities with the labels' say, row by row."""
    rows = []
    for row, label in zip(p, case["labels"].tolist()):
        most = row.argmax().item()
        wrong = most != label
        if label >= 0 and case["correct"] == "probability_shift":
            row = row.clone()
            row[most], row[label] = row[label].item(), row[most].item()
        elif label >= 0 and case["correct"] == "mft":
            gap = row[most] - row[label]
            lifted = min(1, row[label].item() + case["margin"])
            share = (gap + case["margin"]) / (1 + gap + 1e-7) if wrong else (lifted - row[label]) / (1 - row[label] + 1e-7)
            row = row * (1 - share) + share * F.one_hot(torch.tensor(label), len(row))
        rows.append(row)
    return torch.stack(rows)


def both_sides(case):
    student, teacher = case["student"], case["teacher"]
    if case["standardise"]:
        student, teacher = standardised(student), standardised(teacher)
    log_q = F.log_softmax(student / case["temperature"], -1)
    p = F.softmax(teacher / case["temperature"], -1)
    return log_q, (p if case["correct"] == "none" else corrected(p, case)).log()


def soft(compare):
    def loss(case):
        log_q, log_p = both_sides(case)
        return compare(log_q, log_p, case) * (case["temperature"]**2 if case["t_squared"] else 1)
    return loss


def mixture(q, p, case):
    return torch.logsumexp(torch.stack([q + math.log1p(-case["share"]), p + math.log(case["share"])]), 0)


def decoupled(q, p, case):
    total = 0
    for log_q, log_p, label in zip(q.exp(), p.exp(), case["labels"].tolist()):
        target = label if label >= 0 else log_p.argmax().item()
        others = [i for i in range(len(log_p)) if i != target]
        pair = lambda row: torch.stack([row[target], row[others].sum()])
        rest = lambda row: row[others] / row[others].sum()
        divergence = lambda a, b: (a * (a / b).log()).sum()
        total = total + case["target_weight"] * divergence(pair(log_p), pair(log_q)) \
            + case["others_weight"] * divergence(rest(log_p), rest(log_q))
    return total / len(p)


def pearson(a, b):
    a, b = a - a.mean(1, keepdim=True), b - b.mean(1, keepdim=True)
    return (a * b).sum(1) / (a.norm(dim=1) * b.norm(dim=1) + 1e-8)


def dist(q, p, case):
    q, p = q.exp(), p.exp()
    inter = (1 - pearson(p, q)).mean()
    intra = (1 - pearson(p.t(), q.t())).mean() if len(p) > 1 else 0
    return case["inter_weight"] * inter + case["intra_weight"] * intra


def contrastive(case):
    q, p = both_sides(case)
    alike = (q / 2).exp() @ (p / 2).exp().t()
    return F.cross_entropy(alike / case["contrast_temperature"], torch.arange(len(p)))


def taid(case):
    target = case["student"].detach() * (1 - case["from"]) + case["teacher"] * case["from"]
    log_q, log_p = (F.log_softmax(side / case["temperature"], -1) for side in (case["student"], target))
    return kl(log_p, log_q) * (case["temperature"]**2 if case["t_squared"] else 1)


def logit_error(case):
    if case["standardise"]:
        return F.mse_loss(standardised(case["student"]), standardised(case["teacher"]))
    return F.mse_loss(case["student"], case["teacher"])


def continuous_scale(case):
    return 1 / (case["share"] * (1 - case["share"])) if case["continuous"] else 1


LOGITS = "standardise: {standardise}, correct_teacher: {correct}, margin: {margin}"
SOFT = "t_squared: {t_squared}, " + LOGITS
LOSSES = {  # kind: what it is, the settings it takes, what it is against
    "forward_kl": (soft(lambda q, p, _: kl(p, q)), SOFT, "both"),
    "soft_cross_entropy": (soft(lambda q, p, _: -(p.exp() * q).sum(-1).mean()), SOFT, "both"),
    "reverse_kl": (soft(lambda q, p, _: kl(q, p)), SOFT, "both"),
    "generalised_jsd": (soft(lambda q, p, c: generalised_jsd(q, p, c["share"]) * continuous_scale(c)),
                        "teacher_share: {share}, continuous: {continuous}, " + SOFT, "both"),
    "skew_kl": (soft(lambda q, p, c: kl(p, mixture(q, p, c))), "teacher_share: {share}, " + SOFT, "both"),
    "skew_reverse_kl": (soft(lambda q, p, c: kl(q, mixture(q, p, c))), "teacher_share: {share}, " + SOFT, "both"),
    "total_variation": (lambda c: (lambda q, p: (q.exp() - p.exp()).abs().sum(-1).mean() / 2)(*both_sides(c)), LOGITS,
                        "both"),
    "taid": (taid, "from: {from}, t_squared: {t_squared}", "teacher"),
    "decoupled_kd": (soft(decoupled), "target_weight: {target_weight}, others_weight: {others_weight}, " + SOFT, "both"),
    "dist": (soft(dist), "inter_weight: {inter_weight}, intra_weight: {intra_weight}, " + SOFT, "both"),
    "contrastive": (contrastive, "contrast_temperature: {contrast_temperature}, " + LOGITS, "both"),
    "mean_squared_error": (logit_error, "standardise: {standardise}", "teacher"),
    "cross_entropy": (lambda c: F.cross_entropy(c["student"], c["labels"], ignore_index=-1,
                                                label_smoothing=c["smoothing"]), "label_smoothing: {smoothing}",
                      "labels"),
}


def random_case(rng):
    rows, classes = rng.randint(1, 5), rng.randint(2, 40)
    logits = lambda: torch.tensor([[rng.gauss(0, 3) for _ in range(classes)] for _ in range(rows)], dtype=torch.double)
    labels = [rng.randint(-1, classes - 1) for _ in range(rows - 1)] + [rng.randint(0, classes - 1)]
    return {"student": logits().requires_grad_(), "teacher": logits(), "labels": torch.tensor(labels),
            "temperature": rng.choice([1.0, 2.0, rng.uniform(0.5, 8)]), "share": rng.uniform(0.001, 0.999),
            "continuous": rng.random() < 0.5, "t_squared": rng.random() < 0.5,
            "smoothing": rng.choice([0.0, rng.uniform(0, 0.9)]), "standardise": rng.random() < 0.3,
            "correct": rng.choice(["none", "probability_shift", "mft"]), "margin": rng.uniform(0, 0.9),
            "target_weight": rng.uniform(0, 3), "others_weight": rng.uniform(0, 9), "inter_weight": rng.uniform(0, 3),
            "intra_weight": rng.uniform(0, 3), "contrast_temperature": rng.uniform(0.05, 1), "from": rng.uniform(0.01, 1)}


def worst_difference(binary, kind, case):
    compute, settings, against = LOSSES[kind]
    # Labels are for the losses that read them alone.
    reads_labels = against == "labels" or against == "both" and (kind == "decoupled_kd" or case["correct"] != "none")
    other = ["--teacher", json.dumps(case["teacher"].tolist())] if against != "labels" else []
    other += ["--labels", json.dumps(case["labels"].tolist())] if reads_labels else []
    shown = {key: json.dumps(value).strip('"') for key, value in case.items() if not isinstance(value, torch.Tensor)}
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
