"""The package's tokenizers for BPE vocabularies that come without a tokenizer.json: tiktoken's files, CLIP's list of
merges, vocab.json with merges.txt, llama.cpp's GGUF files. For each, the pipeline is the one of the model's family."""
import base64
import gzip
import json
import struct

from tokenizers import Tokenizer, models, pre_tokenizers

from bpe_stages import (CLIP, DEEPSEEK_LLM, LLAMA3, QWEN, byte_level, pre, replace, sequence, split, whole_file)

TO_BYTES = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}


def bytes_to_characters():
    """The character of each byte, in the order of CLIP's vocabulary."""
    kept = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    rest = [byte for byte in range(256) if byte not in kept]
    return {byte: chr(byte) for byte in kept} | {byte: chr(0x100 + i) for i, byte in enumerate(rest)}


def bpe(vocab, merges, **settings):
    return {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None, "end_of_word_suffix": None,
            "fuse_unk": False, "byte_fallback": False, "ignore_merges": False, "vocab": vocab, "merges": merges, **settings}


def tiktoken(path):
    """Llama 3: every way in which a token comes apart into two others is a merge, at the token's rank."""
    ranks = {base64.b64decode(token): int(rank) for token, rank in (line.split() for line in path.read_bytes().splitlines())}
    names, merges = bytes_to_characters(), []
    for token, rank in ranks.items():
        ways = [(token[:i], token[i:]) for i in range(1, len(token)) if token[:i] in ranks and token[i:] in ranks]
        merges += [(rank, *way) for way in sorted(ways, key=lambda way: (ranks[way[0]], ranks[way[1]]))]

    def shown(token):
        return "".join(names[byte] for byte in token)
    merges.sort(key=lambda merge: merge[0])
    model = bpe({shown(token): rank for token, rank in ranks.items()}, [[shown(a), shown(b)] for _, a, b in merges],
                ignore_merges=True)
    return whole_file(model, {"pre_tokenizer": pre(split(LLAMA3), byte_level()), "decoder": TO_BYTES})


def clip(path):
    lines = gzip.decompress(path.read_bytes()).decode().split("\n")[1:49152 - 256 - 2 + 1]
    letters = list(bytes_to_characters().values())
    merges = [line.split() for line in lines]
    words = letters + [c + "</w>" for c in letters] + ["".join(pair) for pair in merges] + ["<|startoftext|>", "<|endoftext|>"]
    model = bpe({word: i for i, word in enumerate(words)}, merges, unk_token="<|endoftext|>", end_of_word_suffix="</w>",
                continuing_subword_prefix="")
    return whole_file(model, {
        "normalizer": sequence("normalizers", {"type": "NFC"}, replace(r"\s+", " ", "Regex"), {"type": "Lowercase"}),
        "pre_tokenizer": pre(split(CLIP, "Removed", True), byte_level()), "decoder": {"type": "BPEDecoder", "suffix": "</w>"}})


def gguf_values(path):
    """The metadata alone."""
    data, at = path.read_bytes(), 24
    sizes = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}

    def number(form):
        nonlocal at
        value, = struct.unpack_from("<" + form, data, at)
        at += struct.calcsize("<" + form)
        return value

    def value(kind):
        nonlocal at
        if kind == 8:
            size = number("Q")
            at += size
            return data[at - size:at].decode()
        if kind == 9:
            inner, count = number("I"), number("Q")
            return [value(inner) for _ in range(count)]
        return number(sizes[kind])
    count, = struct.unpack_from("<Q", data, 16)
    return {value(8): value(number("I")) for _ in range(count)}


def deepseek_llm(path):
    values = gguf_values(path)
    vocab = {token: i for i, token in enumerate(values["tokenizer.ggml.tokens"])}
    model = bpe(vocab, values["tokenizer.ggml.merges"])
    return whole_file(model, {"decoder": TO_BYTES, "pre_tokenizer": pre(
        *map(split, DEEPSEEK_LLM), {"type": "Digits", "individual_digits": True}, byte_level())})


def from_two_files(folder, qwen):
    """What transformers builds for GPT-2's and Qwen 2's classes."""
    made = Tokenizer(models.BPE.from_file(str(folder / "vocab.json"), str(folder / "merges.txt")))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.add_special_tokens(["<|endoftext|>"] + (["<|im_start|>", "<|im_end|>"] if qwen else []))
    file = json.loads(made.to_str())
    if qwen:
        file.update(normalizer={"type": "NFC"}, pre_tokenizer=pre(split(QWEN), byte_level()))
    return Tokenizer.from_str(json.dumps(file))


def real_models(data, folder):
    """Yields a name, the file or folder that we read, and the package's tokenizer; what has to be made goes to `folder`."""
    root = data / "tokenizers"
    for path in sorted(root.glob("*/*tokenizer*.json")):
        if "model" in json.loads(path.read_text()):
            yield f"{path.parent.name}/{path.name}", path, Tokenizer.from_file(str(path))
    made = {"llama3": (tiktoken, root / "llama3" / "tokenizer.model"),
            "tiktoken small": (tiktoken, root / "torchtune_fixtures" / "tiktoken_small.model"),
            "clip": (clip, root / "clip" / "bpe_simple_vocab_16e6.txt.gz"),
            "deepseek llm": (deepseek_llm, root / "deepseek-llm" / "ggml-vocab-deepseek-llm.gguf")}
    for name, (build, path) in made.items():
        if path.exists():
            ours = folder / f"{name}.json"
            ours.write_text(json.dumps(build(path)))
            yield name, ours, Tokenizer.from_file(str(ours))
    for name in ("gpt2", "qwen1.5"):
        if (root / name / "vocab.json").exists():
            ours = folder / f"{name} in two files"
            ours.mkdir()
            for file in ("vocab.json", "merges.txt", "config.json", "tokenizer_config.json"):
                if (root / name / file).exists():
                    (ours / file).write_bytes((root / name / file).read_bytes())
            yield ours.name, ours, from_two_files(ours, name != "gpt2")


def published_strings(data):
    for path in sorted((data / "tokenizers" / "llamacpp_golden").glob("*.inp")):
        yield from path.read_bytes().decode().split("\n__ggml_vocab_test__\n")
