"""Count how many faults a bound on accuracy alone catches: train every fault and control once.

    python benchmarks/bare.py [NAME ...]

The training is that of a plain script, without mnistlab's checks. An error counts as caught.
"""

import argparse

import numpy as np

from mnistlab.data import load_dataset
from mnistlab.faults import BARE_ACCURACY, CONTROLS, FAULTS


def main() -> None:
    """Train, print a line each, and count."""
    parser = argparse.ArgumentParser(
        description="Hold every fault against a bare bound on accuracy."
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="these alone")
    parser.add_argument("--mnist-data")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    dataset = load_dataset("mnist", options.mnist_data)
    for kind, entries in (("faults", FAULTS), ("healthy controls", CONTROLS)):
        wanted = [entry for name, entry in entries.items() if name in (options.names or entries)]
        missed = 0
        for entry in wanted:
            try:
                accuracy = accuracy_of(entry.pipeline(), dataset, options.seed)
                shown = f"{100 * accuracy:.2f} %"
            except Exception as error:
                accuracy, shown = 0.0, f"{type(error).__name__}: {error}".splitlines()[0]
            missed += not accuracy >= BARE_ACCURACY
            print(f"{entry.name:32} {shown}", flush=True)
        print(f"accuracy >= {BARE_ACCURACY} fails {missed} of {len(wanted)} {kind}", flush=True)


def accuracy_of(pipeline, dataset, seed):
    """Train on copies, which a pipeline may change, and return the test accuracy, a fraction."""
    images, labels = (
        pipeline.prepare_images(dataset.train_images.copy()),
        pipeline.prepare_labels(dataset.train_labels),
    )
    model = pipeline.build(seed)
    pipeline.fit(model, images, labels, seed=seed)
    predicted = pipeline.predict(model, pipeline.prepare_images(dataset.test_images.copy())).argmax(
        axis=1
    )
    if predicted.shape != dataset.test_labels.shape:
        raise ValueError(f"{len(predicted)} predictions for {len(dataset.test_labels)} images")
    return float(np.mean(predicted == dataset.test_labels))


if __name__ == "__main__":
    main()
