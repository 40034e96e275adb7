#!/usr/bin/env python3
"""Labels alone, generation 1 (KL), 2 (features, adaptive temperature) and 3 (stages, adversary) side by side.

One MiniLM-L6 teacher a task; two students, one layer of its width and 4 layers x 192; equal steps for every method. Each
method's settings are searched with the same number of trials on a part of train that is held out, never on dev; then
--seeds runs on all of train, scored on dev: median, spread, share of the teacher's score kept, raw and above chance, and
seconds a step. Each generation is set beside the one before by a paired bootstrap over dev (10,000 draws of rows, the
seeds' predictions together): where the interval of 95 % holds 0 it is a tie. With --robust also under PGD and misspelt.
"""
import argparse
import csv
import json
import math
import pathlib
import random
import statistics
import subprocess
import sys

TASKS = {  # folder, column of the label, has a header in train, metric
    "sst2": ("SST-2", 1, True, "accuracy"),
    "rte": ("RTE", 3, True, "accuracy"),
    "mrpc": ("MRPC", 0, True, "accuracy"),
    "cola": ("CoLA", 1, False, "matthews"),
    "stsb": ("STS-B", -1, True, "pearson"),
}
STUDENTS = {"1x384": ["student.layers=1"],
            "4x192": ["student.layers=4", "student.hidden=192", "student.heads=12", "student.intermediate=768"]}
RECIPES = {"labels": "generations/first", "first": "generations/first", "second": "generations/second",
           "third": "generations/third"}
# As many trials for each method, on top of its recipe.
TRIALS = {
    "labels": [["train.learning_rate=1e-4"], ["train.learning_rate=2e-4"], ["train.learning_rate=4e-4"]],
    "first": [["train.learning_rate=2e-4"], ["train.learning_rate=4e-4"],
              ["train.learning_rate=2e-4", "losses.temperature=4"]],
    "second": [["train.learning_rate=2e-4"], ["train.learning_rate=4e-4"],
               ["train.learning_rate=2e-4", "losses.features[0].weight=1.0"]],
    "third": [["train.learning_rate=2e-4"], ["train.learning_rate=4e-4"],
              ["train.learning_rate=2e-4", "stages.1.adversary.radius=0.02", "stages.2.adversary.radius=0.05"]],
}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="../shared/data/glue", help="the GLUE suite's folder")
    parser.add_argument("--out", default="runs/bench-generations")
    parser.add_argument("--model", required=True, help="checkpoint that teachers are made of")
    parser.add_argument("--tasks", default="sst2 rte mrpc cola stsb")
    parser.add_argument("--students", default=" ".join(STUDENTS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--trials", type=int, default=3, help="of each method, at most 3")
    parser.add_argument("--rows", type=int, default=20000, help="training rows of sst2")
    parser.add_argument("--epochs", type=float, default=6)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--robust", action="store_true", help="also under PGD and on misspelt text")
    parser.add_argument("--quick", action="store_true", help="sst2 at 8,000 rows, rte and mrpc; two trials")
    options = parser.parse_args()
    if options.quick:
        options.tasks, options.rows, options.trials = "sst2 rte mrpc", 8000, 2
    return options


def lines_of(path):
    return path.read_text(encoding="utf-8").split("\n")


def prepare(options, task):
    """out/TASK/data: search/ holds a tenth of train out as dev; final/ has all of it and the true dev."""
    folder, _, header, _ = TASKS[task]
    source, out = pathlib.Path(options.data) / folder, pathlib.Path(options.out) / task / "data"
    rows = [line for line in lines_of(source / "train.tsv") if line]
    top, body = (rows[:1], rows[1:]) if header else ([], rows)
    if task == "sst2":
        body = body[:options.rows]
    order = list(range(len(body)))
    random.Random(1).shuffle(order)
    held = set(order[:len(body) // 10])
    for name, train, dev in (("search", [r for i, r in enumerate(body) if i not in held], [body[i] for i in sorted(held)]),
                             ("final", body, [line for line in lines_of(source / "dev.tsv") if line][len(top):])):
        (out / name / folder).mkdir(parents=True, exist_ok=True)
        (out / name / folder / "train.tsv").write_text("\n".join(top + train) + "\n", encoding="utf-8")
        (out / name / folder / "dev.tsv").write_text("\n".join(top + dev) + "\n", encoding="utf-8")
    return out, len(body)


def call(options, log, *words):
    done = subprocess.run(["bin/dsdistill", *words, "--threads", str(options.threads)], capture_output=True, text=True,
                          check=False)
    log.write_text(done.stdout + done.stderr, encoding="utf-8")
    if done.returncode != 0:
        sys.exit(f"generations: error: {' '.join(words)}\n{done.stderr[-2000:]}")


def train(options, place, task, data, teacher, student, method, settings, seed, steps, name):
    """One run; its JSON. What is there already is not run again."""
    folder = place / name
    result = folder / "result.json"
    if result.exists():
        return json.loads(result.read_text())
    folder.mkdir(parents=True, exist_ok=True)
    words = ["train", RECIPES[method], "--task", task, "--data", str(data), "--teacher", str(teacher), "--run",
             str(folder / "run"), "--json", str(folder / "new.json")]
    if (folder / "run").exists():
        words.append("--resume")
    sets = [*STUDENTS[student], *settings, f"seed={seed}", "eval.every=1000000", "train.epochs=1000"]
    if method == "labels":
        sets += ["losses.soft_weight=0", "losses.hard_weight=1"]
    if method == "third":
        sets += [f"stages.{i}.train.max_steps={steps // 3 + (steps % 3 if i == 2 else 0)}" for i in range(3)]
    else:
        sets.append(f"train.max_steps={steps}")
    if options.robust:
        sets.append("eval.robustness={radius: 0.05, step_size: 0.025}")
    for one in sets:
        words += ["--set", one]
    call(options, folder / "log", *words)
    (folder / "new.json").rename(result)
    return json.loads(result.read_text())


def predictions(options, place, task, data, name):
    file = place / name / "predictions.tsv"
    if not file.exists():
        call(options, place / name / "log", "eval", str(place / name / "run"), "--task", task, "--data", str(data),
             "--no-speed", "--predictions", str(file))
    with open(file, encoding="utf-8", newline="") as rows:
        return [row["prediction"] for row in csv.DictReader(rows, delimiter="\t")]


def labels_of(data, task):
    folder, column, header, _ = TASKS[task]
    rows = [line.split("\t") for line in lines_of(data / folder / "dev.tsv") if line][1 if header else 0:]
    return [row[column] for row in rows]


def metric(kind, predicted, gold):
    if kind == "accuracy":
        return sum(p == g for p, g in zip(predicted, gold)) / len(gold)
    a, b = [float(p) for p in predicted], [float(g) for g in gold]
    mean_a, mean_b = statistics.fmean(a), statistics.fmean(b)
    top = sum((x - mean_a) * (y - mean_b) for x, y in zip(a, b))
    under = math.sqrt(sum((x - mean_a) ** 2 for x in a) * sum((y - mean_b) ** 2 for y in b))
    return top / under if under > 0 else 0.0  # of two classes this is Matthews' coefficient


def bootstrap(kind, ours, before, gold, draws=10000):
    """95 % interval of the mean over seeds of ours - before, rows drawn anew together."""
    generator, size, gains = random.Random(2), len(gold), []
    if kind == "accuracy":
        gain = [statistics.fmean([(p[i] == gold[i]) - (q[i] == gold[i]) for p, q in zip(ours, before)]) for i in range(size)]
        for _ in range(draws):
            gains.append(statistics.fmean(generator.choices(gain, k=size)))
    else:
        for _ in range(draws // 10):
            rows = generator.choices(range(size), k=size)
            cut = [gold[i] for i in rows]
            gains.append(statistics.fmean([metric(kind, [p[i] for i in rows], cut) - metric(kind, [q[i] for i in rows], cut)
                                           for p, q in zip(ours, before)]))
    gains.sort()
    return gains[int(0.025 * len(gains))], gains[int(0.975 * len(gains)) - 1]


def of_task(options, task, report):
    data, rows = prepare(options, task)
    out, steps = pathlib.Path(options.out) / task, round(options.epochs * rows / 32)
    final = data / "final"
    teacher, file = out / "teacher", out / "teacher.json"
    if not file.exists():
        more = ["--resume"] if teacher.exists() else []
        call(options, out / "teacher.log", "train", "glue_teacher", "--task", task, "--data", str(final), "--student",
             options.model, "--run", str(teacher), "--json", str(file), "--epochs", "3", *more)
    teacher_score = json.loads(file.read_text())["best_score"]
    kind, gold = TASKS[task][3], labels_of(final, task)
    chance = max(gold.count(label) for label in set(gold)) / len(gold) if kind == "accuracy" else 0.0
    for student in options.students.split():
        before = None
        for method in RECIPES:
            place = out / student / method
            tried = [train(options, place, task, data / "search", teacher, student, method, trial, 0, steps, f"trial{i}")
                     ["best_score"] for i, trial in enumerate(TRIALS[method][:options.trials])]
            chosen = TRIALS[method][max(range(len(tried)), key=tried.__getitem__)]
            runs = [train(options, place, task, final, teacher, student, method, chosen, seed, steps, f"seed{seed}")
                    for seed in range(options.seeds)]
            predicted = [predictions(options, place, task, final, f"seed{seed}") for seed in range(options.seeds)]
            scores = [metric(kind, p, gold) for p in predicted]
            middle = statistics.median(scores)
            seconds = [run.get("seconds", 0) for run in runs]
            if method == "third":
                seconds = [sum(stage["seconds"] for stage in run["stages"]) for run in runs]
            row = {"task": task, "student": student, "method": method, "settings": chosen, "scores": scores,
                   "median": middle, "spread": max(scores) - min(scores), "kept": middle / teacher_score,
                   "above_chance": (middle - chance) / (teacher_score - chance),
                   "seconds_a_step": statistics.median(seconds) / steps, "teacher": teacher_score,
                   "robustness": [run.get("robustness", {}).get("student") for run in runs]}
            if before is not None:
                low, high = bootstrap(kind, predicted, before[1], gold)
                row["gain"] = {"over": before[0]["method"], "points": 100 * (statistics.fmean(scores) -
                               statistics.fmean(before[0]["scores"])), "low": 100 * low, "high": 100 * high}
            report.append(row)
            before = (row, predicted)
            print(f"{task:6}{student:8}{method:8}{100 * middle:8.2f}{100 * row['spread']:8.2f}{100 * row['kept']:9.1f}"
                  f"{100 * row['above_chance']:9.1f}{1e3 * row['seconds_a_step']:9.1f}  {' '.join(chosen)}", flush=True)
            (pathlib.Path(options.out) / "generations.json").write_text(json.dumps(report, indent=2))


def main():
    options, report = arguments(), []
    print(f"{'task':6}{'student':8}{'method':8}{'median':>8}{'spread':>8}{'kept %':>9}{'chance':>9}{'ms/step':>9}  settings")
    for task in options.tasks.split():
        of_task(options, task, report)
    for row in report:
        if "gain" in row:
            gain = row["gain"]
            verdict = "tie" if gain["low"] <= 0 <= gain["high"] else "better" if gain["low"] > 0 else "worse"
            print(f"gain {row['task']} {row['student']} {gain['over']}_to_{row['method']} {gain['points']:+.2f} "
                  f"{gain['low']:+.2f} {gain['high']:+.2f} {verdict}")
    for row in report:
        print(f"ratio {row['task']}_{row['student']}_{row['method']}_kept {row['kept']:.4f}")
        lost = [r["clean"] - r["attacked"] for r in row["robustness"] if r]
        slips = [r["clean"] - r["misspelt"] for r in row["robustness"] if r]
        if lost:
            print(f"lost {row['task']} {row['student']} {row['method']} attacked {100 * statistics.median(lost):.2f} "
                  f"misspelt {100 * statistics.median(slips):.2f}")


if __name__ == "__main__":
    main()
