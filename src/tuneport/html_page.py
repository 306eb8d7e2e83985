"""Pages that need nothing else: no script, no font, no address. What every report of ours looks like, and tables for it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from tuneport import __version__

_STYLE = """
:root { color-scheme: light dark; --ink: #1d2430; --dim: #5b6675; --line: #d9dee5; --paper: #ffffff; --bar: #1f5fa8; --bad: #b3261e }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e9ee; --dim: #9aa5b4; --line: #343c48; --paper: #14181e; --bar: #6aa8ec; --bad: #ff8a80 }
}
body { margin: 2rem auto; max-width: 46rem; padding: 0 1rem; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif }
h1 { font-size: 1.5rem; margin: 0 0 1rem; overflow-wrap: anywhere }
h2 { font-size: 1.1rem; margin: 2.2rem 0 .6rem }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; padding: .25rem .6rem .25rem 0; border-bottom: 1px solid var(--line); vertical-align: top }
th { font-weight: 600 }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap }
td.name { overflow-wrap: anywhere; max-width: 20rem }
p, footer { color: var(--dim) }
footer { margin-top: 2.5rem; font-size: .875rem }
svg { display: block; width: 100%; height: auto }
svg line { stroke: var(--line) }
svg text { fill: var(--dim); font-size: 12px; font-family: inherit }
.bad { color: var(--bad) }
"""


def document(title: str, parts: Iterable[str], *, said: str = "", style: str = "") -> str:
    """The whole page: the parts under the title, then by whom it was written and what is `said` of it. `style` is added to that of all."""
    body = "\n".join(part for part in parts if part)
    footer = f"<footer>Written by Tuneport {__version__}. {escape(said)}</footer>"
    metas = '<meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    head = f"{metas}<title>{escape(title)}</title><style>{_STYLE}{style}</style>"
    top = f"<h1>{escape(title)}</h1>"
    return f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body>\n{top}\n{body}\n{footer}\n</body></html>\n'


def row(*cells: tuple[str, str], head: bool = False) -> str:
    """One row of a table: (text, class) for each cell; with `head` the first is the row's name."""
    return drawn_row(*((escape(text), kind) for text, kind in cells), head=head)


def drawn_row(*cells: tuple[str, str], head: bool = False, kind: str = "") -> str:
    """Likewise of (markup, class): whoever draws a cell has escaped what stands in it."""
    shown = []
    for place, (markup, of_cell) in enumerate(cells):
        tag = 'th scope="row"' if head and place == 0 else "td"
        shown.append(f"<{tag}{of_class(of_cell)}>{markup}</{tag.partition(' ')[0]}>")
    return f"<tr{of_class(kind)}>{''.join(shown)}</tr>"


def of_class(kind: str) -> str:
    """The attribute, or nothing."""
    return f' class="{kind}"' if kind else ""


def table(headers: Iterable[str], rows: Sequence[str], *, numbers: Sequence[int], kind: str = "") -> str:
    """`numbers`: which columns hold numbers."""
    cells = [
        f'<th scope="col"{of_class("number" if place in numbers else "")}>{escape(header)}</th>' for place, header in enumerate(headers)
    ]
    return f"<table{of_class(kind)}><thead><tr>{''.join(cells)}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
