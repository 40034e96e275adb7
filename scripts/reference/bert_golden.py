#!/usr/bin/env python3
"""Writes tests/model/golden/: tiny random BERT checkpoints that cover the options, and what transformers makes of them.

usage: bert_golden.py [OUT_DIR]      (versions used: transformers 5.23.0, torch 2.11.0)

Each folder holds config.json, model.safetensors and expected.safetensors: packed `ids`, `segments` and `offsets`, the
`rows` that a head over masked tokens reads, `hidden.0` ... of all packed rows, `pooled` and `logits`, computed in float64 and
rounded. transformers gets padded batches with an attention mask.
"""
import pathlib
import shutil
import sys

import torch
import transformers
from safetensors.torch import load_file, save_file
from transformers import BertConfig, BertForMaskedLM, BertForSequenceClassification, BertModel

LENGTHS = [5, 1, 11, 2, 7]
COMMON = dict(vocab_size=37, max_position_embeddings=12, initializer_range=0.2)
CASES = {
    "classes": (BertForSequenceClassification, dict(
        hidden_size=24, num_hidden_layers=2, num_attention_heads=3, intermediate_size=40,
        id2label={0: "no", 1: "maybe", 2: "yes"}, label2id={"no": 0, "maybe": 1, "yes": 2})),
    "regression": (BertForSequenceClassification, dict(
        hidden_size=52, num_hidden_layers=1, num_attention_heads=2, intermediate_size=20, hidden_act="gelu_new",
        num_labels=1, classifier_dropout=0.3, layer_norm_eps=1e-5)),
    "several_labels": (BertForSequenceClassification, dict(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=1, intermediate_size=16, hidden_act="gelu_pytorch_tanh",
        num_labels=4, problem_type="multi_label_classification", type_vocab_size=3)),
    "masked_tokens": (BertForMaskedLM, dict(
        hidden_size=24, num_hidden_layers=2, num_attention_heads=4, intermediate_size=24, hidden_act="relu")),
    "untied": (BertForMaskedLM, dict(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=24, hidden_act="silu",
        tie_word_embeddings=False)),
    "old_names": (BertModel, dict(
        hidden_size=16, num_hidden_layers=3, num_attention_heads=2, intermediate_size=30)),
    "no_pooler": (BertModel, dict(
        hidden_size=20, num_hidden_layers=0, num_attention_heads=2, intermediate_size=8, type_vocab_size=1)),
}


def make_model(name, kind, options):
    config = BertConfig(**COMMON, **options)
    model = kind(config, add_pooling_layer=False) if name == "no_pooler" else kind(config)
    for parameter in model.parameters():  # norms and biases that are not 1 and 0
        if parameter.dim() == 1:
            parameter.data += 0.2 * torch.randn_like(parameter)
    return model.eval()


def to_old_names(folder):
    """As files of 2018 spell it, in bf16: gamma and beta, and the position ids as a tensor."""
    path = folder / "model.safetensors"
    tensors = {n.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): t.to(torch.bfloat16)
               for n, t in load_file(path).items()}
    tensors["embeddings.position_ids"] = torch.arange(12).unsqueeze(0)
    save_file(tensors, path, {"format": "pt"})


def run(model, segments_of, rows_of):
    """Padded into one batch, and packed again."""
    length, count = max(LENGTHS), len(LENGTHS)
    mask = torch.zeros(count, length, dtype=torch.long)
    for i, tokens in enumerate(LENGTHS):
        mask[i, :tokens] = 1
    ids = torch.randint(1, COMMON["vocab_size"], (count, length)) * mask
    segments = torch.randint(0, segments_of, (count, length)) * mask
    with torch.no_grad():
        out = model.double()(input_ids=ids, token_type_ids=segments, attention_mask=mask, output_hidden_states=True)
    chosen = mask.bool()
    packed = {"ids": ids[chosen], "segments": segments[chosen],
              "offsets": torch.tensor([0] + LENGTHS).cumsum(0)}
    for i, state in enumerate(out.hidden_states):
        packed[f"hidden.{i}"] = state[chosen]
    if rows_of:
        packed["rows"] = torch.tensor(rows_of)
        packed["logits"] = out.logits[chosen][packed["rows"]]
    elif hasattr(out, "logits"):
        packed["logits"] = out.logits
    elif out.pooler_output is not None:
        packed["pooled"] = out.pooler_output
    return {name: tensor.to(torch.float32 if tensor.is_floating_point() else torch.int32).contiguous()
            for name, tensor in packed.items()}


def main():
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    out = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "tests/model/golden")
    torch.manual_seed(20)
    for name, (kind, options) in CASES.items():
        folder = out / name
        shutil.rmtree(folder, ignore_errors=True)
        make_model(name, kind, options).save_pretrained(folder)
        if name == "old_names":
            to_old_names(folder)
        model = kind.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager",
                                     **({"add_pooling_layer": False} if name == "no_pooler" else {})).eval()
        if name == "old_names":  # transformers 5 may not know them
            state = {n.replace("LayerNorm.gamma", "LayerNorm.weight").replace("LayerNorm.beta", "LayerNorm.bias"): t.float()
                     for n, t in load_file(folder / "model.safetensors").items() if not n.endswith("position_ids")}
            model.load_state_dict(state)
        expected = run(model, options.get("type_vocab_size", 2), [1, 4, 5, 9, 16, 25] if kind is BertForMaskedLM else None)
        save_file(expected, folder / "expected.safetensors")
        (folder / "generation_config.json").unlink(missing_ok=True)


if __name__ == "__main__":
    main()
