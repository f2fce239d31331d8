"""Text in which no line stands twice: large, real, and without the copies that fill a disk.

    python benchmarks/varied_text.py OUT.jsonl --megabytes 290 A.jsonl B.jsonl ...

What lies on a machine repeats itself (licences, vendored packages), and an index that sorts by
comparing suffixes to the end then sorts for minutes. Here every line of at least 24 characters
that stood before, in any document, is left out, until so many megabytes are kept. Documents of
less than 200 characters are left out too.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path

LINE, DOCUMENT = 24, 200


def new_lines(text: str, seen: set[bytes]) -> Iterator[str]:
    """The lines that are short or did not stand before."""
    for line in text.splitlines():
        bare = line.strip()
        if len(bare) >= LINE:
            mark = blake2b(bare.encode(), digest_size=8).digest()
            if mark in seen:
                continue
            seen.add(mark)
        yield line


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("sources", type=Path, nargs="+")
    parser.add_argument("--megabytes", type=float, default=290)
    options = parser.parse_args()
    seen: set[bytes] = set()
    read = kept = 0
    with options.out.open("w") as out:
        for source in options.sources:
            for record in source.open():
                text = json.loads(record)["text"]
                left = "\n".join(new_lines(text, seen))
                read += len(text.encode())
                if len(left) >= DOCUMENT and kept < 1e6 * options.megabytes:
                    kept += len(left.encode())
                    out.write(json.dumps({"text": left}) + "\n")
    print(f"{kept:,} bytes kept of {read:,}")


if __name__ == "__main__":
    main()
