#!/usr/bin/env python3
"""Writes tests/model/golden_llama/: tiny random decoders that cover the options, and what transformers makes of them.

usage: llama_golden.py [OUT_DIR]      (versions used: transformers 5.23.0, torch 2.11.0)

Each folder holds config.json, model.safetensors and expected.safetensors: packed `ids` and `offsets`, `hidden.0` ... of
all packed rows (the last one before the final norm), and `logits` (of all rows, or of each sequence's last token for a
classifier), computed in float64 and rounded. transformers gets one sequence at a time.
"""
import pathlib
import shutil
import sys

import torch
import transformers
from safetensors.torch import save_file
from transformers import (LlamaConfig, LlamaForCausalLM, LlamaForSequenceClassification, LlamaModel, MistralConfig,
                          MistralForCausalLM, Qwen2Config, Qwen2ForCausalLM)

LENGTHS = [5, 1, 11, 70]
COMMON = dict(vocab_size=41, max_position_embeddings=128, initializer_range=0.3, pad_token_id=0)
CASES = {
    "grouped": (LlamaForCausalLM, LlamaConfig, dict(
        hidden_size=24, num_hidden_layers=2, num_attention_heads=6, num_key_value_heads=2, intermediate_size=40)),
    "tied_llama3": (LlamaForCausalLM, LlamaConfig, dict(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1, intermediate_size=20,
        tie_word_embeddings=True, rope_parameters=dict(
            rope_type="llama3", rope_theta=500.0, factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
            original_max_position_embeddings=32))),
    "biased_wide_heads": (LlamaForCausalLM, LlamaConfig, dict(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=2, head_dim=12, intermediate_size=24,
        attention_bias=True, mlp_bias=True, rms_norm_eps=1e-3,
        rope_parameters=dict(rope_type="linear", rope_theta=10000.0, factor=4.0))),
    "qwen2": (Qwen2ForCausalLM, Qwen2Config, dict(
        hidden_size=24, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, intermediate_size=28,
        tie_word_embeddings=True, use_sliding_window=False)),
    "window": (MistralForCausalLM, MistralConfig, dict(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1, intermediate_size=24,
        sliding_window=7)),
    "classes": (LlamaForSequenceClassification, LlamaConfig, dict(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1, intermediate_size=24,
        id2label={0: "no", 1: "maybe", 2: "yes"}, label2id={"no": 0, "maybe": 1, "yes": 2})),
    "bare": (LlamaModel, LlamaConfig, dict(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=2, intermediate_size=24)),
}


def make_model(kind, config, options):
    model = kind(config(**COMMON, **options))
    for parameter in model.parameters():  # norms that are not 1, biases that are not 0
        if parameter.dim() == 1:
            parameter.data += 0.2 * torch.randn_like(parameter)
    return model.eval()


def run(model):
    base = model if isinstance(model, LlamaModel) else model.model
    before_norm = []
    base.norm.register_forward_hook(lambda module, inputs, output: before_norm.append(inputs[0][0]))
    model = model.double()
    ids = [torch.randint(1, COMMON["vocab_size"], (n,)) for n in LENGTHS]
    states, logits = [], []
    for sequence in ids:
        with torch.no_grad():
            out = model(input_ids=sequence.unsqueeze(0), output_hidden_states=True, use_cache=False)
        states.append([state[0] for state in out.hidden_states[:-1]] + [before_norm.pop()])
        if hasattr(out, "logits"):
            logits.append(out.logits[0] if out.logits.dim() == 3 else out.logits)
    packed = {"ids": torch.cat(ids), "offsets": torch.tensor([0] + LENGTHS).cumsum(0)}
    for i, layer in enumerate(zip(*states)):
        packed[f"hidden.{i}"] = torch.cat(layer)
    if logits:
        packed["logits"] = torch.cat(logits)
    return {name: tensor.to(torch.float32 if tensor.is_floating_point() else torch.int32).contiguous()
            for name, tensor in packed.items()}


def main():
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    out = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "tests/model/golden_llama")
    torch.manual_seed(21)
    for name, (kind, config, options) in CASES.items():
        folder = out / name
        shutil.rmtree(folder, ignore_errors=True)
        make_model(kind, config, options).save_pretrained(folder)
        model = kind.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
        save_file(run(model), folder / "expected.safetensors")
        (folder / "generation_config.json").unlink(missing_ok=True)


if __name__ == "__main__":
    main()
