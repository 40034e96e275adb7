#!/usr/bin/env python3
"""Fine-tunes an encoder on a GLUE task with transformers, as a reference for `dsdistill train`: prints one JSON object.

The same hyper-parameters as recipes/glue_teacher.yaml: AdamW with decay 0.01 but for biases and norms, linear schedule
with a tenth of warm-up, gradient norm clipped at 1, dropout as the checkpoint says, pairs cut longest first.
"""
import argparse
import csv
import json
import pathlib

import numpy
import torch
from scipy import stats
from sklearn import metrics
from transformers import AutoModelForSequenceClassification, AutoTokenizer, get_linear_schedule_with_warmup

# task: folder, (column of the text, of the second one, of the label), labels, metric
TASKS = {
    "sst2": ("SST-2", (0, None, 1), ["0", "1"], "accuracy"),
    "rte": ("RTE", (1, 2, 3), ["entailment", "not_entailment"], "accuracy"),
    "mrpc": ("MRPC", (3, 4, 0), ["0", "1"], "accuracy"),
    "cola": ("CoLA", (3, None, 1), ["0", "1"], "matthews"),
    "stsb": ("STS-B", (7, 8, 9), None, "pearson"),
}


def read(path, columns, labels, header):
    first, second, label = columns
    texts, pairs, targets = [], [], []
    with open(path, encoding="utf-8", newline="") as file:
        rows = csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        for index, row in enumerate(rows):
            if header and index == 0 or len(row) <= max(c for c in columns if c is not None):
                continue
            texts.append(row[first])
            pairs.append(row[second] if second is not None else None)
            targets.append(float(row[label]) if labels is None else labels.index(row[label]))
    return texts, pairs, targets


def encode(tokenizer, texts, pairs):
    return [tokenizer(t, p, truncation="longest_first" if p is not None else True, max_length=128)
            for t, p in zip(texts, pairs)]


def score(metric, logits, targets):
    if metric == "pearson":
        return float(stats.pearsonr(logits[:, 0], targets)[0])
    predicted = logits.argmax(-1)
    if metric == "matthews":
        return float(metrics.matthews_corrcoef(targets, predicted))
    return float((predicted == numpy.asarray(targets)).mean())


def batches(order, size):
    return [order[at:at + size] for at in range(0, len(order), size)]


def main():
    parser = argparse.ArgumentParser()
    for name, kind in [("--model", str), ("--data", pathlib.Path), ("--task", str), ("--seed", int), ("--epochs", float),
                       ("--learning-rate", float), ("--rows", int), ("--threads", int)]:
        parser.add_argument(name, type=kind, required=True)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    folder, columns, labels, metric = TASKS[args.task]
    root = args.data / folder if (args.data / folder).is_dir() else args.data
    header = args.task != "cola"
    tokenizer = AutoTokenizer.from_pretrained(args.model)
    texts, pairs, targets = read(root / "train.tsv", columns, labels, header)
    if args.rows:
        texts, pairs, targets = texts[:args.rows], pairs[:args.rows], targets[:args.rows]
    dev_texts, dev_pairs, dev_targets = read(root / "dev.tsv", columns, labels, header)
    train, dev = encode(tokenizer, texts, pairs), encode(tokenizer, dev_texts, dev_pairs)
    model = AutoModelForSequenceClassification.from_pretrained(
        args.model, num_labels=len(labels) if labels else 1, dtype=torch.float32, attn_implementation="sdpa")
    plain = [p for n, p in model.named_parameters() if n.endswith("bias") or "LayerNorm" in n]
    decayed = [p for n, p in model.named_parameters() if not (n.endswith("bias") or "LayerNorm" in n)]
    optimiser = torch.optim.AdamW([{"params": decayed, "weight_decay": 0.01}, {"params": plain, "weight_decay": 0.0}],
                                  lr=args.learning_rate, eps=1e-8)
    per_epoch = -(-len(train) // 32)
    steps = max(1, int(-(-args.epochs * per_epoch // 1)))
    schedule = get_linear_schedule_with_warmup(optimiser, int(0.1 * steps), steps)
    generator = numpy.random.default_rng(args.seed)
    done = 0
    model.train()
    while done < steps:
        for rows in batches(generator.permutation(len(train)), 32)[:steps - done]:
            inputs = tokenizer.pad([train[i] for i in rows], return_tensors="pt")
            target = torch.tensor([targets[i] for i in rows])
            logits = model(**inputs).logits
            loss = (torch.nn.functional.mse_loss(logits[:, 0], target) if labels is None
                    else torch.nn.functional.cross_entropy(logits, target))
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            optimiser.zero_grad()
            done += 1
    model.eval()
    logits = []
    with torch.no_grad():
        for rows in batches(list(range(len(dev))), 64):
            logits.append(model(**tokenizer.pad([dev[i] for i in rows], return_tensors="pt")).logits.numpy())
    print(json.dumps({"task": args.task, "seed": args.seed, "steps": steps, "metric": metric,
                      "score": score(metric, numpy.concatenate(logits), dev_targets)}))


if __name__ == "__main__":
    main()
