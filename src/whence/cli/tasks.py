"""`whence corpus tasks`, `novelty`, `contamination`, `decontaminate` and `facts`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from whence.core.errors import CorpusError

if TYPE_CHECKING:
    from whence.corpus.tasks import Contamination
    from whence.models import Model

Option = typer.Option
_Json = Annotated[bool, Option("--json", help="Print one JSON record and nothing else.")]
_Folder = Annotated[Path, typer.Argument(metavar="CORPUS", help="A folder made by `build`.")]
_Benchmark = Annotated[Path, typer.Argument(metavar="BENCHMARK", help="A JSONL file.")]
_Model = Annotated[str | None, Option(help="A run, a checkpoint's folder, or a name.")]
_Window = Annotated[int, Option(min=1, help="Tokens within which two texts are near.")]
_Seed = Annotated[int, Option(help="Of the bootstrap intervals.")]
_Fields = Annotated[
    list[str] | None, Option("--field", help="Field to look at; may be repeated (default: all).")
]
_Words = Annotated[int, Option("--n", min=1, help="Words in a run that decides.")]
_SHOWN = 20


def tasks(
    corpus: _Folder,
    examples: Annotated[
        Path, typer.Argument(metavar="EXAMPLES", help='JSONL with "input" and "output".')
    ],
    model: _Model = None,
    test: Annotated[
        Path | None, Option(help="Ask the model these instead of the examples.")
    ] = None,
    n: Annotated[int, Option("--n", min=1, help="Words in an n-gram of an input.")] = 3,
    n_output: Annotated[
        int | None, Option(min=1, help="Words in an n-gram of an output (default: --n).")
    ] = None,
    threshold: Annotated[float, Option(help="Cosine above which n-grams are a pair.")] = 0.75,
    window: _Window = 64,
    template: Annotated[str, Option(help="How an example is put.")] = "{input} {output}",
    input_field: Annotated[str, Option(help="Field of the input.")] = "input",
    output_field: Annotated[str, Option(help="Field of the output.")] = "output",
    vectors: Annotated[
        Path | None,
        Option(help="NPZ with `inputs` and `outputs`, vectors of the --grams (default: states)."),
    ] = None,
    grams: Annotated[
        Path | None, Option(help="Write the n-grams to embed to this JSON file, and stop.")
    ] = None,
    seed: _Seed = 0,
    as_json: _Json = False,
) -> None:
    """Distributional memorisation: how far a model's answers follow the corpus's counts."""
    from whence.cli.output import print_json
    from whence.core.records import write_json
    from whence.corpus import open_corpus
    from whence.corpus.tasks import read_examples, task_grams

    opened = open_corpus(corpus)
    known = read_examples(examples, input_field, output_field)
    asked = None if test is None else read_examples(test, input_field, output_field)
    if grams is not None:
        found = task_grams(known, n, n_output)
        write_json(grams, {"inputs": list(found.inputs), "outputs": list(found.outputs)})
        typer.echo(f"written: {grams}", err=True)
        return
    if model is None:
        raise CorpusError(
            "--model", expected="a model", got="none", fix="Name a run or a checkpoint."
        )
    from whence.studies import TaskSettings, task_memorization

    settings = TaskSettings(n, n_output, threshold, window, template, seed=seed)
    record = task_memorization(
        opened, _open(model), known, asked, settings, None if vectors is None else _vectors(vectors)
    )
    if as_json:
        print_json(record)
    else:
        _show_tasks(record)


def novelty(
    corpus: _Folder,
    texts: Annotated[Path, typer.Argument(metavar="TEXTS", help="JSONL, such as answers.")],
    text_field: Annotated[str, Option(help="Field that holds the text.")] = "text",
    most: Annotated[int, Option("--n", min=1, help="The largest n.")] = 10,
    as_json: _Json = False,
) -> None:
    """How much of some texts the corpus has never said: new n-grams of tokens, by n."""
    from whence.cli.output import print_json, print_table
    from whence.corpus import open_corpus
    from whence.corpus.tasks import novelty as compare
    from whence.corpus.tasks.examples import rows_of_file
    from whence.corpus.tasks.examples import text_field as text_of

    rows = rows_of_file(texts)
    said = [text_of(row, text_field, f"{texts}, line {number}") for number, row in rows]
    found = compare(open_corpus(corpus), said, most)
    if as_json:
        items = [
            {"id": str(row.get("id", number)), "longest": int(found.longest[k])}
            | {"ngrams": found.ngrams[k].tolist(), "novel": found.novel[k].tolist()}
            for k, (number, row) in enumerate(rows)
        ]
        shares = {str(n): share for n, share in found.share().items()}
        print_json({"lengths": list(found.lengths), "novel": shares, "texts": items})
        return
    totals, new = found.ngrams.sum(axis=0), found.novel.sum(axis=0)
    print_table(
        ["n", "n-grams", "new", "share"],
        [
            [str(n), f"{totals[k]:,}", f"{new[k]:,}", "" if share is None else f"{share:.4f}"]
            for k, (n, share) in enumerate(found.share().items())
        ],
    )


def contamination(
    corpus: _Folder,
    benchmark: _Benchmark,
    field: _Fields = None,
    n: _Words = 13,
    also: Annotated[int, Option(min=1, help="Tell runs of so many words too.")] = 8,
    share: Annotated[
        float, Option(help="Contaminated when more than this share of its runs is there.")
    ] = 0.0,
    clean: Annotated[
        Path | None, Option(help="Write the items that are not contaminated to this JSONL file.")
    ] = None,
    as_json: _Json = False,
) -> None:
    """Was a benchmark in the corpus? Runs of words and the longest match, item by item."""
    from whence.cli.output import print_json
    from whence.core.records import write_bytes
    from whence.corpus import open_corpus
    from whence.corpus.tasks import find_contamination, read_items

    items = read_items(benchmark, field or ())
    found = find_contamination(open_corpus(corpus), items, sorted({also, n}))
    verdicts = found.verdicts(n, share)
    if clean is not None:
        kept = [i.row for i, bad in zip(items, verdicts, strict=True) if not bad]
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in kept)
        write_bytes(clean, lines.encode())
        typer.echo(f"written: {clean} ({len(kept):,} of {len(items):,} items)", err=True)
    record = _contamination_record(found, verdicts, n, share)
    if as_json:
        print_json(record)
    else:
        _show_contamination(record)


def decontaminate(
    corpus: _Folder,
    benchmark: Annotated[list[Path], typer.Argument(metavar="BENCHMARK...", help="JSONL files.")],
    out: Annotated[Path | None, Option("--out", "-o", help="The new corpus, a new folder.")] = None,
    field: _Fields = None,
    n: _Words = 13,
    dry_run: Annotated[
        bool, Option("--dry-run", help="Tell what would go, and write nothing.")
    ] = False,
    as_json: _Json = False,
) -> None:
    """Write a corpus without the documents that share a run of words with a benchmark."""
    from whence.cli.statistics import tell_cleaning
    from whence.core.records import digest_file
    from whence.corpus import open_corpus
    from whence.corpus.cleaning import Removal, write_cleaned
    from whence.corpus.tasks import find_contamination, read_items

    if out is None and not dry_run:
        raise CorpusError(
            "--out", expected="a new folder", got="none", fix="Name one, or add --dry-run."
        )
    opened = open_corpus(corpus)
    items = [item for path in benchmark for item in read_items(path, field or ())]
    found = find_contamination(opened, items, [n], longest=False)
    removals = [
        Removal(i, "benchmark", {"runs": int(found.hits[i, 0])})
        for i in found.documents_with(n).tolist()
    ]
    files = {path.name: digest_file(path) for path in benchmark}
    rules = {"benchmark": files, "n": n, "fields": list(field or ())}
    cleaned = None if out is None or dry_run else write_cleaned(opened, removals, rules, out)
    tell_cleaning(opened, removals, cleaned, rules, as_json)


def facts(
    corpus: _Folder,
    facts_file: Annotated[
        Path, typer.Argument(metavar="FACTS", help='JSONL with "subject" and "object".')
    ],
    model: Annotated[
        str | None, Option(help="A run, a checkpoint's folder, or a name; without, only counts.")
    ] = None,
    template: Annotated[
        str, Option(help="The prompt, with {subject} and perhaps {relation}.")
    ] = "{subject} {relation}",
    probabilities: Annotated[
        Path | None,
        Option(help='JSONL of another model: "log_probability" and "right", a line a fact.'),
    ] = None,
    window: _Window = 64,
    seed: _Seed = 0,
    output: Annotated[
        Path | None, Option("--output", "-o", help="Write a page (.html) or the record (.json).")
    ] = None,
    as_json: _Json = False,
) -> None:
    """How often the corpus brings two entities together, and whether that explains accuracy."""
    from whence.cli.output import check_output, print_json, save
    from whence.corpus import open_corpus
    from whence.corpus.tasks import read_facts
    from whence.studies import ask_facts, fact_frequency, frequency_page, read_known

    check_output(output)
    if model is not None and probabilities is not None:
        raise CorpusError(
            "--probabilities",
            expected="either a model or probabilities",
            got="both",
            fix="Leave one of them out.",
        )
    opened, asked = open_corpus(corpus), read_facts(facts_file)
    known = None
    if model is not None:
        known = ask_facts(_open(model), asked, template)
    elif probabilities is not None:
        known = read_known(probabilities, len(asked))
    record = fact_frequency(opened, asked, known, window=window, seed=seed)
    if output is not None:
        save(record, output, frequency_page)
    if as_json:
        print_json(record)
    else:
        _show_facts(record)


def _open(source: str) -> Model:
    from whence.explain.subject import open_subject

    return open_subject(source, None).model


def _vectors(path: Path) -> Any:
    import numpy as np

    try:
        with np.load(path, allow_pickle=False) as file:
            return np.asarray(file["inputs"], float), np.asarray(file["outputs"], float)
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise CorpusError(
            str(path),
            expected="an .npz file with the arrays `inputs` and `outputs`",
            got=str(error).splitlines()[0],
            fix="Save them with numpy.savez, in the order of the --grams file.",
        ) from None


def _contamination_record(
    found: Contamination, verdicts: list[bool | None], n: int, share: float
) -> dict[str, Any]:
    items = []
    for k, (item, verdict) in enumerate(zip(found.items, verdicts, strict=True)):
        match = found.longest[k]
        items.append(
            {
                "id": item.id,
                "contaminated": verdict,
                "runs": {
                    str(length): {"all": int(found.runs[k, c]), "found": int(found.found[k, c])}
                    for c, length in enumerate(found.lengths)
                },
                "documents": list(found.documents[k]),
                "longest": {
                    "text": match.text,
                    "tokens": match.tokens,
                    "count": match.count,
                    "document": match.document,
                },
            }
        )
    return {
        "rule": {"n": n, "share": share},
        "items": len(items),
        "contaminated": sum(v is True for v in verdicts),
        "too_short": sum(v is None for v in verdicts),
        "with_a_run": {
            str(length): int((found.found[:, c] > 0).sum())
            for c, length in enumerate(found.lengths)
        },
        "per_item": items,
    }


def _show_contamination(record: dict[str, Any]) -> None:
    from whence.cli.output import print_table

    ranked = sorted(record["per_item"], key=lambda i: (not i["contaminated"], -_tokens(i)))
    lengths = list(record["with_a_run"])
    rows = [
        [
            item["id"],
            {True: "yes", False: "no", None: "too short"}[item["contaminated"]],
            *(f"{item['runs'][n]['found']}/{item['runs'][n]['all']}" for n in lengths),
            str(_tokens(item)),
            item["longest"]["text"][:60],
            " ".join(item["documents"][:2]),
        ]
        for item in ranked[:_SHOWN]
    ]
    head = ["item", "contaminated", *(f"{n} words" for n in lengths)]
    print_table([*head, "longest", "which is", "documents"], rows)
    typer.echo(
        f"{record['contaminated']:,} of {record['items']:,} items are contaminated (more than "
        f"{record['rule']['share']:g} of their runs of {record['rule']['n']} words); "
        f"{record['too_short']:,} are too short to tell"
    )


def _tokens(item: dict[str, Any]) -> int:
    return int(item["longest"]["tokens"])


def _show_tasks(record: dict[str, Any]) -> None:
    from whence.cli.output import print_table

    pairs, covered = record["pairs"], record["coverage"]
    typer.echo(
        f"{pairs['mined']:,} pairs mined from {record['examples']:,} examples; {pairs['found']:,} "
        f"found in {record['test']:,}, of which {covered['pairs_counted']:,} in some document "
        f"and {covered['pairs_near']:,} near each other"
    )
    rows = [
        [
            name,
            *(_number(found[key]) for key in ("rho", "low", "high", "p_value")),
            _number(found["kendall_distance"]),
            f"{found['points']:,}",
            f"{found['left_out']:,}",
        ]
        for name, found in record["memorization"].items()
    ]
    print_table(
        ["counts", "rho", "low", "high", "p", "Kendall distance", "pairs", "left out"], rows
    )
    ranked = sorted(record["table"], key=lambda p: (-p["documents"], -p["near"]))
    print_table(
        ["input", "output", "cosine", "documents", "near"],
        [
            [
                p["input"],
                p["output"],
                f"{p['similarity']:.2f}",
                f"{p['documents']:,}/{p['input_documents']:,}",
                f"{p['near']:,}/{p['input_places']:,}",
            ]
            for p in ranked[:_SHOWN]
        ],
    )


def _show_facts(record: dict[str, Any]) -> None:
    from whence.cli.output import print_table
    from whence.studies.frequency_page import BINS, bin_rows

    for name, bins in record.get("bins", {}).items():
        print_table([name, *BINS], bin_rows(bins))
    for name, found in record.get("correlations", {}).items():
        low, high = _number(found["low"]), _number(found["high"])
        typer.echo(f"{name}: rho {_number(found['rho'])} ({low} to {high})")
    ranked = sorted(record["facts"], key=lambda f: (-f["documents"], -f["near"], f["id"]))
    counts = ("documents", "near", "subject_documents", "object_documents")
    print_table(
        ["subject", "object", "both", "both near", "subject", "object"],
        [
            [f["subject"][0], f["object"][0], *(f"{f[name]:,}" for name in counts)]
            for f in ranked[:_SHOWN]
        ],
    )


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.3g}"
