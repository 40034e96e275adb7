#!/usr/bin/env python3
"""Compares `BINARY tokenize` with the tokenizers package, for BERT's tokenizer, its options and the other stages that
are supported, and for BPE: the real tokenizers of the data folder and small ones of all stages. Every line of every
text file of a data folder, every code point alone, between two letters and around a combining mark, and random lines.
Tokenizers other than the first see 200 lines of each file and random lines; with --full (hours) they see everything,
and WordPiece's code points also go through a vocabulary that has each of them, so that ids hide nothing.

    tokenizer_live.py BINARY [--data DIR] [--model FOLDER]... [--only TEXT] [--full] [--seed N]

Ids must be equal. Ends with code 1 and the first lines that differ, or prints how much was compared.
"""
import argparse
import json
import pathlib
import random
import subprocess
import sys
import tempfile

import tokenizers
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

WANTED_VERSION = "0.23.3"
SUFFIXES = {".tsv", ".jsonl", ".txt", ".json"}
MOST_CHARACTERS = 4_000_000  # in one run of the program


def bert(vocab, lower=True, accents=None, chinese=True):
    """What transformers builds around a vocab.txt."""
    tokens = {line.rstrip("\n"): i for i, line in enumerate(open(vocab, encoding="utf-8"))}
    made = Tokenizer(models.WordPiece(tokens, unk_token="[UNK]"))
    made.add_special_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])
    made.normalizer = normalizers.BertNormalizer(clean_text=True, handle_chinese_chars=chinese,
                                                 strip_accents=accents, lowercase=lower)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.decoder = decoders.WordPiece(prefix="##")
    ends = [("[CLS]", tokens["[CLS]"]), ("[SEP]", tokens["[SEP]"])]
    made.post_processor = processors.TemplateProcessing(
        single="[CLS]:0 $A:0 [SEP]:0", pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1", special_tokens=ends)
    return made


def bert_folder(folder, vocab, **options):
    """The same, for us: a vocab.txt with its tokenizer_config.json."""
    folder.mkdir()
    (folder / "vocab.txt").write_bytes(pathlib.Path(vocab).read_bytes())
    names = {"lower": "do_lower_case", "accents": "strip_accents", "chinese": "tokenize_chinese_chars"}
    (folder / "tokenizer_config.json").write_text(json.dumps({names[k]: v for k, v in options.items()}))
    return folder


def stages(vocab):
    """Tokenizers that cover the stages other than BERT's own, by name."""
    n, p = normalizers, pre_tokenizers
    combinations = {
        "nfc": (n.NFC(), p.WhitespaceSplit()),
        "nfd": (n.NFD(), p.Whitespace()),
        "nfkc": (n.Sequence([n.NFKC(), n.Lowercase()]), p.Punctuation()),
        "nfkd": (n.Sequence([n.NFKD(), n.StripAccents(), n.Lowercase(), n.Strip()]), p.BertPreTokenizer()),
        "none": (None, p.Sequence([p.WhitespaceSplit(), p.Digits(individual_digits=True)])),
        "digits": (n.Lowercase(), p.Sequence([p.Whitespace(), p.Digits(individual_digits=False)])),
        "strip": (n.Strip(left=True, right=False), None),
        "previous": (n.Lowercase(), p.Sequence([p.WhitespaceSplit(), p.Punctuation("merged_with_previous")])),
        "next": (n.Lowercase(), p.Sequence([p.WhitespaceSplit(), p.Punctuation("merged_with_next")])),
        "contiguous": (n.Lowercase(), p.Sequence([p.WhitespaceSplit(), p.Punctuation("contiguous")])),
        "removed": (n.Lowercase(), p.Sequence([p.WhitespaceSplit(), p.Punctuation("removed")])),
    }
    made = {}
    for name, (normalizer, pre_tokenizer) in combinations.items():
        made[name] = bert(vocab)
        if normalizer is None:
            file = json.loads(made[name].to_str())
            file["normalizer"] = None
            made[name] = Tokenizer.from_str(json.dumps(file))
        else:
            made[name].normalizer = normalizer
        if pre_tokenizer is None:
            file = json.loads(made[name].to_str())
            file["pre_tokenizer"] = None
            made[name] = Tokenizer.from_str(json.dumps(file))
        else:
            made[name].pre_tokenizer = pre_tokenizer
    made["added"] = bert(vocab)
    made["added"].add_tokens([
        AddedToken("<mask>", lstrip=True, normalized=False, special=True),
        AddedToken("<right>", rstrip=True, normalized=False),
        AddedToken("Ény", normalized=True, single_word=True),
        AddedToken("the film", normalized=True, lstrip=True, rstrip=True),
        AddedToken("the", normalized=True, single_word=True),
        AddedToken("<m", normalized=False),
        AddedToken("  ", normalized=False),
    ])
    return made


def code_point_lines():
    for pattern in ("{}", "a{}b", "\u0301{}", "e\u0301{}"):
        for code in range(0x110000):
            if 0xD800 <= code < 0xE000 or code == 0x0A:
                continue
            yield pattern.format(chr(code))


def random_lines(seed, count):
    """Lines of the things that go wrong: marks in any order, white space, controls, added tokens, long words."""
    pick = random.Random(seed)
    marks = [chr(c) for c in range(0x300, 0x370)] + list("\u0591\u05b0\u0f71\u0f72\u0f74\u1dfa\u20d0\u3099\u302a")
    pieces = list("aeiouAEIOUxyz '.,!-_#0123456789İıſßΣςéÉçÅåÑ中文字カガ가각한\t\r\v\f\x00\x7f\x85\xa0\xad\u2000\u2028\u200b\ufeff")
    pieces += marks + ["[MASK]", "[mask]", "[SEP]", "<mask>", "<right>", " <m", "ÉNY", "e\u0301ny", "The film", "the",
                       "  ", "##ing", "a" * 100, "b" * 101, "\U0001f600", "\U00011938", "\u09c7\u09be", "\u1100\u1161"]
    for _ in range(count):
        yield "".join(pick.choice(pieces) for _ in range(pick.randint(0, 24)))


def random_bpe_lines(seed, count):
    """Lines of what byte-level and SentencePiece tokenizers can get wrong: blanks and ends of lines in all mixtures,
    contractions, digits, scripts, marks, code points that are newer than some tables, tokens that look added."""
    pick = random.Random(seed)
    pieces = list("aeiouAEIOUxyzsStTrRmMdDlL '.,!?-_#()[]{}<>/\\|@$%^&*+=~`\"0123456789")
    pieces += ["'s", "'S", "'ll", "'LL", "'\u017f", "'re", "'ve", " ", "  ", "   ", "\n", "\n\n", "\r\n", "\t", "\v", "\f", "\x1c"]
    pieces += list("\x85\xa0\u2028\u3000\u200b\ufeff\u0301\u0323\u00e9\u4e2d\u6587\u3042\uac00\u0130\u017f\u212a\u00bd\u0663\u216b\u09f4")
    pieces += ["e\u0301", "\u30ab\u3099", "\u1100\u1161", "\U0001f600", "\U00010d40", "\U00013460", "\u2581", "<0x0A>", "a" * 70]
    pieces += ["<mask>", "<right>", "<tool>", "<s>", "</s>", "<unk>", "<|endoftext|>", "<|im_start|>", "<think>", "<\uff5cUser\uff5c>",
               "<\uff5cbegin\u2581of\u2581sentence\uff5c>", "the film", "ény"]
    for _ in range(count):
        yield "".join(pick.choice(pieces) for _ in range(pick.randint(0, 30)))


def every_code_point(made):
    """The same stages over a vocabulary of all code points, at the start of a word and within."""
    words = ["[UNK]"] + [w for c in range(1, 0x110000) if not 0xD800 <= c < 0xE000 for w in (chr(c), "##" + chr(c))]
    file = json.loads(made.to_str())
    file.update(added_tokens=[], post_processor=None)
    file["model"]["vocab"] = {word: i for i, word in enumerate(words)}
    return Tokenizer.from_str(json.dumps(file))


def data_lines(root, few):
    for path in sorted(p for p in root.rglob("*") if p.suffix in SUFFIXES and p.is_file()):
        for number, line in enumerate(path.read_bytes().split(b"\n")):
            if not few or number < 200:
                yield line.decode("utf-8")


def chunks(lines):
    held, size = [], 0
    for line in lines:
        held.append(line)
        size += len(line)
        if size > MOST_CHARACTERS:
            yield held
            held, size = [], 0
    if held:
        yield held


def ours(binary, model, lines, folder):
    file = folder / "lines.txt"
    several = any("\n" in line for line in lines)
    end = "\0" if several else "\n"
    file.write_bytes("".join(line + end for line in lines).encode("utf-8"))
    ran = subprocess.run([binary, "tokenize", str(model), str(file)] + ["--null"] * several, capture_output=True)
    if ran.returncode != 0:
        sys.exit(f"{binary} tokenize {model} failed with {ran.returncode}: {ran.stderr.decode()}")
    return ran.stdout.decode().split("\n")[:-1]


def compare(binary, name, model, theirs, lines, folder):
    theirs.no_truncation()
    theirs.no_padding()
    compared = differing = 0
    for held in chunks(lines):
        got = ours(binary, model, held, folder)
        if len(got) != len(held):
            sys.exit(f"{name}: {len(held)} lines went in, {len(got)} came out")
        for line, mine, encoding in zip(held, got, theirs.encode_batch_fast(held)):
            compared += 1
            wanted = " ".join(map(str, encoding.ids))
            if mine != wanted:
                differing += 1
                if differing <= 10:
                    print(f"{name}: {line[:60]!a}\n  ours    {mine[:200]}\n  package {wanted[:200]}")
    print(f"{name}: {compared} lines, {differing} differ", flush=True)
    return differing


def main():
    root = pathlib.Path(__file__).resolve().parent.parent.parent
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("binary")
    options.add_argument("--data", type=pathlib.Path, default=root.parent / "shared" / "data")
    options.add_argument("--model", type=pathlib.Path, action="append", help="folder with a tokenizer.json")
    options.add_argument("--only", help="a part of the names of those to compare")
    options.add_argument("--full", action="store_true")
    options.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**31))
    given = options.parse_args()
    if tokenizers.__version__ != WANTED_VERSION:
        sys.exit(f"tokenizers {tokenizers.__version__} is installed; the reference is {WANTED_VERSION}: "
                 f"pip install tokenizers=={WANTED_VERSION}")
    vocab = given.data / "tokenizers" / "bert-base-uncased" / "vocab.txt"
    if not vocab.exists():
        sys.exit(f"{vocab}: not there; name the data folder with --data")
    print(f"tokenizers {tokenizers.__version__}, seed {given.seed}")
    differing = 0
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        cases = []
        for label, settings in {
            "uncased": {}, "cased": {"lower": False}, "cased, no accents": {"lower": False, "accents": True},
            "uncased, accents": {"accents": False}, "no ideographs": {"chinese": False},
        }.items():
            cases.append((label, bert_folder(folder / label, vocab, **settings), bert(vocab, **settings)))
        for label, made in stages(vocab).items():
            made.save(str(folder / f"{label}.json"))
            cases.append((label, folder / f"{label}.json", made))
        # Here, as they need this file's lines.
        from bpe_models import published_strings, real_models
        from bpe_stages import learnt_models, stages as bpe_stages, whole_file
        wordpiece = len(cases)
        cases += real_models(given.data, folder)
        found = learnt_models(list(random_bpe_lines(given.seed, 200)) + list(published_strings(given.data)))
        for label, model, rest in bpe_stages(found):
            path = folder / f"bpe {label}.json"
            path.write_text(json.dumps(whole_file(found[model], rest)))
            cases.append((path.stem, path, Tokenizer.from_file(str(path))))
        installed = root / ".deps" / "models" / "minilm-l6"
        for path in given.model or [p for p in [installed] if (p / "tokenizer.json").exists()]:
            cases.append((str(path), path, Tokenizer.from_file(str(path / "tokenizer.json"))))
        for number, (label, model, made) in enumerate(cases):
            if given.only and given.only not in label:
                continue
            whole = number == 0 or given.full
            count = 50_000 if given.full else 5_000
            lines = {"random": random_lines(given.seed + number, count), "data": data_lines(given.data, not whole)}
            if number >= wordpiece:
                lines["blanks and scripts"] = [*random_bpe_lines(given.seed + number, count), *published_strings(given.data)]
            if whole:
                lines["code points"] = code_point_lines()
            for kind, source in lines.items():
                differing += compare(given.binary, f"{label} ({kind})", model, made, source, folder)
            if given.full and number < wordpiece:
                large = every_code_point(made)
                large.save(str(folder / "large.json"))
                differing += compare(given.binary, f"{label} (code points, each in the vocabulary)",
                                     folder / "large.json", large, code_point_lines(), folder)
    sys.exit(bool(differing))


if __name__ == "__main__":
    main()
