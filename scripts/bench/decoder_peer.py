#!/usr/bin/env python3
"""Distils SmolLM2 into some of its layers with transformers as commonly written: prints one JSON object.

Teacher and student over padded-free batches of equal pieces, whole logits on both sides, KL at a temperature beside the
text, AdamW on all parameters.
usage: decoder_peer.py MODEL TEXT --layers 0,4,8 [--dtype bf16] [--steps N] [--warm N] [--threads N]
"""
import argparse
import json
import pathlib
import statistics
import time

import torch
import torch.nn.functional as F
from transformers import AutoModelForCausalLM, AutoTokenizer

TEMPERATURE, SOFT, HARD = 2.0, 0.7, 0.3
PIECES, LENGTH = 4, 256


def status(key):
    for line in open("/proc/self/status", encoding="ascii"):
        if line.startswith(key):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"/proc/self/status has no {key}")


def load(path):
    return AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32)


def student_of(path, layers):
    student = load(path)
    student.model.layers = torch.nn.ModuleList(student.model.layers[layer] for layer in layers)
    student.config.num_hidden_layers = len(layers)
    for index, layer in enumerate(student.model.layers):
        layer.self_attn.layer_idx = index
    return student.train()


def loss_of(student, teacher, ids):
    student, teacher = student[:, :-1].float().flatten(0, 1), teacher[:, :-1].float().flatten(0, 1)
    soft = F.kl_div(F.log_softmax(student / TEMPERATURE, -1), F.log_softmax(teacher / TEMPERATURE, -1),
                    reduction="batchmean", log_target=True) * TEMPERATURE**2
    return SOFT * soft + HARD * F.cross_entropy(student, ids[:, 1:].flatten())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("text", type=pathlib.Path)
    parser.add_argument("--layers", required=True)
    parser.add_argument("--dtype", choices=["fp32", "bf16"], default="fp32")
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--warm", type=int, default=2)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    ids = AutoTokenizer.from_pretrained(args.model)(args.text.read_text(encoding="utf-8")[:400_000])["input_ids"]
    needed = PIECES * LENGTH * args.steps
    if len(ids) < needed:
        raise SystemExit(f"{args.text} has {len(ids)} tokens, fewer than {needed}")
    batches = torch.tensor(ids[:needed]).view(args.steps, PIECES, LENGTH)
    teacher, student = load(args.model).eval(), student_of(args.model, [int(x) for x in args.layers.split(",")])
    optimiser = torch.optim.AdamW(student.parameters(), lr=3e-4, weight_decay=0.01)
    with open("/proc/self/clear_refs", "w", encoding="ascii") as file:
        file.write("5")
    before, seconds, losses = status("VmRSS"), [], []
    for batch in batches:
        begin = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=args.dtype == "bf16"):
            with torch.no_grad():
                target = teacher(batch).logits
            logits = student(batch).logits
        loss = loss_of(logits, target, batch)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(student.parameters(), 1.0)
        optimiser.step()
        seconds.append(time.perf_counter() - begin)
        losses.append(loss.item())
    median = statistics.median(seconds[args.warm:])
    print(json.dumps({"tokens_per_second": PIECES * LENGTH / median, "seconds": median, "losses": losses,
                      "extra_mib": status("VmHWM") - before}))


if __name__ == "__main__":
    main()
