#!/usr/bin/env python3
"""Writes tests/losses/golden/features.safetensors: states of a small student and teacher, and what PyTorch makes of them
by the papers' formulas, with their gradients, all in float64.

usage: features_golden.py [OUT_FILE]      (version used: torch 2.11.0)

Sequences are padded here, with garbage in the padding, and masked where they are reduced; the file holds them packed:
`student.KIND.LAYER` and `teacher.KIND.LAYER` [T, width], `offsets`, the projectors `w.NAME` and `b.NAME`, and for each
loss its mean over units as `expected.NAME` and `gradient.NAME.KIND.LAYER` of that mean.
"""
import pathlib
import sys

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

ROOT = pathlib.Path(__file__).resolve().parents[2]
LENGTHS = [5, 1, 7, 3]
STUDENT = dict(layers=2, width=8, heads=4)
TEACHER = dict(layers=4, width=12, heads=4)
RELATION_HEADS = 2

torch.manual_seed(11)
DTYPE = torch.float64
MASK = torch.arange(max(LENGTHS))[None, :] < torch.tensor(LENGTHS)[:, None]  # [S, L]


def pack(x):
    return x[MASK]


def states(shape, grad):
    made = {}
    for kind, layers in (("hidden", range(shape["layers"] + 1)), ("query", range(shape["layers"])),
                         ("key", range(shape["layers"])), ("value", range(shape["layers"]))):
        for layer in layers:
            x = torch.randn(len(LENGTHS), max(LENGTHS), shape["width"], dtype=DTYPE)
            x[~MASK] *= 100  # padding that counted would show
            made[f"{kind}.{layer}"] = x.requires_grad_(grad)
    return made


student, teacher = states(STUDENT, True), states(TEACHER, False)
narrow = {name: x[..., : STUDENT["width"]] for name, x in teacher.items()}  # for losses of one width
tokens, sequences = sum(LENGTHS), len(LENGTHS)
w = {name: torch.randn(TEACHER["width"], STUDENT["width"], dtype=DTYPE) * 0.3 for name in ("fitnet", "hidden", "cosine", "embedding")}
b = {name: torch.randn(TEACHER["width"], dtype=DTYPE) * 0.3 for name in w}


def heads_of(x, heads):
    return x.view(*x.shape[:2], heads, -1).transpose(1, 2)  # [S, heads, L, D]


def scores(left, right, heads):
    q, k = heads_of(left, heads), heads_of(right, heads)
    return q @ k.transpose(2, 3) / q.shape[-1] ** 0.5  # [S, heads, L, L]


KEYS = MASK[:, None, None, :]
ROWS = MASK[:, None, :, None]
LENGTH = torch.tensor(LENGTHS, dtype=DTYPE)[:, None, None, None]


def relation_kl(own, other):
    log_q = F.log_softmax(own.masked_fill(~KEYS, -1e30), -1)
    log_p = F.log_softmax(other.masked_fill(~KEYS, -1e30), -1)
    kl = F.kl_div(log_q, log_p, reduction="none", log_target=True)
    return kl.masked_fill(~(KEYS & ROWS), 0).sum() / own.shape[1] / tokens


def attention(own, other):
    gap = (own - other).square().masked_fill(~(KEYS & ROWS), 0) / LENGTH
    return gap.sum() / own.shape[1] / tokens


def activity(x):
    v = x.square().sum(-1).masked_fill(~MASK, 0)
    return F.normalize(v, dim=1)


def losses():
    heads = STUDENT["heads"]

    def mapped(name, layer):
        return pack(F.linear(student[f"hidden.{layer}"], w[name], b[name]))

    yield "fitnet", 0.5 * (mapped("fitnet", 1) - pack(teacher["hidden.2"])).square().sum(-1).mean()
    yield "embedding", F.mse_loss(mapped("embedding", 0), pack(teacher["hidden.0"]))
    yield "hidden", sum(F.mse_loss(mapped("hidden", m), pack(teacher[f"hidden.{2 * m}"])) for m in (1, 2))
    yield "cosine", (1 - F.cosine_similarity(mapped("cosine", 2), pack(teacher["hidden.4"]), dim=-1)).mean()
    yield "attention", sum(
        attention(scores(student[f"query.{m}"], student[f"key.{m}"], heads),
                  scores(teacher[f"query.{2 * m + 1}"], teacher[f"key.{2 * m + 1}"], heads)) for m in (0, 1))
    yield "minilm", (relation_kl(scores(student["query.1"], student["key.1"], heads),
                                 scores(teacher["query.3"], teacher["key.3"], heads)) +
                     relation_kl(scores(student["value.1"], student["value.1"], heads),
                                 scores(teacher["value.3"], teacher["value.3"], heads)))
    yield "minilm_v2", sum(
        weight * relation_kl(scores(student[f"{kind}.1"], student[f"{kind}.1"], RELATION_HEADS),
                             scores(teacher[f"{kind}.3"], teacher[f"{kind}.3"], RELATION_HEADS))
        for kind, weight in (("query", 1), ("key", 0.5), ("value", 2)))
    yield "pkd", (F.normalize(student["hidden.1"][:, 0], dim=-1) -
                  F.normalize(narrow["hidden.2"][:, 0], dim=-1)).square().sum(-1).mean()
    yield "attention_transfer", sum((activity(student[f"hidden.{m}"]) - activity(teacher[f"hidden.{2 * m}"])).square().sum()
                                    for m in (1, 2)) / sequences


out = {"offsets": torch.tensor([0, *torch.tensor(LENGTHS).cumsum(0).tolist()], dtype=torch.int32)}
for side, made in (("student", student), ("teacher", teacher)):
    out.update({f"{side}.{name}": pack(x.detach()).contiguous() for name, x in made.items()})
out.update({f"w.{name}": x for name, x in w.items()})
out.update({f"b.{name}": x for name, x in b.items()})
for name, value in losses():
    out[f"expected.{name}"] = value.detach().reshape(1)
    gradients = torch.autograd.grad(value, list(student.values()), allow_unused=True)
    for site, gradient in zip(student, gradients):
        if gradient is not None:
            assert gradient[~MASK].abs().max() == 0
            out[f"gradient.{name}.{site}"] = pack(gradient).contiguous()
path = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "tests" / "losses" / "golden" / "features.safetensors"
path.parent.mkdir(parents=True, exist_ok=True)
save_file(out, path)
print(path, path.stat().st_size)
