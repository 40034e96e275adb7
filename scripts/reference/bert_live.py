#!/usr/bin/env python3
"""Compares `dsdistill features` with transformers, live: ids, every hidden state and logits of real lines, fp32, within 1e-5.

usage: bert_live.py BINARY MODEL... [--lines FILE] [--seed N]

Each MODEL is compared as it is. Then random checkpoints with its tokenizer that cover the options (head, activation,
widths, head counts, a file in bf16, names without prefix, norms as gamma and beta) are made from a fresh seed and
compared too. transformers gets padded batches with an attention mask.
"""
import argparse
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import time

import torch
from safetensors.torch import load_file, save_file
import transformers
from transformers import AutoConfig, AutoTokenizer, BertConfig, BertForSequenceClassification, BertModel

TOLERANCE = 1e-5
LINES = [
    "a", "", "The quick brown fox jumps over the lazy dog .", "it 's a charming and often affecting journey .",
    "unflinchingly bleak and desperate", "na\u00efve caf\u00e9 \u4e2d\u6587 \u00fcber", "x " * 200,
    "allows us to hope that nolan is poised to embark a major career as a commercial yet inventive filmmaker .",
]


def real_lines(path, count, rng):
    """Our own lines, and `count` random ones of the first column of a TSV file where there is one."""
    path = path or pathlib.Path(__file__).resolve().parents[2] / "../shared/data/glue/SST-2/dev.tsv"
    if not path.is_file():
        print(f"bert_live: {path} is not here: only the built-in lines are compared")
        return list(LINES)
    rows = [row.split("\t")[0] for row in path.read_text(encoding="utf-8").split("\n")[1:] if row]
    return LINES + rng.sample(rows, min(count, len(rows)))


def random_checkpoints(base, folder, seed):
    """Folders of small random checkpoints that cover the options."""
    config = AutoConfig.from_pretrained(base)
    common = dict(vocab_size=config.vocab_size, max_position_embeddings=160)
    variants = {
        "tinybert-312": dict(hidden_size=312, num_hidden_layers=4, num_attention_heads=12, intermediate_size=1200, num_labels=3),
        "gelu-new": dict(hidden_size=64, num_hidden_layers=2, num_attention_heads=4, intermediate_size=96, hidden_act="gelu_new"),
        "relu-one": dict(hidden_size=48, num_hidden_layers=1, num_attention_heads=1, intermediate_size=50, hidden_act="relu",
                         num_labels=1),
        "silu-eps": dict(hidden_size=96, num_hidden_layers=3, num_attention_heads=2, intermediate_size=33, hidden_act="silu",
                         layer_norm_eps=1e-5, num_labels=41),
        "wide-heads": dict(hidden_size=256, num_hidden_layers=2, num_attention_heads=2, intermediate_size=512, type_vocab_size=1),
    }
    torch.manual_seed(seed)
    for name, options in variants.items():
        model = BertForSequenceClassification(BertConfig(**common, **options, initializer_range=0.08)).eval()
        for parameter in model.parameters():  # norms and biases that are not 1 and 0
            if parameter.dim() == 1:
                parameter.data += 0.1 * torch.randn_like(parameter)
        out = folder / name
        model.save_pretrained(out)
        yield out
        if name == "gelu-new":
            yield rewritten(out, folder / "bf16", lambda n, t: (n, t.to(torch.bfloat16)))
            yield rewritten(out, folder / "gamma", lambda n, t: (
                n.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"), t))
    torch.manual_seed(seed + 1)
    bare = BertModel(BertConfig(**common, **variants["wide-heads"]), add_pooling_layer=False)
    bare.save_pretrained(folder / "bare")
    yield folder / "bare"


def rewritten(source, target, change):
    shutil.copytree(source, target)
    tensors = dict(change(n, t) for n, t in load_file(source / "model.safetensors").items())
    save_file(tensors, target / "model.safetensors", {"format": "pt"})
    return target


def expected(folder, lines, max_length):
    """ids, hidden states and logits by transformers: packed rows of padded batches."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    config = AutoConfig.from_pretrained(folder)
    classifies = any(name.endswith("ForSequenceClassification") for name in config.architectures or [])
    kind = BertForSequenceClassification if classifies else BertModel
    model = kind.from_pretrained(folder, torch_dtype=torch.float32, attn_implementation="eager").eval()
    ids, hidden, logits = [], None, []
    with torch.no_grad():
        for start in range(0, len(lines), 8):
            batch = tokenizer(lines[start:start + 8], padding=True, truncation=True, max_length=max_length, return_tensors="pt")
            out = model(**batch, output_hidden_states=True)
            mask = batch["attention_mask"].bool()
            ids.append(batch["input_ids"][mask])
            rows = [state[mask] for state in out.hidden_states]
            hidden = [[row] for row in rows] if hidden is None else [h + [r] for h, r in zip(hidden, rows)]
            if classifies:
                logits.append(out.logits)
    return torch.cat(ids), [torch.cat(h) for h in hidden], torch.cat(logits) if classifies else None


def compare(binary, folder, lines, work):
    text = work / "lines.txt"
    text.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    out = work / "features.safetensors"
    subprocess.run([binary, "features", str(folder), str(text), "--out", str(out), "--max-length", "128"], check=True,
                   stdout=subprocess.DEVNULL)
    ours = load_file(out)
    ids, hidden, logits = expected(folder, lines, 128)
    if not torch.equal(ours["ids"], ids):
        return [f"{folder.name}: ids differ"]
    faults, worst = [], 0.0
    checks = [(f"hidden.{i}", state) for i, state in enumerate(hidden)]
    if logits is not None:
        checks.append(("logits", logits))
    if set(ours) != {"ids", "offsets"} | {name for name, _ in checks}:
        faults.append(f"{folder.name}: tensors {sorted(ours)}")
    for name, state in checks:
        difference = (ours[name] - state).abs().max().item()
        worst = max(worst, difference)
        if not difference <= TOLERANCE:
            faults.append(f"{folder.name}: {name} differs by {difference:.3g}")
    print(f"bert_live: {folder.name}: {len(lines)} lines, {len(ids)} tokens, largest difference {worst:.2e}")
    return faults


def main():
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    parser = argparse.ArgumentParser()
    parser.add_argument("binary")
    parser.add_argument("models", nargs="+", type=pathlib.Path)
    parser.add_argument("--lines", type=pathlib.Path, help="TSV file whose first column is text; default: SST-2's dev set")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    arguments = parser.parse_args()
    print(f"bert_live: seed {arguments.seed}")
    lines = real_lines(arguments.lines, 64, random.Random(arguments.seed))
    faults = []
    with tempfile.TemporaryDirectory() as temporary:
        work = pathlib.Path(temporary)
        for model in arguments.models:
            faults += compare(arguments.binary, model, lines, work)
        tokenizer = AutoTokenizer.from_pretrained(arguments.models[0])
        for folder in random_checkpoints(arguments.models[0], work, arguments.seed):
            tokenizer.save_pretrained(folder)
            faults += compare(arguments.binary, folder, lines, work)
    for fault in faults:
        print(f"bert_live: error: {fault}")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
