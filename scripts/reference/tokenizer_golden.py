#!/usr/bin/env python3
"""Writes tests/text/golden/tokenizers.json: lines, and what the tokenizers package makes of them through each of the
supported stages, over a small vocabulary of single characters and a few words, so that ids show every step.

    tokenizer_golden.py [--out FILE]
"""
import argparse
import json
import pathlib
import sys

import tokenizers
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from tokenizer_live import WANTED_VERSION, random_lines

# One code point for each way in which Unicode versions, or the package's tables, differ from one another.
CODES = [0x00, 0x09, 0x0B, 0x0D, 0x1C, 0x7F, 0x85, 0xA0, 0xAD, 0x130, 0x131, 0x17F, 0x1C5, 0x378, 0x3A3, 0x378, 0x605,
         0x890, 0x8D4, 0x8E2, 0x958, 0x9CB, 0xF73, 0x1161, 0x1680, 0x166D, 0x1734, 0x180E, 0x1885, 0x1AB0, 0x1C89, 0x1C90,
         0x1CF2, 0x1DF6, 0x1E9E, 0x2028, 0x202F, 0x2160, 0x2460, 0x2E43, 0x3000, 0x3099, 0x32FF, 0x3400, 0x4DB6, 0x9FFF,
         0xA7CB, 0xA7DC, 0xA9BD, 0xAC01, 0xE000, 0xF900, 0xFB01, 0xFDFA, 0xFEFF, 0xFF21, 0xFFFD, 0x10D40, 0x10D50,
         0x10E60, 0x110CD, 0x111C9, 0x11938, 0x11DE0, 0x16EA0, 0x1D15E, 0x1D400, 0x1F23B, 0x1F600, 0x2A6D7, 0x2B820,
         0x2B920, 0x2EBF0, 0x2F800, 0xE0001, 0xF0000, 0x10FFFF]
LINES = ["", " ", "Hello, World!", "don't stop -- now... (it's fine)", "naïve café résumé", "Ångström ÅNGSTRÖM", "ΟΔΥΣΣΕΥΣ",
         "İstanbul ıssız", "中文 and 日本語 カガ 각", "[CLS] a [MASK] [SEP]", "[mask] [MASK]s", "a\tb\rc\x0bd\x00e", "12,345 ½ ⅷ ٣",
         "x" * 100, "x" * 101, "##ing ing", "e\u0323\u0301 e\u0301\u0323 \u1e69 s\u0323\u0307", "<mask> a  <mask>b<right>  c",
         "the film THE FILM thefilm the", "ény ÉNY xény e\u0301ny"]
PAIRS = [("a b c d e f", "g h"), ("a b", "c d e f g h"), ("a b c d", "e f g h"), ("", "a"), ("a b c", ""), ("a b c d e", "f g h i j")]


def cases():
    n, p = normalizers, pre_tokenizers
    bert_pre = p.BertPreTokenizer()

    def bert_normalizer(**changed):
        return n.BertNormalizer(**{"clean_text": True, "handle_chinese_chars": True, "strip_accents": None,
                                   "lowercase": True, **changed})

    yield "bert", bert_normalizer(), bert_pre
    yield "bert cased", bert_normalizer(lowercase=False), bert_pre
    yield "bert cased without accents", bert_normalizer(lowercase=False, strip_accents=True), bert_pre
    yield "bert with accents", bert_normalizer(strip_accents=False), bert_pre
    yield "bert bare", bert_normalizer(clean_text=False, handle_chinese_chars=False), bert_pre
    yield "nfc", n.NFC(), p.WhitespaceSplit()
    yield "nfd", n.NFD(), p.Whitespace()
    yield "nfkc", n.Sequence([n.NFKC(), n.Lowercase()]), p.Punctuation()
    yield "nfkd", n.Sequence([n.NFKD(), n.StripAccents(), n.Strip()]), p.Digits(individual_digits=True)
    yield "strip right", n.Strip(left=False, right=True), p.Sequence([p.Whitespace(), p.Digits(individual_digits=False)])
    for behavior in ("removed", "merged_with_previous", "merged_with_next", "contiguous"):
        yield behavior, n.Lowercase(), p.Sequence([p.WhitespaceSplit(), p.Punctuation(behavior)])


def build(vocab, normalizer, pre_tokenizer):
    made = Tokenizer(models.WordPiece(vocab, unk_token="[UNK]"))
    made.normalizer, made.pre_tokenizer = normalizer, pre_tokenizer
    made.decoder = decoders.WordPiece(prefix="##")
    made.add_special_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])
    made.add_tokens([AddedToken("<mask>", lstrip=True, normalized=False, special=True),
                     AddedToken("<right>", rstrip=True, normalized=False),
                     AddedToken("Ény", normalized=True, single_word=True),
                     AddedToken("the film", normalized=True)])
    made.post_processor = processors.TemplateProcessing(
        single="[CLS]:0 $A:0 [SEP]:0", pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    return made


def vocabulary(lines):
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "hello", "##ello", "wor", "##ld", "film", "##ing", "caf", "istanbul"]
    letters = set()
    for _, normalizer, _ in cases():
        for line in lines:
            letters |= set(normalizer.normalize_str(line))
    words += [w for c in sorted(letters) for w in (c, "##" + c) if w not in words]
    return {word: i for i, word in enumerate(words)}


def byte_spans(line, encoding):
    at = [0]
    for c in line:
        at.append(at[-1] + len(c.encode("utf-8")))
    return [[at[a], at[b]] for a, b in encoding.offsets]


def main():
    root = pathlib.Path(__file__).resolve().parent.parent.parent
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--out", type=pathlib.Path, default=root / "tests" / "text" / "golden" / "tokenizers.json")
    out = options.parse_args().out
    if tokenizers.__version__ != WANTED_VERSION:
        sys.exit(f"tokenizers {tokenizers.__version__} is installed; the reference is {WANTED_VERSION}")
    lines = LINES + [f"a{chr(c)}b" for c in CODES] + [f"e\u0301{chr(c)}X" for c in CODES] + list(random_lines(7, 40))
    vocab = vocabulary(lines)
    golden = {"package": f"tokenizers {WANTED_VERSION}", "lines": lines, "cases": []}
    for name, normalizer, pre_tokenizer in cases():
        made = build(vocab, normalizer, pre_tokenizer)
        file = json.loads(made.to_str())
        golden["model"] = file.pop("model")
        encodings = made.encode_batch(lines)
        case = {"name": name, "tokenizer": file, "ids": [e.ids for e in encodings]}
        if name == "bert":
            case["spans"] = [byte_spans(line, e) for line, e in zip(lines, encodings)]
            case["decoded"] = [made.decode(e.ids) for e in encodings]
            case["pairs"] = []
            for first, second in PAIRS:
                for length in range(3, 12):
                    made.enable_truncation(length)
                    e = made.encode(first, second)
                    case["pairs"].append({"first": first, "second": second, "length": length, "ids": e.ids, "segments": e.type_ids})
        golden["cases"].append(case)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(golden, ensure_ascii=True, separators=(",", ":")).replace('{"name"', '\n{"name"') + "\n")


if __name__ == "__main__":
    main()
