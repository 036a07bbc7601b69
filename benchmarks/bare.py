"""Counts how many faults a bare bound on accuracy catches: trains each of the catalogue once, and the healthy recipe.

    python benchmarks/bare.py

A pipeline that cannot be trained or evaluated counts as caught: the bound would have met an error.
"""

import argparse

from mnistlab.data import load_dataset
from mnistlab.errors import MnistlabError
from mnistlab.faults import CATALOGUE, TWINS, reference_of
from mnistlab.seeds import Trainer
from mnistlab.stats import wilson
from mnistlab.subject import load
from mnistlab.tally import BARE


def main() -> None:
    """Train, print a line each, and count."""
    parser = argparse.ArgumentParser(description="Hold every fault against a bare bound on accuracy.")
    parser.add_argument("--mnist-data")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    dataset = load_dataset("mnist", options.mnist_data)
    for kind, names in (("faults", CATALOGUE), ("healthy twins", TWINS)):
        missed = 0
        for name in names:
            try:
                seed = Trainer(load(reference_of(name), None, dataset.name), dataset)(options.seed)
                accuracy, shown = seed.evaluation.accuracy, f"{100 * seed.evaluation.accuracy:.2f} %"
            except MnistlabError as error:
                accuracy, shown = 0.0, str(error)
            missed += accuracy < BARE
            print(f"{name:32} {shown}", flush=True)
        share = wilson(missed, len(names))
        ends = f"{100 * share.low:.0f} to {100 * share.high:.0f} %"
        print(f"accuracy >= {BARE} fails {missed} of {len(names)} {kind} ({ends})", flush=True)


if __name__ == "__main__":
    main()
