#!/usr/bin/env python3
"""Tables and ratios of scripts/bench/article.sh beside the article's claims.  usage: article_report.py FOLDER"""
import json
import pathlib
import sys


def main():
    folder = pathlib.Path(sys.argv[1])
    runs = {}
    for file in folder.glob("*-*-*.json"):
        column, name, length = file.stem.split("-")
        runs[column, name, int(length)] = json.loads(file.read_text())
    # What has the same sizes in another column was measured once.
    for (column, name, length), run in list(runs.items()):
        if (column, name) == ("stored", "v3"):
            runs["total", "v3", length] = runs["active", "v3", length] = run
        if (column, name) == ("total", "r1"):
            runs["active", "r1", length] = run
    print(f"\n{'equal':8}{'model':12}{'length':>8}{'stored':>12}{'effective':>12}{'prefill/s':>12}{'decoding/s':>12}"
          f"{'weights MiB':>13}{'other MiB':>11}")
    for (column, name, length), run in sorted(runs.items()):
        print(f"{column:8}{name:12}{length:8}{run['stored']:12}{run['effective']:12}{run['prefill']:12.0f}"
              f"{run['decoding']:12.1f}{run['weights_mib']:13.1f}{run['activations_mib']:11.1f}")
    lengths = sorted({length for _, _, length in runs})
    first, last = lengths[0], lengths[-1]

    def ratio(name, claim, value):
        print(f"ratio {name} {value:.3f}   (article: {claim})")

    for column in ("stored", "total", "active"):
        for what in ("prefill", "decoding"):
            ratio(f"v3_to_plain_{what}_{column}", "1.40 at 512",
                  runs[column, "v3", first][what] / runs[column, "llama", first][what])
    ratio("v3_long_to_short_prefill", "0.85",
          runs["stored", "v3", last]["prefill"] / runs["stored", "v3", first]["prefill"])
    for column in ("stored", "total"):
        v3, r1 = runs[column, "v3", last], runs[column, "r1", last]
        ratio(f"r1_to_v3_latency_{column}_{last}", "0.42", v3["prefill"] / r1["prefill"])
        memory = [run["weights_mib"] + run["activations_mib"] for run in (r1, v3)]
        ratio(f"r1_to_v3_memory_{column}_{last}", "0.68", memory[0] / memory[1])
        ratio(f"r1_to_v3_activations_{column}_{last}", "-", r1["activations_mib"] / v3["activations_mib"])
    for task, what in (("text", "perplexity"), ("sst2", "accuracy")):
        for name in ("v3", "r1", "r1_article", "llama"):
            file = folder / f"{task}-{name}.json"
            if file.exists():
                print(f"{what} {name} {json.loads(file.read_text())['best_score']:.4f}")


if __name__ == "__main__":
    main()
