#!/usr/bin/env python3
"""Distils an encoder on SST-2 as other tools do it, one way a process, and prints what it took as one JSON object.

  student  makes the student that all start from: the teacher's layers 0 and 1, its embeddings and head
  run      trains: transformers (as commonly written: eager attention, padded), textbrewer, tuned (length-grouped, SDPA,
           fused AdamW, teacher logits cached on request)
  loss     the distillation loss of trained students on the dev set, without dropout
"""
import argparse
import json
import pathlib
import random
import statistics
import time

import numpy
import torch
import torch.nn.functional as F
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

TEMPERATURE, SOFT, HARD = 2.0, 0.7, 0.3
LEARNING_RATE, WEIGHT_DECAY, CLIP = 1e-4, 0.01, 1.0


def peak_mib():
    for line in open("/proc/self/status", encoding="ascii"):
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("/proc/self/status has no VmHWM")


def load(path, attention="eager"):
    return AutoModelForSequenceClassification.from_pretrained(path, attn_implementation=attention, dtype=torch.float32)


def set_dropout(model, rate):
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = rate
        if hasattr(module, "dropout_prob"):
            module.dropout_prob = rate
    model.config.hidden_dropout_prob = model.config.attention_probs_dropout_prob = rate


def read_rows(path):
    lines = path.read_text(encoding="utf-8").split("\n")[1:]
    rows = [line.split("\t") for line in lines if line]
    return [row[0] for row in rows], [int(row[1]) for row in rows]


def loss_of(student, teacher, labels):
    soft = F.kl_div(F.log_softmax(student / TEMPERATURE, -1), F.softmax(teacher / TEMPERATURE, -1),
                    reduction="batchmean") * TEMPERATURE**2
    return SOFT * soft + HARD * F.cross_entropy(student, labels)


def optimiser_of(model, fused):
    names = [n for n, _ in model.named_parameters()]
    plain = [p for n, p in model.named_parameters() if n.endswith("bias") or "LayerNorm" in n]
    decayed = [p for n, p in zip(names, model.parameters()) if not (n.endswith("bias") or "LayerNorm" in n)]
    groups = [{"params": decayed, "weight_decay": WEIGHT_DECAY}, {"params": plain, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=LEARNING_RATE, eps=1e-8, fused=fused or None)


class Batches:
    """The batches in the given order, tokenised beforehand; notes the time at which each is taken."""

    def __init__(self, args, tokenizer):
        texts, labels = read_rows(args.data / "train.tsv")
        if args.order:
            steps = [[int(row) for row in line.split()] for line in args.order.read_text().splitlines()]
        else:
            rows = list(range(len(texts)))
            random.Random(args.seed).shuffle(rows)
            steps = [rows[at:at + args.batch] for at in range(0, len(rows), args.batch)]
        if len(steps) < args.steps:
            raise SystemExit(f"the order has {len(steps)} steps, fewer than --steps {args.steps}")
        self.steps, self.taken = steps[:args.steps], []
        self.encoded = {}
        for row in {row for step in self.steps for row in step}:
            self.encoded[row] = tokenizer(texts[row], truncation=True, max_length=128)["input_ids"]
        self.labels = labels

    def __len__(self):
        return len(self.steps)

    def __iter__(self):
        for rows in self.steps:
            self.taken.append(time.perf_counter())
            yield self.padded(rows)

    def padded(self, rows):
        longest = max(len(self.encoded[row]) for row in rows)
        ids = torch.zeros(len(rows), longest, dtype=torch.long)
        mask = torch.zeros_like(ids)
        for at, row in enumerate(rows):
            ids[at, :len(self.encoded[row])] = torch.tensor(self.encoded[row])
            mask[at, :len(self.encoded[row])] = 1
        labels = torch.tensor([self.labels[row] for row in rows])
        return {"input_ids": ids, "attention_mask": mask, "labels": labels}


def run_transformers(args, teacher, student, batches):
    optimiser = optimiser_of(student, fused=False)
    for batch in batches:
        labels = batch.pop("labels")
        with torch.autocast("cpu", torch.bfloat16, enabled=args.dtype == "bf16"):
            with torch.no_grad():
                target = teacher(**batch).logits
            logits = student(**batch).logits
        loss = loss_of(logits.float(), target.float(), labels)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(student.parameters(), CLIP)
        optimiser.step()


def run_tuned(args, teacher, student, batches):
    optimiser = optimiser_of(student, fused=True)
    parameters = list(student.parameters())
    forward = torch.compile(student, dynamic=True) if args.compile else student
    autocast = lambda: torch.autocast("cpu", torch.bfloat16, enabled=args.dtype == "bf16")

    def targets_of(batch):
        with torch.no_grad(), autocast():
            return teacher(**batch).logits.float()

    cached = []
    if args.cached:  # filled before the clock starts: only later epochs are timed
        for rows in batches.steps:
            batch = batches.padded(rows)
            batch.pop("labels")
            cached.append(targets_of(batch))
    for step, batch in enumerate(batches):
        labels = batch.pop("labels")
        target = cached[step] if args.cached else targets_of(batch)
        with autocast():
            logits = forward(**batch).logits
        loss = loss_of(logits.float(), target, labels)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, CLIP, foreach=True)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)


def run_textbrewer(args, teacher, student, batches):
    from textbrewer import DistillationConfig, GeneralDistiller, TrainingConfig

    def adaptor(batch, outputs):
        return {"logits": outputs.logits, "losses": outputs.loss}

    # Its soft loss is not multiplied by the temperature squared.
    distilling = DistillationConfig(temperature=TEMPERATURE, kd_loss_type="ce", kd_loss_weight=SOFT * TEMPERATURE**2,
                                    hard_label_weight=HARD)
    training = TrainingConfig(device="cpu", output_dir=str(args.scratch), log_dir=None, ckpt_steps=10**9)
    distiller = GeneralDistiller(training, distilling, teacher, student, adaptor, adaptor)
    with distiller:
        distiller.train(optimiser_of(student, fused=False), batches, num_steps=len(batches), max_grad_norm=CLIP,
                        callback=None)


PEERS = {"transformers": run_transformers, "textbrewer": run_textbrewer, "tuned": run_tuned}


def run(args):
    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    attention = "sdpa" if args.peer == "tuned" else "eager"
    tokenizer = AutoTokenizer.from_pretrained(args.teacher)
    teacher, student = load(args.teacher, attention).eval(), load(args.student, attention).train()
    set_dropout(student, args.dropout)
    for parameter in teacher.parameters():
        parameter.requires_grad_(False)
    batches = Batches(args, tokenizer)
    PEERS[args.peer](args, teacher, student, batches)
    ended = time.perf_counter()
    took = numpy.diff([*batches.taken[:len(batches.steps)], ended])
    examples = [len(step) for step in batches.steps]
    measured = slice(args.warm, None)
    if args.save:
        student.save_pretrained(args.save)
        tokenizer.save_pretrained(args.save)
    return {
        "examples_per_second": sum(examples[measured]) / sum(took[measured]),
        "milliseconds_per_step": 1000 * statistics.median(took[measured]),
        "peak_mib": peak_mib(),
        "steps": len(examples),
    }


def make_student(args):
    config = AutoConfig.from_pretrained(args.teacher)
    config.num_hidden_layers = args.layers
    config.hidden_dropout_prob = config.attention_probs_dropout_prob = args.dropout
    teacher = load(args.teacher)
    student = AutoModelForSequenceClassification.from_config(config)
    weights = {name: tensor for name, tensor in teacher.state_dict().items() if name in student.state_dict()}
    student.load_state_dict(weights)
    student.save_pretrained(args.out)
    AutoTokenizer.from_pretrained(args.teacher).save_pretrained(args.out)
    return {"student": str(args.out), "parameters": sum(p.numel() for p in student.parameters())}


@torch.inference_mode()
def dev_losses(args):
    tokenizer = AutoTokenizer.from_pretrained(args.teacher)
    texts, labels = read_rows(args.data / "dev.tsv")
    models = [load(args.teacher).eval()] + [load(path).eval() for path in args.models]
    logits = [[] for _ in models]
    for at in range(0, len(texts), 32):
        batch = tokenizer(texts[at:at + 32], truncation=True, max_length=128, padding=True, return_tensors="pt")
        for kept, model in zip(logits, models):
            kept.append(model(**batch).logits)
    target, *students = [torch.cat(kept) for kept in logits]
    labels = torch.tensor(labels)
    return {str(path): {"loss": loss_of(student, target, labels).item(),
                        "accuracy": (student.argmax(-1) == labels).float().mean().item()}
            for path, student in zip(args.models, students)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    make = commands.add_parser("student")
    make.add_argument("--teacher", required=True)
    make.add_argument("--out", type=pathlib.Path, required=True)
    make.add_argument("--layers", type=int, default=2)
    make.add_argument("--dropout", type=float, default=0.1)
    train = commands.add_parser("run")
    train.add_argument("peer", choices=PEERS)
    train.add_argument("--teacher", required=True)
    train.add_argument("--student", required=True)
    train.add_argument("--data", type=pathlib.Path, required=True, help="the folder SST-2")
    train.add_argument("--order", type=pathlib.Path, help="one line of rows of train.tsv for each step; none: shuffled")
    train.add_argument("--steps", type=int, default=60)
    train.add_argument("--warm", type=int, default=10, help="steps before the clock starts")
    train.add_argument("--batch", type=int, default=32)
    train.add_argument("--dropout", type=float, default=0.1)
    train.add_argument("--dtype", choices=["fp32", "bf16"], default="fp32")
    train.add_argument("--cached", action="store_true", help="tuned: run the teacher once for each example")
    train.add_argument("--compile", action="store_true", help="tuned: torch.compile the student")
    train.add_argument("--threads", type=int, default=torch.get_num_threads())
    train.add_argument("--seed", type=int, default=0)
    train.add_argument("--save", type=pathlib.Path, help="write the trained student here")
    train.add_argument("--scratch", type=pathlib.Path, default=pathlib.Path("runs/bench/scratch"))
    score = commands.add_parser("loss")
    score.add_argument("--teacher", required=True)
    score.add_argument("--data", type=pathlib.Path, required=True)
    score.add_argument("models", type=pathlib.Path, nargs="+")
    args = parser.parse_args()
    print(json.dumps({"student": make_student, "run": run, "loss": dev_losses}[args.command](args)))


if __name__ == "__main__":
    main()
