#!/usr/bin/env python3
"""Writes WordNet's definitions as a text classification task: which lexicographer file (noun.animal, verb.motion ...)
a definition comes from. The data is Debian's package wordnet-base; three files come out, train.tsv and dev.tsv
(text, label) and unlabelled.tsv (text), and no text stands in two of them."""
import argparse
import collections
import hashlib
import pathlib
import re
import subprocess
import sys

# The lexicographer files by number (lexnames(5WN)): 41 classes of nouns and verbs.
NOUNS = ("Tops act animal artifact attribute body cognition communication event feeling food group location motive "
         "object person phenomenon plant possession process quantity relation shape state substance time").split()
VERBS = ("body change cognition communication competition consumption contact creation emotion motion perception "
         "possession social stative weather").split()
CLASSES = dict(enumerate([f"noun.{n}" for n in NOUNS] + [f"verb.{v}" for v in VERBS], 3))


def find_data():
    """The files data.noun and data.verb, where the package put them."""
    listing = subprocess.run(["dpkg", "-L", "wordnet-base"], capture_output=True, text=True, check=False).stdout
    found = [pathlib.Path(p) for p in listing.split() if p.endswith(("/data.noun", "/data.verb"))]
    if len(found) != 2:
        sys.exit("wordnet.py: error: the Debian package wordnet-base is not installed; run scripts/setup.sh")
    return sorted(found)


def definition(gloss):
    """The gloss without the examples that follow it in quotation marks."""
    return re.split(r';\s*"', gloss, maxsplit=1)[0].strip().rstrip(";").strip()


def read_definitions(paths):
    """{definition: its classes} in file order."""
    labels = collections.defaultdict(set)
    for path in paths:
        with open(path, encoding="latin-1") as lines:
            for number, line in enumerate(lines, 1):
                if line.startswith("  "):  # the licence
                    continue
                synset, bar, gloss = line.partition(" | ")
                fields = synset.split()
                if not bar or len(fields) < 2 or int(fields[1]) not in CLASSES:
                    sys.exit(f"wordnet.py: error: {path}:{number}: no synset with a gloss; is this wordnet-base 3.0?")
                text = " ".join(definition(gloss).split())
                if text:
                    labels[text].add(CLASSES[int(fields[1])])
    return labels


def write(path, header, rows):
    part = path.with_name(path.name + ".part")
    with open(part, "w", encoding="utf-8", newline="\n") as out:
        out.write("\t".join(header) + "\n")
        out.writelines("\t".join(row) + "\n" for row in rows)
    part.replace(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=pathlib.Path, help="folder to write to")
    parser.add_argument("--train", type=int, default=30000, help="labelled texts to train on (%(default)s)")
    parser.add_argument("--dev", type=int, default=3000, help="labelled texts to score on (%(default)s)")
    parser.add_argument("--unlabelled", type=int, help="most texts without label (default: all others)")
    parser.add_argument("--seed", default="dsdistill", help="another word gives another split (%(default)s)")
    args = parser.parse_args()
    if args.train < 1 or args.dev < 1 or (args.unlabelled or 0) < 0:
        parser.error("--train and --dev take a number above 0")

    labels = read_definitions(find_data())
    # A text that stands in two files has no one answer.
    rows = [(text, next(iter(names))) for text, names in labels.items() if len(names) == 1]
    # The order is a hash of the text alone: the same on every machine, and another size keeps what came before.
    rows.sort(key=lambda row: hashlib.blake2b(f"{args.seed}\t{row[0]}".encode(), digest_size=8).digest())
    if args.train + args.dev > len(rows):
        parser.error(f"there are {len(rows)} texts in all: --train and --dev ask for {args.train + args.dev}")

    args.out.mkdir(parents=True, exist_ok=True)
    dev, rest = rows[:args.dev], rows[args.dev:]
    train, others = rest[:args.train], rest[args.train:]
    if args.unlabelled is not None:
        others = others[:args.unlabelled]
    write(args.out / "dev.tsv", ("text", "label"), dev)
    write(args.out / "train.tsv", ("text", "label"), train)
    write(args.out / "unlabelled.tsv", ("text",), ((text,) for text, _ in others))
    print(f"wordnet: {args.out}: train.tsv {len(train)}, dev.tsv {len(dev)}, unlabelled.tsv {len(others)} texts, "
          f"{len({name for _, name in train})} classes in train.tsv")


if __name__ == "__main__":
    main()
