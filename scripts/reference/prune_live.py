#!/usr/bin/env python3
"""Compares `dsdistill prune` with transformers, live: importance by hooks in PyTorch, and what is cut as transformers loads it.

usage: prune_live.py BINARY MODEL [--seed N]

MODEL gives a WordPiece tokenizer. Small random checkpoints (BERT, Llama with grouped keys, Mistral) are made from a fresh
seed. Scores of layers, heads, neurons and channels in --json must be those that PyTorch gives on the same tokens, by their
definitions in core/compress/importance.h (1e-4 of the largest). Then neurons, groups of heads and channels are set to
zero, cut off, and transformers must give the same hidden states (1e-5 of the largest) and logits (1e-5) for both folders.
"""
import argparse
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

import torch
import transformers
from transformers import AutoModelForSequenceClassification, AutoTokenizer, BertConfig, LlamaConfig, MistralConfig

LINES = ["The quick brown fox jumps over the lazy dog .", "it 's a charming and often affecting journey .",
         "unflinchingly bleak and desperate", "a", "allows us to hope that nolan is poised to embark a major career"]
COMMON = dict(hidden_size=48, num_hidden_layers=4, num_attention_heads=4, intermediate_size=40, max_position_embeddings=64,
              initializer_range=0.2, num_labels=3, pad_token_id=0)
CASES = {
    "bert": (BertConfig, dict(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)),
    "llama": (LlamaConfig, dict(num_key_value_heads=2, head_dim=16, attention_bias=True, mlp_bias=True)),
    "mistral": (MistralConfig, dict(num_key_value_heads=4, head_dim=12, sliding_window=4)),
}


def layers_of(model):
    return model.bert.encoder.layer if hasattr(model, "bert") else model.model.layers


def parts_of(layer):
    """The products that follow heads and neurons, and the norms of a layer."""
    if hasattr(layer, "intermediate"):
        return (layer.attention.output.dense, layer.output.dense,
                [layer.attention.output.LayerNorm, layer.output.LayerNorm])
    return layer.self_attn.o_proj, layer.mlp.down_proj, [layer.input_layernorm, layer.post_attention_layernorm]


def make(name, base, folder, seed):
    torch.manual_seed(seed)
    kind, options = CASES[name]
    config = kind(vocab_size=len(AutoTokenizer.from_pretrained(base)), **COMMON, **options)
    model = AutoModelForSequenceClassification.from_config(config).eval()
    for parameter in model.parameters():
        if parameter.dim() == 1:
            parameter.data += 0.1 * torch.randn_like(parameter)
    save(model, base, folder)
    return model


def save(model, base, folder):
    folder.mkdir(exist_ok=True)
    model.save_pretrained(folder)
    for path in pathlib.Path(base).iterdir():
        if path.name.startswith(("tokenizer", "vocab", "special_tokens")):
            shutil.copy(path, folder)


def token_ids(binary, folder, file):
    run = subprocess.run([binary, "tokenize", folder, file], check=True, capture_output=True, text=True)
    return [[int(i) for i in line.split()] for line in run.stdout.strip("\n").split("\n")]


@torch.no_grad()
def reference(model, texts):
    """Importance by hooks, in float64 sums."""
    groups = getattr(model.config, "num_key_value_heads", model.config.num_attention_heads)
    layers = layers_of(model)
    influence, tokens = torch.zeros(len(layers), dtype=torch.float64), 0
    inputs, outputs, hooks = {}, {}, []

    def watch(module, key):
        def hook(_, given, out):
            inputs.setdefault(key, []).append(given[0][0].double())
            outputs.setdefault(key, []).append(out[0].double())

        hooks.append(module.register_forward_hook(hook))

    norms = [model.bert.embeddings.LayerNorm] if hasattr(model, "bert") else [model.model.norm]
    for i, layer in enumerate(layers):
        heads, neurons, own = parts_of(layer)
        watch(heads, ("heads", i))
        watch(neurons, ("neurons", i))
        norms += own
    for i, norm in enumerate(norms):
        watch(norm, ("norm", i))
    # The last norm stands behind the last hidden state that transformers gives; what it read is wanted here.
    for ids in texts:
        states = list(model(input_ids=torch.tensor([ids]), output_hidden_states=True).hidden_states)
        if not hasattr(model, "bert"):
            states[-1] = inputs[("norm", 0)][-1].float().unsqueeze(0)
        tokens += len(ids)
        for i in range(len(layers)):
            influence[i] += (1 - torch.cosine_similarity(states[i][0].double(), states[i + 1][0].double())).sum()
    for hook in hooks:
        hook.remove()
    scores = {"layers": influence / tokens, "heads": [], "neurons": []}
    for i, layer in enumerate(layers):
        out, down, _ = parts_of(layer)
        given = torch.cat(inputs[("heads", i)])
        width = given.shape[1] // groups
        pieces = [given[:, g * width:(g + 1) * width] @ out.weight.double()[:, g * width:(g + 1) * width].T for g in range(groups)]
        scores["heads"].append(torch.stack([(piece.square().sum() / tokens).sqrt() for piece in pieces]))
        given = torch.cat(inputs[("neurons", i)])
        scores["neurons"].append(given.square().mean(0).sqrt() * down.weight.double().norm(dim=0))
    scores["channels"] = sum(torch.cat(outputs[("norm", i)]).square().mean(0).sqrt() for i in range(len(norms)))
    return scores


def prune(binary, folder, out, file, *sizes):
    report = out.with_suffix(".json")
    subprocess.run([binary, "prune", folder, out, "--data", file, "--json", report, "--force", *sizes], check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return json.loads(report.read_text())


def worst(ours, theirs):
    return max((torch.tensor(a["scores"], dtype=torch.float64) - b).abs().max().item() / b.abs().max().item()
               for a, b in zip(ours, theirs, strict=True))


@torch.no_grad()
def hidden_states(model, texts):
    return [torch.stack(model(input_ids=torch.tensor([ids]), output_hidden_states=True).hidden_states)[:, 0] for ids in texts]


@torch.no_grad()
def silence(model, channels):
    """Zero neurons, one group of heads, and (for a decoder, whose norms take no mean away) channels."""
    groups = getattr(model.config, "num_key_value_heads", model.config.num_attention_heads)
    for layer in layers_of(model):
        out, down, _ = parts_of(layer)
        width = out.weight.shape[1] // groups
        out.weight[:, :width] = 0
        down.weight[:, ::4] = 0
        if channels:
            for product in (out, down):
                product.weight[-8:] = 0
                if product.bias is not None:
                    product.bias[-8:] = 0
    if channels:
        model.model.embed_tokens.weight[:, -8:] = 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("model")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    print(f"prune_live: seed {options.seed}")
    transformers.utils.logging.disable_progress_bar()
    failed = 0
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        file = scratch / "lines.txt"
        file.write_text("".join(line + "\n" for line in LINES), encoding="utf-8")
        for name in CASES:
            folder, out = scratch / name, scratch / f"{name}-small"
            model = make(name, options.model, folder, options.seed)
            texts = token_ids(options.binary, folder, file)
            ours, theirs = prune(options.binary, folder, out, file, "--layers", "2"), reference(model, texts)
            differences = {"layers": worst([ours["layers"]], [theirs["layers"]]),
                           "heads": worst(ours["heads"], theirs["heads"]),
                           "neurons": worst([of[0] for of in ours["neurons"]], theirs["neurons"]),
                           "channels": worst([ours["channels"]], [theirs["channels"]])}
            decoder = name != "bert"
            silence(model, decoder)
            save(model, options.model, folder)
            heads = model.config.num_attention_heads
            fewer = ["--hidden", "40", "--heads", str(heads - heads // model.config.num_key_value_heads)] if decoder else []
            kept = prune(options.binary, folder, out, file, "--intermediate", "30", *fewer)["channels"]["kept"]
            small = AutoModelForSequenceClassification.from_pretrained(out).eval()
            whole = [states[:, :, kept] for states in hidden_states(model, texts)]
            cut = hidden_states(small, texts)
            with torch.no_grad():
                logits = [(model(torch.tensor([ids])).logits - small(torch.tensor([ids])).logits).abs().max().item() for ids in texts]
            states = max(((a - b).abs().max() / a.abs().max()).item() for a, b in zip(whole, cut, strict=True))
            good = max(differences.values()) < 1e-4 and max(states, *logits) < 1e-5
            failed += not good
            print(f"{name}: importance " + ", ".join(f"{key} {value:.1e}" for key, value in differences.items()) +
                  f"; zeroes cut off: hidden states {states:.1e}, logits {max(logits):.1e}{'' if good else '  FAILED'}")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
