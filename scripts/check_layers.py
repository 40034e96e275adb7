#!/usr/bin/env python3
"""Fails when a folder includes a header from a folder above its own layer, or LibTorch where it has no place.

usage: scripts/check_layers.py [ROOT]      checks the tree
       scripts/check_layers.py --self-test checks this script on trees that it makes
"""
import pathlib
import re
import sys
import tempfile

# Lowest first: a folder includes itself and what stands before it.
LAYERS = [
    "core/base", "core/config", "core/types", "kernels", "schedules", "losses", "core/recipe", "core/formats",
    "core/text", "core/data", "core/model", "core/comm", "core/compress", "core/teacher", "core/eval", "core/export",
    "core/train", "cli",
]
RANK = {folder: rank for rank, folder in enumerate(LAYERS)}
# (folder, folder it may include only this one header of)
ONE_HEADER = {("core/recipe", "losses"): "losses/configs.h"}
NO_LIBTORCH = ("core/config", "core/formats", "core/text")
LIBTORCH = re.compile(r"(torch|ATen|c10|caffe2)/")
SUFFIXES = (".h", ".cpp", ".cu", ".cuh")
INCLUDE = re.compile(r'\s*#\s*include\s*([<"])([^>"]+)[>"]')


def layer_of(path):
    return next((folder for folder in LAYERS if path.startswith(folder + "/")), None)


def short(folder):
    return folder.removeprefix("core/")


class Tree:
    def __init__(self, root):
        self.root = pathlib.Path(root)
        self.includes = {}
        for top in ("core", "kernels", "schedules", "losses", "cli"):
            for path in sorted((self.root / top).rglob("*")):
                if path.suffix in SUFFIXES and path.is_file():
                    name = path.relative_to(self.root).as_posix()
                    self.includes[name] = list(self.read_includes(name))
        self.reached = {}

    def read_includes(self, name):
        """Yields (line, what is included, project file or None)."""
        text = (self.root / name).read_text(encoding="utf-8", errors="replace")
        for number, line in enumerate(text.splitlines(), 1):
            match = INCLUDE.match(line)
            if not match:
                continue
            target = match[2]
            beside = (pathlib.PurePosixPath(name).parent / target).as_posix()
            inside = next((p for p in (target, beside) if (self.root / p).is_file()), None)
            yield number, target, inside or (target if layer_of(target) else None)

    def libtorch_through(self, name):
        """The first file, from `name` on, that includes a LibTorch header; None if there is none."""
        if name not in self.reached:
            self.reached[name] = None  # a cycle of includes ends here
            for _, target, inside in self.includes.get(name, []):
                found = name if inside is None and LIBTORCH.match(target) else inside and self.libtorch_through(inside)
                if found:
                    self.reached[name] = found
                    break
        return self.reached[name]

    def faults(self):
        for name, includes in self.includes.items():
            here = layer_of(name)
            if here is None:
                if name.count("/"):
                    folder = name.rsplit("/", 1)[0]
                    yield f"{name}:1: error: {folder} is in no layer; add it to LAYERS in scripts/check_layers.py"
                continue
            for number, target, inside in includes:
                at = f"{name}:{number}: error:"
                there = layer_of(inside) if inside else None
                if here in NO_LIBTORCH and inside is None and LIBTORCH.match(target):
                    yield f"{at} {short(here)} may not include LibTorch ({target})"
                if there is None or there == here:
                    continue
                one = ONE_HEADER.get((here, there))
                if RANK[there] > RANK[here]:
                    yield f"{at} {short(here)} may not include {short(there)}"
                elif one and inside != one:
                    yield f"{at} {short(here)} may include {one} only, not {inside}"
                elif here in NO_LIBTORCH and self.libtorch_through(inside):
                    yield f"{at} {short(here)} may not include LibTorch; {inside} brings it by {self.libtorch_through(inside)}"


def self_test():
    def faults(**files):
        with tempfile.TemporaryDirectory() as folder:
            for name, text in files.items():
                path = pathlib.Path(folder, name.replace("__", "/").replace("_h", ".h"))
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
            return list(Tree(folder).faults())

    def expect(got, *want):
        assert got == list(want), f"expected {want}, got {got}"

    expect(faults(kernels__a_h='#include "losses/b.h"\n', losses__b_h=""),
           "kernels/a.h:1: error: kernels may not include losses")
    expect(faults(kernels__a_h='\n#include "losses/missing.h"\n'),
           "kernels/a.h:2: error: kernels may not include losses")
    expect(faults(losses__a_h='#include "kernels/b.h"\n#include <ATen/ATen.h>\n', kernels__b_h=""))
    expect(faults(core__recipe__a_h='#include "losses/configs.h"\n#include "losses/b.h"\n', losses__b_h="",
                  losses__configs_h=""),
           "core/recipe/a.h:2: error: recipe may include losses/configs.h only, not losses/b.h")
    expect(faults(core__text__a_h="#include <ATen/ATen.h>\n#include <fmt/format.h>\n"),
           "core/text/a.h:1: error: text may not include LibTorch (ATen/ATen.h)")
    expect(faults(core__text__a_h='#include "core/types/b.h"\n', core__types__b_h='#include "core/types/c.h"\n',
                  core__types__c_h="#include <torch/types.h>\n"),
           "core/text/a.h:1: error: text may not include LibTorch; core/types/b.h brings it by core/types/c.h")
    expect(faults(core__train__a_h='#include "b.h"\n', core__train__b_h=""))
    expect(faults(core__new__a_h=""),
           "core/new/a.h:1: error: core/new is in no layer; add it to LAYERS in scripts/check_layers.py")
    print("check_layers: the self-test passes")


def main():
    if sys.argv[1:] == ["--self-test"]:
        return self_test()
    root = sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).resolve().parent.parent
    tree = Tree(root)
    faults = list(tree.faults())
    print("\n".join(faults) if faults else f"check_layers: {len(tree.includes)} files keep their layers")
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
