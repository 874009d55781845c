"""Markdown for the model card: text from data made harmless, tables, figures, and the page that shows it."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence

import numpy as np
from markdown_it import MarkdownIt

from training.estimate import Estimate

NOT_ASSESSED = "not assessed"

#: What Markdown would take for more than a letter; an underscore within a word is one.
_SPECIAL = re.compile(r"([\\`*\[\]|#~]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9]))")
_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #222; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1, h2, h3 { line-height: 1.25; } h2 { border-bottom: 1px solid #ccc; margin-top: 2.5rem; } h3 { font-size: 1rem; }
table { border-collapse: collapse; margin: 1rem 0; font-size: 0.9rem; display: block; overflow-x: auto; }
th, td { border: 1px solid #ccc; padding: 0.25rem 0.6rem; text-align: left; vertical-align: top; }
th { background: #f2f2f2; } code { overflow-wrap: anywhere; }
blockquote { border-left: 4px solid #d55e00; margin: 1rem 0; padding: 0.1rem 1rem; background: #fdf3ec; }
"""


def escaped(text: object) -> str:
    """Return text from data such that Markdown shows it letter by letter, on one line."""
    # Entities, not backslashes, against HTML: a reader that knows no Markdown must find no tag either.
    return _SPECIAL.sub(r"\\\1", html.escape(" ".join(str(text).split()), quote=False))


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a Markdown table; its cells are text from data.

    Parameters
    ----------
    header : sequence of str
    rows : sequence of rows
    """
    if not rows:
        return f"*{NOT_ASSESSED}*"
    lines = [header, ["---"] * len(header), *([escaped(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def bullets(lines: Sequence[str]) -> str:
    """Return a list, one line each."""
    return "\n".join(f"- {line}" for line in lines)


def number(value: float) -> str:
    """Write a figure; *not assessed* where there is none."""
    return f"{value:.{1 if abs(value) >= 10 else 3}f}" if np.isfinite(value) else NOT_ASSESSED


def interval(estimate: Estimate | None) -> str:
    """Write a figure and its 95 % interval; *not assessed* where there is no figure."""
    if estimate is None or not np.isfinite(estimate.value):
        return NOT_ASSESSED
    if not np.isfinite([estimate.lower, estimate.upper]).all():
        return f"{number(estimate.value)} (no interval)"
    return f"{number(estimate.value)} ({number(estimate.lower)} to {number(estimate.upper)})"


def html_page(markdown: str, *, title: str) -> str:
    """Return a page that stands alone: no script, no address of anything else.

    Parameters
    ----------
    markdown : str
        HTML within it is shown as text.
    title : str
    """
    body = MarkdownIt("commonmark", {"html": False}).enable("table").render(markdown)
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{html.escape(title)}</title>\n'
        f"<style>{_STYLE}</style>\n</head>\n<body>\n{body}</body>\n</html>\n"
    )
