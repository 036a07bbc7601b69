"""Runs complete recipe gates against the accepted baseline, on seeds that neither it nor the pools have seen.

    python benchmarks/gates.py --gates 100
    python benchmarks/gates.py --recipe "90 % of the data" --gates 30

Each gate trains until it has decided, as in a run of the suite, and appends a line to `--out`; what is there is kept,
so it can be stopped and started. It ends with the counts and their 95 % Wilson intervals.
"""

import argparse
import json
from pathlib import Path

from train_pools import recipes

from mnistlab.data import load_dataset
from mnistlab.gate import margins_for, train_seeds
from mnistlab.gate import sequential as gate
from mnistlab.gate.baseline import check, identity, load
from mnistlab.gate.error_rates import plan_digest
from mnistlab.recipe import Pipeline
from mnistlab.stats import wilson

FIRST = 10_000_000
SPACING = 1000


def main() -> None:
    """Run the gates that are missing, and count."""
    known = recipes("mnist")
    parser = argparse.ArgumentParser(description="Run complete recipe gates on fresh seeds.")
    parser.add_argument("--mnist-data")
    parser.add_argument("--recipe", choices=list(known), default="healthy")
    parser.add_argument("--gates", type=int, default=100)
    parser.add_argument("--margin", type=float)
    parser.add_argument("--seeds", type=int, default=32)
    parser.add_argument("--baseline", type=Path, default=Path("baselines/seed-mnist.json"))
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("gates.jsonl"))
    options = parser.parse_args()
    dataset = load_dataset("mnist", options.mnist_data)
    baseline = load(options.baseline)
    check(baseline, identity(Pipeline(), dataset))
    plan = gate.plan(
        margins_for("mnist", set(baseline.columns), options.margin), options.seeds, baseline.seeds
    )
    begin = FIRST * (1 + list(known).index(options.recipe))
    key = {"recipe": options.recipe, "margin": plan.margins[0].margin, "budget": options.seeds}
    key["plan"] = plan_digest(plan)
    for number in range(options.gates):
        rows = read(options.out, key)
        if number in {row["gate"] for row in rows}:
            continue
        found = gate.run(
            lambda seeds: train_seeds(known[options.recipe], dataset, seeds),
            begin + SPACING * number,
            baseline.columns,
            plan,
        )
        row = {
            **key,
            "gate": number,
            "decision": found.decision,
            "seeds": len(found.seeds),
            "sentence": found.sentence,
        }
        with options.out.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
        print(f"{number}: {found.decision}, {found.sentence}", flush=True)
    rows = read(options.out, key)
    for decision in ("PASSED", "FAILED", "UNDECIDED"):
        count = sum(row["decision"] == decision for row in rows)
        share = wilson(count, len(rows))
        print(f"{decision}: {count} of {len(rows)} ({share.low:.2%} to {share.high:.2%})")
    print(f"mean seeds: {sum(row['seeds'] for row in rows) / len(rows):.1f}")


def read(path: Path, key: dict[str, object]) -> list[dict]:
    """Return the rows of earlier gates with the same recipe and settings."""
    if not path.exists():
        return []
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [row for row in rows if all(row.get(name) == value for name, value in key.items())]


if __name__ == "__main__":
    main()
