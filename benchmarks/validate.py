"""Time ``mnistlab validate`` against the published script, as whole processes that alternate.

    python benchmarks/validate.py --data PATH

The script is what the recipe's tutorial has: import, load, fit, evaluate. It reads the same files.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np

from mnistlab.data import load_dataset

SCRIPT = """
import sys
import keras
import numpy as np

arrays = np.load(sys.argv[1])
x_train, x_test = arrays["x_train"] / 255.0, arrays["x_test"] / 255.0
y_train, y_test = (keras.utils.to_categorical(arrays[name]) for name in ("y_train", "y_test"))
model = keras.Sequential(
    [
        keras.Input((28, 28)),
        keras.layers.Flatten(),
        keras.layers.Dense(128, activation="relu"),
        keras.layers.Dense(10, activation="softmax"),
    ]
)
model.compile(optimizer="adam", loss="categorical_crossentropy", metrics=["accuracy"])
model.fit(x_train, y_train, epochs=5, batch_size=32, validation_split=0.2, verbose=0)
print(model.evaluate(x_test, y_test, verbose=0))
"""
VALIDATE = "import sys; from mnistlab.cli import main; sys.exit(main(sys.argv[1:]))"


def seconds(command: list[str]) -> float:
    """Return how long a process takes that must end well."""
    start = time.perf_counter()
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)
    return time.perf_counter() - start


def main() -> None:
    """Time both, print each pair, the medians and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", metavar="PATH", help="folder of IDX files, or an .npz")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    dataset = load_dataset("mnist", options.data)
    with tempfile.TemporaryDirectory() as folder:
        archive = f"{folder}/mnist.npz"
        np.savez_compressed(
            archive,
            x_train=dataset.train_images,
            y_train=dataset.train_labels,
            x_test=dataset.test_images,
            y_test=dataset.test_labels,
        )
        script = [sys.executable, "-c", SCRIPT, archive]
        validate = [sys.executable, "-c", VALIDATE, "validate", "--dataset=mnist", "--strict"]
        validate += [f"--data={archive}", f"--report={folder}/report"]
        times = []
        for number in range(1, options.repeats + 1):
            times.append((seconds(script), seconds(validate)))
            print("{}: script {:.1f} s, validate {:.1f} s".format(number, *times[-1]), flush=True)
    script_median, validate_median = map(statistics.median, zip(*times, strict=True))
    ratio = validate_median / script_median
    print(
        f"median script {script_median:.1f} s, validate {validate_median:.1f} s, ratio {ratio:.2f}"
    )


if __name__ == "__main__":
    main()
