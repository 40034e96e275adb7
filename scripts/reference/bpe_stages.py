"""Tokenizers over BPE that between them use every stage that is supported, as dictionaries in the form of
tokenizer.json: what bpe_golden.py and tokenizer_live.py build the package's tokenizers from. Their vocabularies are
learnt from a few lines, so that they are small and show every step."""
import json
import re

from tokenizers import Tokenizer, models, pre_tokenizers, trainers

CONTRACTIONS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
ENDS = r"\s*[\r\n]+|\s+(?!\S)|\s+"
LLAMA3 = rf"{CONTRACTIONS}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}{{1,3}}| ?[^\s\p{{L}}\p{{N}}]+[\r\n]*|{ENDS}"
QWEN = LLAMA3.replace("{1,3}", "")
DEEPSEEK_V3 = (r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|"
               + ENDS)
DEEPSEEK_LLM = [r"[\r\n]", r"\s?\p{L}+", r"\s?[!-/:-~！-／：-～‘-‟　-。]+", r"\s+$", "[一-龥ࠀ-一가-퟿]+"]
UPPER, LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
WORDS_IN_CASES = (rf"[^\r\n\p{{L}}\p{{N}}]?{UPPER}*{LOWER}+{CONTRACTIONS}?|[^\r\n\p{{L}}\p{{N}}]?{UPPER}+{LOWER}*{CONTRACTIONS}?|"
                  rf"\p{{N}}{{1,3}}| ?[^\s\p{{L}}\p{{N}}]+[\r\n/]*|{ENDS}")
CLIP = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
HAN_APART = rf"[\p{{Han}}]+|[^\r\n\p{{L}}\p{{N}}]?[\p{{L}}\p{{M}}&&[^\p{{Han}}]]+|\p{{N}}{{1,3}}| ?[^\s\p{{L}}\p{{N}}]+[\r\n]*|{ENDS}"


def split(pattern, behavior="Isolated", invert=False, kind="Regex"):
    return {"type": "Split", "pattern": {kind: pattern}, "behavior": behavior, "invert": invert}


def byte_level(prefix=False, regex=False):
    return {"type": "ByteLevel", "add_prefix_space": prefix, "trim_offsets": True, "use_regex": regex}


def metaspace(scheme="always", cut=True):
    return {"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": cut}


def sequence(key, *parts):
    return {"type": "Sequence", key: list(parts)}


def pre(*parts):
    return sequence("pretokenizers", *parts)


def replace(pattern, content, kind="String"):
    return {"type": "Replace", "pattern": {kind: pattern}, "content": content}


def template(start, id_):
    def piece(name, segment):
        return {"Sequence": {"id": name, "type_id": segment}}

    def special(segment):
        return {"SpecialToken": {"id": start, "type_id": segment}}
    return {"type": "TemplateProcessing", "single": [special(0), piece("A", 0)],
            "pair": [special(0), piece("A", 0), special(1), piece("B", 1)],
            "special_tokens": {start: {"id": start, "ids": [id_], "tokens": [start]}}}


def added(content, id_, **flags):
    return {"id": id_, "content": content, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
            "special": False, **flags}


def learn(lines, size, pre_tokenizer, first=(), **settings):
    trainer_settings = {k: v for k, v in settings.items() if k in ("continuing_subword_prefix", "end_of_word_suffix")}
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizer
    made.train_from_iterator(lines, trainers.BpeTrainer(vocab_size=size, special_tokens=list(first), show_progress=False,
                                                        min_frequency=1, limit_alphabet=150, **trainer_settings))
    model = json.loads(made.to_str())["model"]
    model.update(settings)
    return model


def learnt_models(lines):
    """Byte-level, with byte fallback, with unknown tokens, with a suffix, with a prefix."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    level, blanks = pre_tokenizers.ByteLevel(add_prefix_space=False), pre_tokenizers.Metaspace()
    whole = learn(lines, 420, level, alphabet)
    fallback = ["<unk>"] + [f"<0x{byte:02X}>" for byte in range(256)]
    found = {
        "bytes": whole,
        "bytes whole": {**whole, "ignore_merges": True, "vocab": {**whole["vocab"], "Ġquestion": 420, "stop": 421}},
        "fallback": learn(lines, 450, blanks, fallback, unk_token="<unk>", byte_fallback=True, fuse_unk=True),
        "unknown": learn(lines, 220, blanks, ["<unk>"], unk_token="<unk>"),
        "unknown fused": learn(lines, 220, blanks, ["<unk>"], unk_token="<unk>", fuse_unk=True),
        "dropped": learn(lines, 220, blanks),
        "suffix": learn(lines, 500, level, alphabet + [c + "</w>" for c in alphabet] + ["<end>"], unk_token="<end>",
                        end_of_word_suffix="</w>"),
        "prefix": learn(lines, 260, pre_tokenizers.Whitespace(), ["[UNK]"], unk_token="[UNK]",
                        continuing_subword_prefix="##"),
    }
    return found


def stages(found):
    """Yields name, model's name and the rest of tokenizer.json."""
    to_bytes = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}
    trim, plain = dict(to_bytes), {**to_bytes, "trim_offsets": False}
    fallback_decoder = sequence("decoders", replace("▁", " "), {"type": "ByteFallback"}, {"type": "Fuse"},
                                {"type": "Strip", "content": " ", "start": 1, "stop": 0})
    size = len(found["bytes"]["vocab"])
    wanted = [added("<mask>", size, lstrip=True, special=True), added("<right>", size + 1, rstrip=True),
              added("Ény", size + 2, normalized=True, single_word=True), added("the film", size + 3, normalized=True),
              added("<|end|>", size + 4, special=True, normalized=True)]
    qwen = {"normalizer": {"type": "NFC"}, "pre_tokenizer": pre(split(QWEN), byte_level()), "decoder": to_bytes}

    yield "gpt2", "bytes", {"pre_tokenizer": byte_level(regex=True), "post_processor": plain, "decoder": to_bytes}
    yield "roberta", "bytes", {
        "pre_tokenizer": byte_level(prefix=True, regex=True), "decoder": to_bytes, "post_processor": {
            "type": "RobertaProcessing", "sep": ["!", found["bytes"]["vocab"]["!"]],
            "cls": ["a", found["bytes"]["vocab"]["a"]], "trim_offsets": True, "add_prefix_space": True}}
    yield "llama3", "bytes whole", {
        "pre_tokenizer": pre(split(LLAMA3), byte_level()), "decoder": to_bytes,
        "post_processor": sequence("processors", trim, template("a", found["bytes"]["vocab"]["a"]))}
    yield "qwen", "bytes", qwen
    yield "deepseek v3", "bytes", {
        "normalizer": sequence("normalizers"), "decoder": to_bytes, "pre_tokenizer": pre(
            split(r"\p{N}{1,3}"), split("[一-龥぀-ゟ゠-ヿ]+"), split(DEEPSEEK_V3), byte_level())}
    yield "deepseek llm", "bytes", {"decoder": to_bytes, "pre_tokenizer": pre(
        *map(split, DEEPSEEK_LLM), {"type": "Digits", "individual_digits": True}, byte_level())}
    yield "words in cases", "bytes", {
        "normalizer": {"type": "NFC"}, "decoder": to_bytes,
        "pre_tokenizer": pre(split(WORDS_IN_CASES, "Removed", True), byte_level())}
    yield "han apart", "bytes", {"pre_tokenizer": pre(split(HAN_APART), byte_level()), "decoder": to_bytes}
    yield "added", "bytes", {**qwen, "added_tokens": wanted}
    yield "added, trimmed", "bytes", {"pre_tokenizer": byte_level(prefix=True, regex=True), "post_processor": trim,
                                      "decoder": to_bytes, "added_tokens": wanted}
    yield "prefix for each piece", "bytes", {"decoder": to_bytes, "pre_tokenizer": pre(
        {"type": "Digits", "individual_digits": False}, byte_level(prefix=True))}
    yield "clip", "suffix", {
        "normalizer": sequence("normalizers", {"type": "NFC"}, replace(r"\s+", " ", "Regex"), {"type": "Lowercase"}),
        "pre_tokenizer": pre(split(CLIP, "Removed", True), byte_level()), "decoder": {"type": "BPEDecoder", "suffix": "</w>"}}
    yield "llama2", "fallback", {
        "normalizer": sequence("normalizers", {"type": "Prepend", "prepend": "▁"}, replace(" ", "▁")),
        "decoder": fallback_decoder, "added_tokens": [
            added("<unk>", 0, special=True), added("<s>", len(found["fallback"]["vocab"]), special=True, normalized=True),
            added("<tool>", len(found["fallback"]["vocab"]) + 1)]}
    yield "gemma", "fallback", {"normalizer": replace(" ", "▁"), "decoder": fallback_decoder,
                                "pre_tokenizer": split(" ", "MergedWithPrevious", kind="String")}
    for scheme in ("always", "first", "never"):
        for cut in (True, False):
            yield f"metaspace {scheme} {'cut' if cut else 'whole'}", "fallback" if cut else "unknown", {
                "normalizer": {"type": "Strip", "strip_left": scheme == "first", "strip_right": False},
                "pre_tokenizer": metaspace(scheme, cut), "decoder": metaspace(scheme, cut),
                "added_tokens": [added("<tool>", len(found["fallback" if cut else "unknown"]["vocab"]))]}
    yield "unknown fused", "unknown fused", {"pre_tokenizer": metaspace()}
    yield "unknown dropped", "dropped", {"normalizer": {"type": "NFKD"}, "pre_tokenizer": metaspace()}
    yield "word pieces", "prefix", {
        "normalizer": sequence("normalizers", {"type": "NFKC"}, {"type": "StripAccents"}),
        "pre_tokenizer": {"type": "Whitespace"}, "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": False}}
    for behavior in ("Removed", "MergedWithPrevious", "MergedWithNext", "Contiguous"):
        for invert in (False, True):
            yield f"{behavior}{' inverted' if invert else ''}", "bytes", {
                "pre_tokenizer": pre(split(r"\w+|[^\w\s]", behavior, invert), byte_level()), "decoder": to_bytes}
    yield "empty matches", "bytes", {
        "pre_tokenizer": pre(split(r"\d*|^\s|(?<=[a-z])(?=[A-Z])|\w$", "MergedWithNext"), byte_level()), "decoder": to_bytes}


def whole_file(model, rest):
    file = {"version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": None,
            "pre_tokenizer": None, "post_processor": None, "decoder": None}
    file.update(rest)
    file["model"] = model
    return file


def is_composing(rest):
    """The package leaves marks that it has composed out of a token's place; we do not."""
    return re.search('"NFK?C"', json.dumps(rest)) is not None
