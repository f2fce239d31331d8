"""Retrainings on random halves of a setting's documents, as a bank; goes on where it stopped.

python benchmarks/documents_bank.py --setting world --folder DIR --subsets 100
"""

from __future__ import annotations

from documents_settings import options, setting

from whence.interventions import make_bank


def main() -> None:
    parser = options()
    parser.description = __doc__
    parser.add_argument("--subsets", type=int, default=100)
    parser.add_argument("--workers", type=int, default=None)
    chosen = parser.parse_args()
    found = setting(chosen.setting, chosen.recipe, chosen.folder, chosen.size)
    place = chosen.folder / f"{chosen.setting}-{chosen.recipe}-bank"
    bank = make_bank(found.run, place, chosen.subsets, workers=chosen.workers)
    values = bank.measure(found.behaviors, bank.keep)
    spread = values.std(axis=1).mean()
    print(f"{place}: {len(bank.keep)} retrainings; a value's standard deviation: {spread:.3f} nats")


if __name__ == "__main__":
    main()
