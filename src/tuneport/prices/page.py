"""docs/prices.md, made from the book: every row with its source, for a reader who wants to see for himself.

python -m tuneport.prices.page > docs/prices.md
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import date

from tuneport.catalogue.book_check import RULES
from tuneport.prices.book import shipped
from tuneport.prices.gpus import gpus
from tuneport.prices.price import OLD_AFTER_DAYS, UNITS, Price
from tuneport.prices.row_checks import money
from tuneport.prices.terms import terms


def document() -> str:
    """The whole page."""
    return "\n".join([_HEAD, *_checks(), _UNITS_HEAD, *_units(), *_book(), _GPUS, *_gpus()]) + "\n"


def newest() -> date:
    """The day of the newest row: by it the page marks what is old, as it has no today."""
    return max(row.as_of for row in shipped())


_HEAD = f"""# Prices

This page is made from the code: `python -m tuneport.prices.page > docs/prices.md`. A test compares the two.

Nobody keeps a table of what fine-tuning costs that a program can read, and published comparisons contradict one another. The price book
(`src/tuneport/prices/*.toml`) has a row for each price somebody published, with who, where and when. What is not in it is not known: a
quote says so, and fills it in with neither zero nor a guess. Where two sources disagree both rows are there, and a note says so.

```
tuneport prices list --provider together --unit training
tuneport prices list --model gpt-4.1-mini --csv prices.csv
tuneport prices show openai:gpt-4.1-mini
tuneport prices check --prices ours.toml
```

`prices show` has everything about one model: prices, limits, dates, and the nearest bases elsewhere. `gpu` is the provider of rented GPUs;
who rents them out stands in the tier. The models themselves are in [models.md](models.md).

## Marks

| mark | meaning |
|---|---|
| old | the source is of more than {OLD_AFTER_DAYS} days ago |
| third party | no page and no code of the vendor says it: somebody's table, bill or copy |
| closing | new customers are turned away, or a last day is announced |
| retired | it can no longer be bought; kept so that old bills can be understood |
| yours | from a file of your own |

A quote carries the marks of every price it uses. `confidence` says who states a price: `vendor page`, `vendor code` (a calculator or an
SDK of theirs), or `third party`.

## Your own prices

A file of the same shape, of which only four keys are needed:

```toml
[[prices]]
provider = "together"
model = "Qwen/Qwen3.5-9B"
unit = "1M training tokens"
price = "0.40"

[[prices]]                          # a GPU of your own: what an hour of it costs you
provider = "gpu"
model = "RTX 4090 24GB"
unit = "GPU hour"
tier = "ours"
price = "0.35"
currency = "USD"
as_of = 2026-11-01
source = "our accounts"
note = "machine over three years, and electricity"
```

`method`, `weights`, `tier`, `region`, `above_b` and `up_to_b` narrow a row: without them it holds for all, a row without a tier for the
usual one. `model` is the name in the catalogue, or a pattern as in a shell. Yours win over every other row; among the others, one for
exactly this model wins over a pattern, and the one that says most over one that says less. Without `as_of` and `source`, a row is of the
day the file was last changed, and from that file.

Files are looked for in `TUNEPORT_PRICES` (several, separated as in `PATH`), else as `prices.toml` beside the user's and the project's
`tuneport.toml`; `--prices FILE` adds one. The last wins: the project's over the user's, the one on the line over both.

## What is checked

`tuneport prices check` looks at the book, the catalogue and your own files. Its exit code is 1 when your own files have errors.

| rule | what it finds |
|---|---|"""


def _checks() -> Iterator[str]:
    for rule, finds in RULES.items():
        yield f"| {rule} | {finds} |"


_UNITS_HEAD = """
## Units

| unit | priced rows |
|---|---|"""


def _units() -> Iterator[str]:
    for unit in UNITS:
        yield f"| {unit} | {sum(row.unit == unit for row in shipped())} |"


def _book() -> Iterator[str]:
    rows = shipped()
    yield f"\n## The book\n\n{len(rows)} rows. What is old is said as of {newest()}, the day of the newest row."
    for provider in dict.fromkeys(row.provider for row in rows):
        yield f"\n### {provider}\n"
        yield "| model | unit | price | for | as of | status | confidence | marks | source | note |"
        yield "|---|---|---:|---|---|---|---|---|---|---|"
        for row in rows:
            if row.provider == provider:
                yield _line(row)


def _line(row: Price) -> str:
    marks = ", ".join(row.doubts(on=newest()))
    cells = (f"`{row.model}`", row.unit, money(row), terms(row), str(row.as_of), row.status, row.confidence, marks, row.source, row.note)
    return table_line(*cells)


def table_line(*cells: str) -> str:
    """A line of a Markdown table, with nothing in a cell that would end it."""
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


_GPUS = """
## GPUs

What a machine of one's own is measured by: memory, the power of the board, and operations a second in bf16 without sparsity, where
published.

| GPU | also called | GB | watts | bf16 teraflops | as of | confidence | source |
|---|---|---:|---:|---:|---|---|---|"""


def _gpus() -> Iterator[str]:
    for each in gpus():
        watts = "" if each.watts is None else str(each.watts)
        speed = "" if each.bf16_tflops is None else f"{each.bf16_tflops:g}"
        names = ", ".join(each.names)
        yield table_line(each.name, names, str(each.memory_gb), watts, speed, str(each.as_of), each.confidence, each.source)


if __name__ == "__main__":
    sys.stdout.write(document())
