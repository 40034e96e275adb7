#!/usr/bin/env python3
"""Writes tests/formats/golden/gguf/: small GGUF files by the `gguf` package, and what it and `transformers` read in them.

usage: gguf_golden.py [OUT_DIR]      (versions used: gguf 0.19.0, transformers 5.23.0)

dtypes.gguf, dtypes.tsv    every type of value and of tensor; values as gguf.quants dequantises them, fp32 in hexadecimal
<model>.gguf               tiny random models in llama.cpp's names and order of rows ...
<model>.safetensors        ... and their tensors as transformers reads that file
<model>.json               ... and what its config says
"""
import json
import pathlib
import sys

import gguf
import numpy
import torch
from gguf import GGMLQuantizationType as Type
from safetensors.torch import save_file
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.modeling_gguf_pytorch_utils import load_gguf_checkpoint

READ = [Type.F32, Type.F16, Type.BF16, Type.Q8_0, Type.Q4_0, Type.Q4_1]
LISTED = [Type.Q5_0, Type.Q5_1, Type.Q2_K, Type.Q3_K, Type.Q4_K, Type.Q5_K, Type.Q6_K, Type.IQ2_XXS, Type.IQ2_XS,
          Type.IQ3_XXS, Type.IQ1_S, Type.IQ4_NL, Type.IQ3_S, Type.IQ2_S, Type.IQ4_XS, Type.IQ1_M, Type.TQ1_0,
          Type.TQ2_0, Type.MXFP4, Type.NVFP4]
# An architecture's names for the tensors of transformers.
NAMES = {
    "embed_tokens": "token_embd", "norm": "output_norm", "lm_head": "output", "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output", "post_attention_layernorm": "ffn_norm", "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
}


def add(writer, name, values, kind):
    """A tensor of fp32 values, stored as `kind`; returns what is read back."""
    stored = gguf.quants.quantize(values, kind)
    writer.add_tensor(name, stored, raw_dtype=kind)
    return gguf.quants.dequantize(stored, kind)


def finish(writer):
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def write_dtypes(out):
    writer = gguf.GGUFWriter(out / "dtypes.gguf", "llama")
    for add_number, key, value in [
            (writer.add_uint8, "u8", 255), (writer.add_int8, "i8", -128), (writer.add_uint16, "u16", 65535),
            (writer.add_int16, "i16", -32768), (writer.add_uint32, "u32", 2**32 - 1), (writer.add_int32, "i32", -2**31),
            (writer.add_float32, "f32", 0.1), (writer.add_bool, "boolean", True), (writer.add_string, "text", "näme"),
            (writer.add_uint64, "u64", 2**64 - 1), (writer.add_int64, "i64", -2**63), (writer.add_float64, "f64", 0.1),
            (writer.add_array, "integers", [1, -2, 3]), (writer.add_array, "numbers", [0.5, -1.5]),
            (writer.add_array, "texts", ["a", "", "中"]), (writer.add_array, "flags", [True, False])]:
        add_number("a." + key, value)
    random = numpy.random.default_rng(1)
    lines = []
    for kind in READ:
        values = (random.standard_normal((3, 64)) * 10.0 ** random.integers(-4, 3, (3, 64))).astype(numpy.float32)
        read = add(writer, kind.name, values, kind)
        lines.append(f"{kind.name}\t{kind.name}\t3,64\t{read.astype('<f4').tobytes().hex()}\n")
    # Halves of every exponent: the subnormal ones and the infinities too.
    halves = numpy.arange(0, 65536, 97, dtype=numpy.uint16).view(numpy.float16)
    halves = halves[~numpy.isnan(halves)]
    writer.add_tensor("halves", halves)
    lines.append(f"halves\tF16\t{halves.size}\t{halves.astype('<f4').tobytes().hex()}\n")
    for name, kind, shape in [("I8", numpy.int8, (5,)), ("I16", numpy.int16, (5,)), ("I32", numpy.int32, (5,)),
                              ("I64", numpy.int64, (5,)), ("F64", numpy.float64, (1, 2, 3, 4))]:
        writer.add_tensor(name, numpy.arange(numpy.prod(shape)).astype(kind).reshape(shape))
    for kind in LISTED:
        block, size = gguf.GGML_QUANT_SIZES[kind]
        writer.add_tensor(kind.name, numpy.full((2, 256 // block * size), 7, numpy.uint8), raw_dtype=kind)
    finish(writer)
    (out / "dtypes.tsv").write_text("".join(lines), encoding="utf-8")


def interleaved(values, heads):
    """The order of rows that llama.cpp's converter gives to queries and keys of the architecture `llama`."""
    return values.reshape(heads, 2, values.shape[0] // heads // 2, *values.shape[1:]).swapaxes(1, 2).reshape(values.shape)


def write_model(out, name, architecture, config, kinds):
    torch.manual_seed(7)
    model = AutoModelForCausalLM.from_config(config)
    writer = gguf.GGUFWriter(out / f"{name}.gguf", architecture)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    if architecture == "llama":
        writer.add_rope_dimension_count(config.head_dim)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_vocab_size(config.vocab_size)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    for i, (key, values) in enumerate(sorted(model.state_dict().items())):
        if key == "lm_head.weight" and config.tie_word_embeddings:
            continue
        stem, suffix = key.removeprefix("model.").rsplit(".", 1)
        place = ""
        if stem.startswith("layers."):
            _, layer, stem = stem.split(".", 2)
            place = f"blk.{layer}."
        values = values.float() + (0.1 * torch.randn_like(values) if values.dim() == 1 else 0)
        array = values.numpy().astype(numpy.float32)
        if architecture == "llama" and NAMES[stem] in ("attn_q", "attn_k"):
            heads = config.num_attention_heads if NAMES[stem] == "attn_q" else config.num_key_value_heads
            array = interleaved(array, heads)
        add(writer, f"{place}{NAMES[stem]}.{suffix}", array, Type.F32 if array.ndim == 1 else kinds[i % len(kinds)])
    finish(writer)

    # What from_pretrained(..., gguf_file=...) calls; it asks for the package accelerate before, and does not use it.
    read = load_gguf_checkpoint(out / f"{name}.gguf", return_tensors=True, model_to_load=model)
    save_file({key: value.contiguous() for key, value in read["tensors"].items()}, out / f"{name}.safetensors",
              {"format": "pt"})
    wanted = ["model_type", "vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
              "num_key_value_heads", "max_position_embeddings", "rms_norm_eps", "tie_word_embeddings"]
    config = AutoConfig.from_pretrained(out, gguf_file=f"{name}.gguf")
    stated = {key: getattr(config, key) for key in wanted} | {"rope_theta": config.rope_parameters["rope_theta"]}
    (out / f"{name}.json").write_text(json.dumps(stated, indent=2) + "\n", encoding="utf-8")


def main():
    out = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "tests/formats/golden/gguf")
    out.mkdir(parents=True, exist_ok=True)
    write_dtypes(out)
    common = dict(vocab_size=40, hidden_size=32, num_hidden_layers=2, max_position_embeddings=48, intermediate_size=64)
    write_model(out, "llama", "llama", AutoConfig.for_model(
        "llama", **common, num_attention_heads=4, num_key_value_heads=2, head_dim=8, rms_norm_eps=1e-5, rope_theta=5e5,
        tie_word_embeddings=True), [Type.Q4_1, Type.Q8_0, Type.Q4_0])
    write_model(out, "llama_untied", "llama", AutoConfig.for_model(
        "llama", **common, num_attention_heads=2, num_key_value_heads=2, head_dim=16, rms_norm_eps=1e-6, rope_theta=1e4,
        tie_word_embeddings=False), [Type.F16, Type.BF16])
    write_model(out, "qwen2", "qwen2", AutoConfig.for_model(
        "qwen2", **common, num_attention_heads=4, num_key_value_heads=1, rms_norm_eps=1e-6, rope_theta=1e6,
        tie_word_embeddings=True), [Type.Q8_0, Type.F32])


if __name__ == "__main__":
    main()
