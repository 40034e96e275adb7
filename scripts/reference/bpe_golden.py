#!/usr/bin/env python3
"""Writes tests/text/golden/bpe.json: lines, and what the tokenizers package makes of them through tokenizers over BPE:
ids, places, texts, texts as they come id by id, and texts of ids in no order.

    bpe_golden.py [--out FILE]
"""
import argparse
import json
import pathlib
import random
import sys

import tokenizers
from tokenizers import Tokenizer
from tokenizers.decoders import DecodeStream

from bpe_stages import is_composing, learnt_models, stages, whole_file
from tokenizer_golden import byte_spans
from tokenizer_live import WANTED_VERSION, random_bpe_lines

LINES = ["", " ", "   ", "Hello, World!", "don't STOP -- we'LL 'Re 'ſ she'd", "naïve café e\u0301te\u0301 résumé", "a  b   c \n\n  d\r\n\te \n",
         "1234567 12.5 ½ ⅷ ٣٤ 𑱐", "中文 and 日本語 カ\u3099 한국어 각", "\u00a0x\u2028y\u3000 z ", "🙂🙂 👩\u200d🚀", "𐵀𐵁 \U00013460 Ᲊ Ა",
         "x" * 70, " question stop questionstop", "<mask> a  <mask>b<right>  c<|end|><|end|>", "ény ÉNY xény e\u0301ny the film THE",
         "<tool> a<tool>b <tool>", "  lead and trail  ", "<unk> <s>x", "HelloWorld fooBar12Baz", "ß ǅ İ ǆ", "a\u0301\u0323 \u1e69", "\x00\x07\x7f\x85"]
WITH_PLACES = ["roberta", "llama3", "deepseek v3", "added, trimmed", "llama2", "metaspace first cut", "unknown fused"]
WITH_TEXTS = ["gpt2", "added", "clip", "llama2", "metaspace always cut", "metaspace never whole", "word pieces"]
LEARN = ["the question is whether the film is good", "don't stop; she'd do it, we'll see", "hello world, hello words",
         "lower lowest newest widest", "12 123 1234 2024", "中文 日本語 café naïve résumé", "foo_bar(x) { return 42; }"] * 3


def main():
    root = pathlib.Path(__file__).resolve().parent.parent.parent
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--out", type=pathlib.Path, default=root / "tests" / "text" / "golden" / "bpe.json")
    out = options.parse_args().out
    if tokenizers.__version__ != WANTED_VERSION:
        sys.exit(f"tokenizers {tokenizers.__version__} is installed; the reference is {WANTED_VERSION}")
    lines = LINES + list(random_bpe_lines(11, 12))
    found = learnt_models(LEARN)
    golden = {"package": f"tokenizers {WANTED_VERSION}", "lines": lines, "models": found, "cases": []}
    pick = random.Random(5)
    for name, model, rest in stages(found):
        made = Tokenizer.from_str(json.dumps(whole_file(found[model], rest)))
        encodings = made.encode_batch(lines)
        case = {"name": name, "model": model, "rest": rest, "ids": [e.ids for e in encodings]}
        if not is_composing(rest) and name in WITH_PLACES:
            case["spans"] = [byte_spans(line, e) for line, e in zip(lines, encodings)]
        if name in WITH_TEXTS:
            case["decoded"] = [made.decode(e.ids) for e in encodings]
            ids = [pick.randrange(len(found[model]["vocab"])) for _ in range(40)]
            case["loose"] = {"ids": ids, "decoded": made.decode(ids)}
            ids, stream = [i for e in encodings[3:14] for i in e.ids], DecodeStream(skip_special_tokens=True)
            case["stream"] = {"ids": ids, "texts": [stream.step(made, i) or "" for i in ids]}
        golden["cases"].append(case)
    out.write_text(json.dumps(golden, ensure_ascii=True, separators=(",", ":")).replace('{"name"', '\n{"name"') + "\n")


if __name__ == "__main__":
    main()
