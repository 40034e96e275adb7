#!/usr/bin/env python3
"""Compares what `BINARY inspect FILE --unpack FOLDER` and `BINARY tokenize FILE` make of GGUF files with transformers
and tokenizers, live.

    gguf_live.py BINARY [MODEL] [--data DIR] [--lines N] [--seed N]

Tensors, to the bit, with transformers' reading of the same file: the GGUF file in the folder MODEL, where it is there,
and random models in every type from a fresh seed; stories260K also with its own safetensors. Configs by their values.
Token ids of N lines of each text file of the data folder, and of random lines, with AutoTokenizer's for the same file,
with the model's own tokenizer.json, and with llama.cpp's test vectors, wherever there are such.

AutoTokenizer lacks in GGUF files: SmolLM's digits, Qwen's NFC, Llama 3's ignore_merges and SentencePiece's space before
a space. Those are put in place before the comparison; how many lines differ without them is printed. DeepSeek's way to
cut text and its special tokens it does not have at all: only the test vectors speak for that file.
"""
import argparse
import base64
import json
import logging
import os
import pathlib
import random
import shutil
import struct
import subprocess
import sys
import tempfile

os.environ.setdefault("TQDM_DISABLE", "1")

import gguf
import numpy
import torch
from gguf import GGMLQuantizationType as Type
from safetensors.torch import load_file
from tokenizers import Tokenizer, normalizers, pre_tokenizers
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer
from transformers.modeling_gguf_pytorch_utils import load_gguf_checkpoint
from transformers.convert_slow_tokenizer import bytes_to_unicode

import gguf_golden

SUFFIXES = {".tsv", ".jsonl", ".txt", ".json"}
NORMAL, CONTROL = 1, 3


def unpacked(binary, file, folder):
    out = folder / (file.stem + "-unpacked")
    subprocess.run([binary, "inspect", str(file), "--unpack", str(out)], check=True, stdout=subprocess.DEVNULL)
    return out


# ---- tensors and configs

def same_config(ours, theirs):
    faults = []
    for key in ["model_type", "vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
                "num_key_value_heads", "max_position_embeddings", "rms_norm_eps", "tie_word_embeddings", "hidden_act"]:
        a, b = getattr(ours, key), getattr(theirs, key)
        if numpy.float32(a) != numpy.float32(b) if isinstance(a, float) else a != b:
            faults.append(f"config: '{key}' is {a!r}, transformers has {b!r}")
    if ours.rope_parameters["rope_theta"] != theirs.rope_parameters["rope_theta"]:
        faults.append("config: another rope_theta")
    return faults


def compare_model(binary, file, work, original=None):
    out = unpacked(binary, file, work)
    ours = load_file(out / "model.safetensors")
    config = AutoConfig.from_pretrained(file.parent, gguf_file=file.name)
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    theirs = load_gguf_checkpoint(str(file), return_tensors=True, model_to_load=model)["tensors"]
    faults = same_config(AutoConfig.from_pretrained(out), config)
    for name in sorted(set(ours) | set(theirs)):
        if name not in ours or name not in theirs:
            faults.append(f"tensor '{name}' is in one of them alone")
        elif not torch.equal(ours[name].view(torch.int32), theirs[name].float().view(torch.int32)):
            faults.append(f"tensor '{name}' differs")
    for name, value in (original or {}).items():
        if name != "lm_head.weight" and not torch.equal(ours[name], value):
            faults.append(f"tensor '{name}' differs from the model's own")
    count = sum(tensor.numel() for tensor in ours.values())
    print(f"{file.name}: {len(ours)} tensors, {count} values, {len(faults)} faults", flush=True)
    shutil.rmtree(out)
    return [f"{file.name}: {fault}" for fault in faults]


def random_models(folder, seed):
    folder.mkdir()
    pick = random.Random(seed)
    kinds = [Type.F32, Type.F16, Type.BF16, Type.Q8_0, Type.Q4_0, Type.Q4_1]
    for number, architecture in enumerate(["llama", "llama", "qwen2", "llama"]):
        heads = pick.choice([2, 4, 8])
        config = AutoConfig.for_model(
            architecture, vocab_size=pick.randint(30, 200), hidden_size=32 * heads, num_hidden_layers=pick.randint(1, 3),
            intermediate_size=32 * pick.randint(1, 9), num_attention_heads=heads, max_position_embeddings=64,
            num_key_value_heads=pick.choice([h for h in (1, 2, 4, 8) if h <= heads]), rms_norm_eps=1e-5,
            rope_theta=pick.choice([1e4, 5e5]), tie_word_embeddings=pick.random() < 0.5)
        pick.shuffle(kinds)
        gguf_golden.write_model(folder, f"random{number}", architecture, config, kinds)
        yield folder / f"random{number}.gguf"


def stories(data, folder):
    """stories260K as llama.cpp would have it."""
    source = data / "models" / "stories260K" / "hf"
    config = AutoConfig.from_pretrained(source)
    tensors = load_file(source / "model.safetensors")
    writer = start(folder / "stories260K.gguf", "llama", config)
    for key, value in sorted(tensors.items()):
        if key == "lm_head.weight" and config.tie_word_embeddings:
            continue
        stem, suffix = key.removeprefix("model.").rsplit(".", 1)
        place = ""
        if stem.startswith("layers."):
            _, layer, stem = stem.split(".", 2)
            place = f"blk.{layer}."
        array = value.float().numpy()
        if stem in ("self_attn.q_proj", "self_attn.k_proj"):
            heads = config.num_attention_heads if "q_proj" in stem else config.num_key_value_heads
            array = gguf_golden.interleaved(array, heads)
        writer.add_tensor(f"{place}{gguf_golden.NAMES[stem]}.{suffix}", numpy.ascontiguousarray(array))
    gguf_golden.finish(writer)
    return folder / "stories260K.gguf", tensors


# ---- tokenizers

def start(path, architecture, config=None):
    writer = gguf.GGUFWriter(path, architecture)
    for add, key, otherwise in [
            (writer.add_context_length, "max_position_embeddings", 64), (writer.add_embedding_length, "hidden_size", 32),
            (writer.add_block_count, "num_hidden_layers", 0), (writer.add_feed_forward_length, "intermediate_size", 32),
            (writer.add_head_count, "num_attention_heads", 1), (writer.add_head_count_kv, "num_key_value_heads", 1),
            (writer.add_layer_norm_rms_eps, "rms_norm_eps", 1e-5)]:
        add(getattr(config, key, otherwise))
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"] if config else 1e4)
    if config:
        writer.add_vocab_size(config.vocab_size)
    return writer


def write_vocabulary(path, model, tokens, kinds, pre=None, merges=None, scores=None, ids=(), bos=None):
    writer = start(path, "llama")
    writer.add_tokenizer_model(model)
    if pre:
        writer.add_tokenizer_pre(pre)
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    if merges is not None:
        writer.add_token_merges(merges)
    if scores is not None:
        writer.add_token_scores(scores)
    for role, number in ids:
        writer.add_uint32(f"tokenizer.ggml.{role}_token_id", number)
    if bos is not None:
        writer.add_add_bos_token(bos)
    gguf_golden.finish(writer)
    return path


def of_json(source, path, pre, ids, special):
    """A byte-level tokenizer.json, or vocab.json and merges.txt, as a GGUF vocabulary."""
    if (source / "tokenizer.json").exists():
        model = json.loads((source / "tokenizer.json").read_text(encoding="utf-8"))["model"]
        vocab, merges = model["vocab"], [m if isinstance(m, str) else " ".join(m) for m in model["merges"]]
    else:
        vocab = json.loads((source / "vocab.json").read_text(encoding="utf-8"))
        lines = (source / "merges.txt").read_text(encoding="utf-8").split("\n")
        merges = [line for line in lines if line and not line.startswith("#version")]
    for content in special:
        vocab.setdefault(content, len(vocab))
    tokens = sorted(vocab, key=vocab.get)
    kinds = [CONTROL if token in special else NORMAL for token in tokens]
    return write_vocabulary(path, "gpt2", tokens, kinds, pre, merges, ids=[(r, vocab[c]) for r, c in ids], bos=False)


def varint(data, at):
    value = shift = 0
    while True:
        value |= (data[at] & 127) << shift
        shift, at = shift + 7, at + 1
        if data[at - 1] < 128:
            return value, at


def pieces(data):
    """Text, score and type of each piece of a SentencePiece model: field 1 of the message, its fields 1, 2 and 3."""
    at = 0
    while at < len(data):
        tag, at = varint(data, at)
        length, at = varint(data, at)
        if tag != 10:
            at += length
            continue
        end, text, score, kind = at + length, "", 0.0, NORMAL
        while at < end:
            tag, at = varint(data, at)
            if tag == 10:
                size, at = varint(data, at)
                text, at = data[at:at + size].decode("utf-8"), at + size
            elif tag == 21:
                score, at = struct.unpack_from("<f", data, at)[0], at + 4
            else:
                kind, at = varint(data, at)
        yield text, score, kind


def of_sentencepiece(source, path):
    tokens, scores, kinds = zip(*pieces(source.read_bytes()))
    return write_vocabulary(path, "llama", tokens, kinds, scores=scores, ids=[("bos", 1), ("eos", 2), ("unknown", 0)])


def of_ranks(source, path):
    """Llama 3's ranks of byte strings: a token's merge is where merging lower ranks alone ends in two parts."""
    ranks = {}
    for line in source.read_bytes().splitlines():
        token, rank = line.split()
        ranks[base64.b64decode(token)] = int(rank)
    spelling = bytes_to_unicode()
    spelled = {token: "".join(spelling[byte] for byte in token) for token in ranks}
    merges = []
    for token, rank in ranks.items():
        parts = [bytes([byte]) for byte in token]
        while len(parts) > 2:
            best = min(range(len(parts) - 1), key=lambda i: ranks.get(parts[i] + parts[i + 1], rank))
            if ranks.get(parts[best] + parts[best + 1], rank) >= rank:
                break
            parts[best:best + 2] = [parts[best] + parts[best + 1]]
        if len(parts) == 2:
            merges.append((rank, f"{spelled[parts[0]]} {spelled[parts[1]]}"))
    tokens = [spelled[token] for token in sorted(ranks, key=ranks.get)]
    special = ["<|begin_of_text|>", "<|end_of_text|>"]
    kinds = [NORMAL] * len(tokens) + [CONTROL] * 2
    return write_vocabulary(path, "gpt2", tokens + special, kinds, "llama-bpe", [merge for _, merge in sorted(merges)],
                            ids=[("bos", len(tokens)), ("eos", len(tokens) + 1)])


def put_right(auto, kind):
    """What AutoTokenizer leaves out; see above."""
    if kind == "smollm":
        auto.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(True), pre_tokenizers.ByteLevel(False)])
    elif kind == "qwen2":
        auto.normalizer = normalizers.NFC()
    elif kind == "llama-bpe":
        auto.model.ignore_merges = True
    elif kind == "llama":
        auto.normalizer = normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")])
        auto.pre_tokenizer = None


def data_lines(root, count):
    for path in sorted(p for p in root.rglob("*") if p.suffix in SUFFIXES and p.is_file()):
        with open(path, "rb") as file:
            for number, line in enumerate(file):
                if number >= count:
                    break
                yield line.rstrip(b"\n").decode("utf-8")[:5000]


def random_lines(seed, count):
    pick = random.Random(seed)
    pieces = list("aeiouxyzAEX '.,!-_#0123456789\t\r\u00a0\u2028\u3000\u4e2d\u6587\u3042\uac00\u0e01\u00e9\u00df\ufeff\x00\x7f")
    pieces += ["  ", "   ", "e\u0301", "'s", "'LL", "\u00bd", "12345", " the", "<|im_start|>", "</s>", "<0x0A>", "\u2581",
               "\U0001f600", "\U0001f469\u200d\U0001f467", "\u017f", "n't", "<|endoftext|>", "\r\n"]
    for _ in range(count):
        yield "".join(pick.choice(pieces) for _ in range(pick.randint(0, 24)))


def differing(label, name, ours, theirs, lines, special, shown=5):
    wrong = 0
    for line, a, b in zip(lines, ours.encode_batch_fast(lines, add_special_tokens=special),
                          theirs.encode_batch_fast(lines, add_special_tokens=special)):
        if a.ids != b.ids:
            wrong += 1
            if wrong <= shown:
                print(f"{label}: {line[:60]!a}\n  ours {a.ids[:24]}\n  {name} {b.ids[:24]}")
    return wrong


def compare_program(binary, label, file, ours, lines, work):
    """What the program itself makes of the file, against tokenizers' reading of the unpacked one."""
    lines = [line for line in lines if "\n" not in line]
    text = work / "lines.txt"
    text.write_bytes("".join(line + "\n" for line in lines).encode("utf-8"))
    ran = subprocess.run([binary, "tokenize", str(file), str(text)], capture_output=True)
    if ran.returncode != 0:
        print(f"{label}: {ran.stderr.decode()}")
        return 1
    got = ran.stdout.decode().split("\n")
    wrong = sum(mine != " ".join(map(str, theirs.ids)) for mine, theirs in zip(got, ours.encode_batch_fast(lines)))
    print(f"{label}: {len(lines)} lines, {wrong} differ between the program and tokenizers", flush=True)
    return wrong


def compare_golden(label, ours, data, name):
    """llama.cpp's vectors: a line of ids for each text."""
    folder = data / "tokenizers" / "llamacpp_golden"
    texts = (folder / f"{name}.inp").read_text(encoding="utf-8").split("\n__ggml_vocab_test__\n")
    lines = (folder / f"{name}.out").read_text(encoding="utf-8").split("\n")
    wrong = 0
    for text, line in zip(texts, lines):
        ids = ours.encode(text, add_special_tokens=False).ids
        if ids != [int(number) for number in line.split()]:
            wrong += 1
            print(f"{label}: {text[:60]!a}\n  ours   {ids}\n  vector {line}")
    print(f"{label}: {len(texts)} test vectors of llama.cpp, {wrong} differ", flush=True)
    return wrong


def compare_tokenizer(binary, label, file, kind, lines, work, own=None):
    out = unpacked(binary, file, work)
    ours = Tokenizer.from_file(str(out / "tokenizer.json"))
    faults = 0
    if kind == "llama-bpe":  # AutoTokenizer gives each byte-level vocabulary GPT-2's end of text, which Llama 3 lacks
        lines = [line for line in lines if "<|endoftext|>" not in line]
    if kind is not None:
        tokenizer = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)
        auto = tokenizer.backend_tokenizer
        special = tokenizer.add_bos_token == json.loads((out / "tokenizer_config.json").read_text())["add_bos_token"]
        as_it_stands = differing(label, "AutoTokenizer", ours, auto, lines, special, shown=0)
        put_right(auto, kind)
        faults += differing(label, "AutoTokenizer", ours, auto, lines, special)
        print(f"{label}: {len(lines)} lines, {faults} differ from AutoTokenizer ({as_it_stands} as it stands)", flush=True)
        loaded = AutoTokenizer.from_pretrained(out)
        if loaded(lines[0]).input_ids != ours.encode(lines[0]).ids:
            print(f"{label}: AutoTokenizer reads the unpacked folder otherwise")
            faults += 1
    if own is not None:
        wrong = differing(label, "its own", ours, own, lines, True)
        print(f"{label}: {len(lines)} lines, {wrong} differ from the model's own tokenizer", flush=True)
        faults += wrong
    shutil.rmtree(out)
    return ours, faults


def tokenizer_cases(data, work, model):
    """Label, file, what AutoTokenizer lacks (None: it has too little), the model's own tokenizer, test vectors."""
    source = data / "tokenizers"
    if model is not None:
        yield "SmolLM2", model, "smollm", None, None
    gpt2 = of_json(source / "gpt2", work / "gpt2.gguf", "gpt-2", [("bos", "<|endoftext|>")], ["<|endoftext|>"])
    yield "GPT-2", gpt2, "gpt-2", Tokenizer.from_file(str(source / "gpt2" / "tokenizer.json")), "gpt-2"
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    qwen = of_json(source / "qwen1.5", work / "qwen.gguf", "qwen2", [("eos", "<|endoftext|>")], special)
    own = AutoTokenizer.from_pretrained(source / "qwen1.5").backend_tokenizer
    yield "Qwen", qwen, "qwen2", own, "qwen2"
    llama2 = of_sentencepiece(source / "llama2" / "tokenizer.model", work / "llama2.gguf")
    yield "Llama 2", llama2, "llama", Tokenizer.from_file(str(source / "llama2" / "tokenizer.json")), "llama-spm"
    yield "Llama 3", of_ranks(source / "llama3" / "tokenizer.model", work / "llama3.gguf"), "llama-bpe", None, "llama-bpe"
    deepseek = source / "deepseek-llm" / "ggml-vocab-deepseek-llm.gguf"
    yield "DeepSeek LLM", deepseek, None, None, "deepseek-llm"


def main():
    root = pathlib.Path(__file__).resolve().parent.parent.parent
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("binary")
    options.add_argument("model", type=pathlib.Path, nargs="?", help="folder with one GGUF file")
    options.add_argument("--data", type=pathlib.Path, default=root.parent / "shared" / "data")
    options.add_argument("--lines", type=int, default=100)
    options.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**31))
    given = options.parse_args()
    logging.disable(logging.WARNING)
    print(f"gguf_live: seed {given.seed}")
    faults = []
    with tempfile.TemporaryDirectory() as name:
        work = pathlib.Path(name)
        model = next(iter(sorted(given.model.glob("*.gguf"))), None) if given.model else None
        if model is None:
            print("gguf_live: no real GGUF file is here: only those made now are compared")
        else:
            faults += compare_model(given.binary, model, work)
        for file in random_models(work / "random", given.seed):
            faults += compare_model(given.binary, file, work)
        if not given.data.exists():
            print(f"gguf_live: {given.data} is not here: no tokenizer is compared")
        else:
            file, original = stories(given.data, work)
            faults += compare_model(given.binary, file, work, original)
            lines = list(data_lines(given.data, given.lines)) + list(random_lines(given.seed, 3000))
            for label, file, kind, own, vectors in tokenizer_cases(given.data, work, model):
                ours, wrong = compare_tokenizer(given.binary, label, file, kind, lines, work, own)
                wrong += compare_program(given.binary, label, file, ours, lines, work)
                if vectors is not None:
                    wrong += compare_golden(label, ours, given.data, vectors)
                if wrong:
                    faults.append(f"{label}: {wrong} lines differ")
    for fault in faults:
        print(f"gguf_live: error: {fault}")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
