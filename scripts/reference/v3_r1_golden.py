#!/usr/bin/env python3
"""Writes tests/model/golden_v3_r1/: tiny random decoders of the article's two families over their options, and what
tests/parity/reference_v3.py and reference_r1.py make of them, loaded as remote code.

usage: v3_r1_golden.py [OUT_DIR]      (versions used: transformers 5.23.0, torch 2.11.0)

Each folder holds config.json, model.safetensors and expected.safetensors: packed `ids`, `offsets` and `visible`,
`hidden.0` ... of all packed rows (the last one before the final norm), `logits` (of all rows, or of each sequence's last
token for a classifier), `balance`, and `grad.NAME` of sum(logits * projection) + 3 * balance, where `balance` is that of
each sequence weighted by its tokens. All in float64, rounded to fp32. The model gets one sequence at a time.
"""
import pathlib
import shutil
import sys

import torch
import transformers
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "parity"))
import reference_r1 as r1  # noqa: E402
import reference_v3 as v3  # noqa: E402

COMMON = dict(vocab_size=37, hidden_size=16, num_attention_heads=4, num_key_value_heads=2, head_dim=4, intermediate_size=12,
              initializer_range=0.3, pad_token_id=0)
CAUSAL, CLASSES = ("ForCausalLM", AutoModelForCausalLM), ("ForSequenceClassification", AutoModelForSequenceClassification)
# name: (module, head, config, lengths, share of tokens that none may see)
CASES = {
    "v3_shared": (v3, CAUSAL, dict(stages=2, layers_per_stage=3, distance_buckets=6, distance_max=20), [5, 1, 11, 40], 0),
    "v3_own_routers": (v3, CAUSAL, dict(stages=2, layers_per_stage=2, share="all_but_router", tie_word_embeddings=True,
                                        num_experts=5, num_experts_per_tok=3, rms_norm_eps=1e-3), [7, 30], 0),
    "v3_visible": (v3, CAUSAL, dict(stages=1, layers_per_stage=2, distance_buckets=4, distance_max=4, rope_theta=100.0,
                                    num_experts_per_tok=1, num_experts=3), [9, 1, 33], 0.3),
    "v3_classes": (v3, CLASSES, dict(stages=3, layers_per_stage=1, num_labels=3, num_experts=4), [6, 1, 20], 0),
    "r1_default": (r1, CAUSAL, dict(num_hidden_layers=3, block_size=8), [5, 8, 1, 45], 0),
    "r1_article": (r1, CAUSAL, dict(num_hidden_layers=2, block_size=8, look_back=0, sinks=0, tie_word_embeddings=True,
                                    num_experts=3), [16, 29], 0),
    "r1_visible": (r1, CAUSAL, dict(num_hidden_layers=2, block_size=4, look_back=2, sinks=6, head_dim=6), [27, 3], 0.3),
    "r1_wide_block": (r1, CAUSAL, dict(num_hidden_layers=1, num_key_value_heads=4, sinks=2), [150], 0),
    "r1_values": (r1, CLASSES, dict(num_hidden_layers=2, block_size=8, num_labels=1), [6, 1, 20], 0),
}


def make_checkpoint(module, head, options, folder):
    prefix = module.__name__[-2:].upper()
    config_class, model_class = getattr(module, prefix + "Config"), getattr(module, prefix + head[0])
    config_class.register_for_auto_class()
    for auto, name in (("AutoModel", "Model"), ("AutoModelForCausalLM", "ForCausalLM"),
                       ("AutoModelForSequenceClassification", "ForSequenceClassification")):
        getattr(module, prefix + name).register_for_auto_class(auto)
    model = model_class(config_class(**COMMON | options))
    for name, parameter in model.named_parameters():  # norms that are not 1, biases that are not 0, routers that decide
        if parameter.dim() == 1 or "distance_bias" in name:
            parameter.data += 0.3 * torch.randn_like(parameter)
        if "router" in name:
            parameter.data *= 3
    model.save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    (folder / f"{module.__name__}.py").unlink()  # the tree has it once


def clear_choices(routing, chosen):
    """Whether no row's choice of experts is near a tie, which rounding would turn."""
    for logits in routing:
        best = logits.softmax(-1).sort(-1, descending=True).values
        if chosen < best.shape[-1] and (best[..., chosen - 1] - best[..., chosen]).min() < 1e-5:
            return False
    return True


def run(module, model, lengths, hidden_share):
    before_norm, routing = [], []
    model.model.norm.register_forward_hook(lambda _, inputs, output: before_norm.append(inputs[0][0]))
    model.model.register_forward_hook(lambda _, inputs, output: routing.append(output.router_logits))
    ids, visible, states, logits, even, chosen = [], [], [], [], 0, model.config.num_experts_per_tok
    for count in lengths:
        while len(routing) == 0 or not clear_choices(routing[-1], chosen):
            sequence, seen = torch.randint(1, COMMON["vocab_size"], (count,)), (torch.rand(count) >= hidden_share).long()
            out = model(input_ids=sequence[None], attention_mask=seen[None] if hidden_share > 0 else None)
        ids.append(sequence)
        visible.append(seen)
        states.append([state[0] for state in out.hidden_states[:-1]] + [before_norm[-1]])
        even = even + module.balance(routing[-1], chosen) * count / sum(lengths)
        routing.clear()
        logits.append(out.logits[0] if out.logits.dim() == 3 else out.logits)
    logits = torch.cat(logits)
    projection = torch.randn_like(logits)
    ((logits * projection).sum() + 3 * even).backward()
    packed = {"ids": torch.cat(ids), "offsets": torch.tensor([0] + lengths).cumsum(0), "visible": torch.cat(visible),
              "logits": logits, "projection": projection, "balance": even.reshape(1)}
    for i, layer in enumerate(zip(*states)):
        packed[f"hidden.{i}"] = torch.cat(layer)
    for name, parameter in model.named_parameters():
        packed[f"grad.{name}"] = parameter.grad if parameter.grad is not None else torch.zeros_like(parameter)
    return {name: tensor.detach().to(torch.float32 if tensor.is_floating_point() else torch.int32).contiguous()
            for name, tensor in packed.items()}


def main():
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    out = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "tests/model/golden_v3_r1")
    torch.manual_seed(21)
    for name, (module, head, options, lengths, hidden_share) in CASES.items():
        folder = out / name
        shutil.rmtree(folder, ignore_errors=True)
        make_checkpoint(module, head, options, folder)
        code = folder / f"{module.__name__}.py"
        shutil.copyfile(ROOT / "tests" / "parity" / code.name, code)
        model = head[1].from_pretrained(folder, trust_remote_code=True, dtype=torch.float32).double().eval()
        code.unlink()
        save_file(run(module, model, lengths, hidden_share), folder / "expected.safetensors")


if __name__ == "__main__":
    main()
