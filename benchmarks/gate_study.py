"""Study the recipe gate: what it finds, how many seeds it needs, and how its peers do.

    python benchmarks/gate_study.py [train | matching | averaging]

`train` trains the recipes of `weakened.py` with accepted seeds and keeps the results in
gate-study.json. `matching` and `averaging` print the two tables of docs/statistics.md. Without an
action, all tables and pictures of docs/statistics.md are made anew.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import study_page
from study_gates import IMAGES, UNCHANGED, load
from weakened import HEALTHY, ONE_THREAD, RECIPES

from mnistlab.data import load_dataset
from mnistlab.gate import Baseline, SeedRunner, gate_metrics, sequential
from mnistlab.gate.baseline import pack
from mnistlab.recipe import Pipeline
from mnistlab.report import write_atomically

ROOT = Path(__file__).parents[1]
DATA = ROOT / "benchmarks" / "gate-study.json"
BASELINE = ROOT / "baselines" / "seed-mnist.json"


def train(options: argparse.Namespace) -> None:
    """Train what is missing, each recipe in its own process: threads are set at the start."""
    for name in [options.recipe] if options.recipe else [*RECIPES, UNCHANGED]:
        threads = "1" if name == ONE_THREAD else "2"
        command = [sys.executable, __file__, "train-one", "--recipe", name]
        command += ["--baseline", str(options.baseline)]
        subprocess.run(command, env={**os.environ, "TF_NUM_INTRAOP_THREADS": threads}, check=True)


def train_one(options: argparse.Namespace) -> None:
    """Train one recipe with accepted seeds; keep metrics, and the images that it misreads."""
    content = json.loads(DATA.read_text("utf-8")) if DATA.exists() else {}
    dataset, name = load_dataset("mnist"), options.recipe

    def save() -> None:
        lines = (f'"{key}": {json.dumps(each)}' for key, each in content.items())
        write_atomically(DATA, "{\n" + ",\n".join(lines) + "\n}\n")

    baseline = Baseline.load(options.baseline)
    if name == UNCHANGED:
        study, runner = load(DATA, options.baseline), SeedRunner(Pipeline(), dataset)
        runner(0)  # compiles
        for gate in range(5):
            plan = study.plan(0.001)
            result = sequential.run(lambda seeds: map(runner, seeds), study.accepted, gate, plan)
            print(result.sentence, flush=True)
            content.setdefault(UNCHANGED, []).append(round(result.seconds, 2))
        save()
        return
    kept = content.setdefault(name, {"metrics": {}, "wrong": [], "digests": []})
    runner = SeedRunner(RECIPES[name](), dataset)
    keys = {metric.key for metric in gate_metrics(baseline.columns, IMAGES)}
    for seed in baseline.accepted_seeds.seeds[: 48 if name in HEALTHY else 24]:
        if seed < baseline.first_seed + len(kept["digests"]):
            continue
        run = runner(seed)
        for key in keys:
            kept["metrics"].setdefault(key, []).append(round(run.metrics[key], 6))
        kept["wrong"].append(pack(np.packbits(~run.evaluation.right)))
        kept["digests"].append(run.digest)
        save()
        print(name, seed, round(run.metrics["averaged accuracy"], 5), flush=True)


def main() -> None:
    """Run an action."""
    parser = argparse.ArgumentParser(description="Study the recipe gate.")
    actions = {
        "train": train,
        "train-one": train_one,
        "matching": lambda o: print(study_page.matching(load(DATA, o.baseline))),
        "averaging": lambda o: print(study_page.averaging(load(DATA, o.baseline))),
        "write": lambda o: study_page.write(load(DATA, o.baseline)),
    }
    parser.add_argument("action", nargs="?", choices=list(actions), default="write")
    parser.add_argument("--recipe", choices=[*RECIPES, UNCHANGED], help="train this one alone")
    parser.add_argument("--baseline", type=Path, default=BASELINE)
    options = parser.parse_args()
    actions[options.action](options)


if __name__ == "__main__":
    main()
