#!/usr/bin/env python3
"""Checks every command in the README's ```sh blocks: scripts, recipes and folders of the project exist, and dsdistill knows
each command and flag. A block marked ```sh ci is run as well, in a scratch folder that holds train.tsv (definitions from
WordNet), glue (where ../shared/data/glue is there; a block marked ```sh ci glue is skipped aloud without it), and a bin/dsdistill
that ends each training after three steps.

usage: scripts/check_readme.py [FILE...]      needs bin/dsdistill
"""
import functools
import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
BINARY = ROOT / "bin" / "dsdistill"
OURS = ("scripts/", "recipes/", ".ci/", "tests/", "core/", "losses/", "schedules/", "kernels/", "cli/")


def blocks(text):
    """Yields (line of the first command, the words after sh, its lines)."""
    inside, run, lines = False, [], []
    for number, line in enumerate(text.splitlines(), 1):
        fence = re.match(r"```(.*)", line)
        if fence and not inside:
            language, *words = fence[1].split() or [""]
            inside, wanted, run, lines, first = True, language in ("sh", "bash"), words, [], number + 1
        elif fence:
            inside = False
            if wanted:
                yield first, run, lines
        elif inside:
            lines.append(line)


def commands(first, lines):
    """Yields (line, words) of each command; continued lines are joined, pipes and && cut."""
    joined = ""
    for number, line in enumerate(lines, first):
        if joined == "":
            at = number
        if line.endswith("\\"):
            joined += line[:-1] + " "
            continue
        words, joined = shlex.split(joined + line.removeprefix("$ "), comments=True), ""
        command = []
        for word in [*words, "&&"]:
            if word in ("&&", "|", "||", ";"):
                if command:
                    yield at, command
                command = []
            else:
                command.append(word)


@functools.cache
def help_of(command):
    done = subprocess.run([BINARY, *command, "--help"], capture_output=True, text=True, check=False)
    return done.stdout if done.returncode == 0 else None


def faults_of(words):
    for word in words:
        if word.startswith(OURS) and not (ROOT / word).exists():
            yield f"{word} does not exist"
    if words[0] not in ("bin/dsdistill", "dsdistill") or len(words) < 2:
        return
    command = tuple(words[1:2]) if not words[1].startswith("-") else ()
    if command == ("recipe",) and len(words) > 2:
        command = tuple(words[1:3])
    text = help_of(command)
    if text is None:
        yield f"dsdistill has no command '{' '.join(command)}'"
        return
    for word in words[1:]:
        flag = word.split("=")[0]
        if flag.startswith("--") and not re.search(re.escape(flag) + r"(?![\w-])", text):
            yield f"dsdistill {' '.join(command)} has no flag {flag}"


WRAPPER = """#!/bin/sh
if [ "$1" = train ]; then exec {binary} "$@" --set train.max_steps=3 --set data.train_rows=200; fi
exec {binary} "$@"
"""


def make_scratch(folder):
    for name in (".deps", "recipes", "scripts"):
        (folder / name).symlink_to(ROOT / name)
    if "DSD_DEPS" in os.environ:
        (folder / ".deps").unlink()
        (folder / ".deps").symlink_to(os.environ["DSD_DEPS"])
    glue = ROOT.parent / "shared" / "data" / "glue"
    if glue.is_dir():
        (folder / "glue").symlink_to(glue)
    (folder / "bin").mkdir()
    (folder / "bin" / "dsdistill").write_text(WRAPPER.format(binary=shlex.quote(str(BINARY))), encoding="utf-8")
    (folder / "bin" / "dsdistill").chmod(0o755)
    subprocess.run([ROOT / "scripts" / "wordnet.py", folder, "--train", "6000", "--dev", "200", "--unlabelled", "100"], check=True,
                   stdout=subprocess.DEVNULL)
    (folder / "unlabelled.tsv").unlink()


def run_block(file, first, words, lines, folder):
    """The faults of running it, one or none."""
    if "glue" in words and not (folder / "glue").exists():
        print(f"check_readme: {file.name}:{first} SKIPPED: ../shared/data/glue is not there")
        return []
    print(f"check_readme: running {file.name}:{first}", flush=True)
    script = "\n".join(line.removeprefix("$ ") for line in lines)
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", script], cwd=folder, check=False, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode == 0:
        return []
    print(done.stdout)
    return [f"{file.name}:{first}: error: this block ended with code {done.returncode}"]


def main():
    with tempfile.TemporaryDirectory() as folder:
        return check(pathlib.Path(folder))


def check(scratch):
    files = [pathlib.Path(name) for name in sys.argv[1:]] or [ROOT / "README.md"]
    faults, seen, ran = [], 0, 0
    if not BINARY.exists():
        sys.exit("check_readme: error: no bin/dsdistill; scripts/build.sh release makes it")
    for file in files:
        if not file.exists():
            sys.exit(f"check_readme: error: {file} does not exist")
        for first, run, lines in blocks(file.read_text(encoding="utf-8")):
            for line, words in commands(first, lines):
                seen += 1
                faults += [f"{file.name}:{line}: error: {fault}" for fault in faults_of(words)]
            if "ci" in run and not faults:
                if ran == 0:
                    make_scratch(scratch)
                ran += 1
                faults += run_block(file, first, run, lines, scratch)
    print("\n".join(faults) if faults else f"check_readme: {seen} commands are as the README says, {ran} blocks were run")
    return bool(faults) or seen == 0


if __name__ == "__main__":
    sys.exit(main())
