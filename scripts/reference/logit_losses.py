#!/usr/bin/env python3
"""Prints the values that tests/losses/ expects of the losses on logits, from PyTorch in float64 and straight from the papers.

usage: logit_losses.py
"""
import math

import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)
TEACHER = torch.tensor([[2, 1, 0, -1, 0.5], [1, 1.5, -0.5, 0, 0.25], [0.3, -0.7, 1.1, 0.2, 2.4], [-1, 0.4, 0.9, 1.6, -0.2]])
STUDENT = torch.tensor([[1, 1.5, -0.5, 0, 0.25], [0.2, 0.9, 0.4, -1.2, 1.3], [1.4, 0.1, -0.6, 0.8, 0.5], [0, 1, 0.5, 0.7, -0.9]])
LABELS = torch.tensor([0, 2, 4, 1])


def dist(student, teacher, temperature):
    def pearson(a, b):
        return torch.tensor([torch.corrcoef(torch.stack([x, y]))[0, 1] for x, y in zip(a, b)])

    p, q = (teacher / temperature).softmax(1), (student / temperature).softmax(1)
    return (1 - pearson(p, q)).mean().item(), (1 - pearson(p.t(), q.t())).mean().item()


def contrastive(student, teacher, temperature, contrast):
    p, q = (teacher / temperature).softmax(1), (student / temperature).softmax(1)
    alike = F.cosine_similarity(q.sqrt()[:, None], p.sqrt()[None], dim=-1)
    return F.cross_entropy(alike / contrast, torch.arange(len(p)), reduction="sum").item()


def mft(teacher, labels, temperature, margin):
    p = (teacher / temperature).softmax(1)
    fixed = p.clone()
    for row, label in enumerate(labels.tolist()):
        most = p[row].argmax().item()
        if most != label:
            gap = p[row, most] - p[row, label]
            share = (gap + margin) / (1 + gap + 1e-7)
        else:
            share = (min(1.0, p[row, label].item() + margin) - p[row, label]) / (1 - p[row, label] + 1e-7)
        fixed[row] *= 1 - share
        fixed[row, label] += share
    return fixed


def kl(p, student, temperature):
    return F.kl_div((student / temperature).log_softmax(1), p, reduction="sum").item()


def shifted(teacher, labels):
    out = teacher.clone()
    for row, label in enumerate(labels.tolist()):
        most = teacher[row].argmax().item()
        out[row, most], out[row, label] = teacher[row, label], teacher[row, most]
    return out


def taid(losses, steps, start, end, rate, momentum):
    t, trend, before, seen = start, 0.0, None, []
    for step, loss in enumerate(losses):
        if before is not None:
            trend = momentum * trend + (1 - momentum) * (before - loss) / (before + 1e-15)
            t = min(end, max(start + (end - start) * step / steps, t + rate / (1 + math.exp(-trend)) * (1 - t)))
        before = loss
        seen.append(t)
    return seen


def show(name, *values):
    print(f"{name:40}", *(f"{value:.12f}" for value in values))


def main():
    show("dist T=1: inter, intra", *dist(STUDENT, TEACHER, 1))
    show("dist T=4: inter, intra", *dist(STUDENT, TEACHER, 4))
    show("dist T=2, pools of two: intra", dist(STUDENT[:2], TEACHER[:2], 2)[1], dist(STUDENT[2:], TEACHER[2:], 2)[1])
    show("contrastive T=2, 0.07: four, two", contrastive(STUDENT, TEACHER, 2, 0.07), contrastive(STUDENT[:2], TEACHER[:2], 2, 0.07))
    show("mft 0.2, T=2: KL", kl(mft(TEACHER, LABELS, 2, 0.2), STUDENT, 2))
    show("mft 0.2, T=2: first row's teacher", *mft(TEACHER, LABELS, 2, 0.2)[0])
    show("mft 0.2, T=2: second row's teacher", *mft(TEACHER, LABELS, 2, 0.2)[1])
    show("mft 0.2, T=0.5: last row's teacher", *mft(TEACHER * 4, LABELS, 2, 0.2)[2])
    show("probability_shift T=2: KL", kl((shifted(TEACHER, LABELS) / 2).softmax(1), STUDENT, 2))
    moving = 0.4 * TEACHER + 0.6 * STUDENT
    show("taid at 0.4, T=2: KL", kl((moving / 2).softmax(1), STUDENT, 2))
    losses = [2.0, 1.0, 0.5, 0.8, 0.2]
    show("taid 0.2 to 1, 100 steps, rate 0.05", *taid(losses, 100, 0.2, 1.0, 0.05, 0.9))


if __name__ == "__main__":
    main()
