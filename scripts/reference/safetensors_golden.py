#!/usr/bin/env python3
"""Writes tests/formats/golden/: small files by the `safetensors` and `transformers` packages, and what they hold.

usage: safetensors_golden.py [OUT_DIR]      (versions used: safetensors 0.8.0, transformers 5.23.0)
"""
import ctypes
import json
import pathlib
import struct
import sys

import safetensors

# dtype's name for the package, its name in a file, bits of one element as the package counts shapes
DTYPES = [
    ("bool", "BOOL", 8), ("float4_e2m1fn_x2", "F4", 8), ("uint8", "U8", 8), ("int8", "I8", 8),
    ("float8_e5m2", "F8_E5M2", 8), ("float8_e4m3fn", "F8_E4M3", 8), ("float8_e8m0fnu", "F8_E8M0", 8),
    ("float8_e4m3fnuz", "F8_E4M3FNUZ", 8), ("float8_e5m2fnuz", "F8_E5M2FNUZ", 8), ("int16", "I16", 16),
    ("uint16", "U16", 16), ("float16", "F16", 16), ("bfloat16", "BF16", 16), ("int32", "I32", 32),
    ("uint32", "U32", 32), ("float32", "F32", 32), ("complex64", "C64", 64), ("float64", "F64", 64),
    ("int64", "I64", 64), ("uint64", "U64", 64),
]


class Specs:
    """Tensors for the package's writer, with their buffers kept alive."""

    def __init__(self):
        self.specs, self.buffers = {}, []

    def add(self, name, dtype, bits, shape, first):
        count = bits // 8
        for dimension in shape:
            count *= dimension
        data = bytes((first + i) % 251 for i in range(count))
        buffer = ctypes.create_string_buffer(data, max(count, 1))
        self.buffers.append(buffer)
        self.specs[name] = safetensors.TensorSpec(
            dtype=dtype, shape=shape, data_ptr=ctypes.addressof(buffer), data_len=count)


def expect(path):
    """What the package reads: one line a tensor (name in JSON, dtype, shape, bytes), sorted by name."""
    lines = []
    for name, tensor in sorted(safetensors.deserialize(path.read_bytes())):
        shape = ",".join(str(d) for d in tensor["shape"])
        lines.append(f"{json.dumps(name, ensure_ascii=False)}\t{tensor['dtype']}\t{shape}\t{bytes(tensor['data']).hex()}\n")
    path.with_suffix(".tsv").write_text("".join(lines), encoding="utf-8")


def main():
    out = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "tests/formats/golden")
    out.mkdir(parents=True, exist_ok=True)

    every = Specs()
    for i, (name, file_name, bits) in enumerate(DTYPES):
        every.add(f"{file_name}.b", name, bits, [2, 3], i)
        every.add(f"{file_name}.a", name, bits, [1], 100 + i)
    safetensors.serialize_file(every.specs, out / "dtypes.safetensors", {"format": "pt"})

    shapes = Specs()
    shapes.add("number", "float32", 32, [], 1)
    shapes.add("empty", "float32", 32, [0], 1)
    shapes.add("empty.matrix", "bfloat16", 16, [3, 0, 2], 1)
    shapes.add("bytes", "uint8", 8, [3], 7)
    shapes.add("deep", "int16", 16, [1, 2, 1, 3], 9)
    shapes.add("nämen \"quoted\" \\ \t \x01 \u4e2d\U0001f600", "bfloat16", 16, [2], 20)
    safetensors.serialize_file(shapes.specs, out / "shapes.safetensors", {"quoted \"key\"": "line\nbreak \u00e9"})

    safetensors.serialize_file({}, out / "nothing.safetensors")

    # A foreign writer's: no padding, the order of a file, numbers at odd addresses.
    header = b'{"first":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"then":{"data_offsets":[1,9],"shape":[2],"dtype":"F32"}}'
    (out / "unaligned.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + b"\x05" + struct.pack("<2f", 1.5, -2.0))

    for path in sorted(out.glob("*.safetensors")):
        expect(path)

    from transformers import BertConfig
    config = BertConfig(
        vocab_size=99, hidden_size=24, num_hidden_layers=3, num_attention_heads=4, intermediate_size=37, hidden_act="gelu_new",
        hidden_dropout_prob=0.25, attention_probs_dropout_prob=0.0, classifier_dropout=0.5, max_position_embeddings=40,
        type_vocab_size=3, initializer_range=0.03, layer_norm_eps=1e-7, pad_token_id=5, tie_word_embeddings=False,
        id2label={0: "neutral", 1: "entailment", 2: "contradiction"},
        label2id={"neutral": 0, "entailment": 1, "contradiction": 2}, architectures=["BertForSequenceClassification"],
        a_key_of_its_own={"nested": [1, 2.5, None]})
    (out / "bert_config.json").write_text(json.dumps(config.to_dict(), indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
