"""One page that stands alone: figures and a table to sort and search, with nothing from elsewhere."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure

from experiments.card_context import RESEARCH_ONLY
from experiments.figure_frame import ratio_words
from experiments.gene_grid import LEVEL
from experiments.scan_columns import CHOICE, P, PageColumn, packed, wide_table
from experiments.scan_rows import PER_SD, rows_of_cut
from features.cohort import SIMULATED_PREFIX
from training.scan.meta_analysis import TOO_ALIKE

_HERE = Path(__file__).parent
#: Nothing is fetched: script, style and pictures are the page's own.
SECURITY_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
    "form-action 'none'"
)
SIMULATED = "SIMULATED: some of these patients were made by a generator; what is found in them says nothing of people."
REFERENCE = "Rozenberg et al. 2023, Front. Immunol. 14:1099921, doi 10.3389/fimmu.2023.1099921"
HOW_TO_READ = (
    "A hazard ratio above 1 means that higher expression is worse. The ratio per standard deviation comes first, for "
    "no cut was chosen for it; at the optimal cut only the shrunken ratio and the corrected p are shown, for the naive "
    "ones are biased. Coloured: the 95 % interval excludes 1. Choose a row to see all that is known of it."
)
#: Of a transcriptome the pooled rows that a reader begins with; the files have all.
POOLED_SHOWN = 50
HOW_POOLED = (
    "Random effects by restricted maximum likelihood; interval and p by Hartung and Knapp, their variance held at no "
    "less than a common effect's; q of that p. All, and other cuts, in pooled_hazard_ratios.csv."
)


def scan_page(
    table: pd.DataFrame,
    evidence: pd.DataFrame,
    figures: Mapping[str, Figure],
    *,
    pooled: pd.DataFrame | None = None,
    notes: Sequence[str] = (),
) -> str:
    """Return the page of a scan.

    Parameters
    ----------
    table : DataFrame
        The long table; the page has a row for each gene and cohort.
    evidence : DataFrame
        As `features.evidence.evidence_table`, with ``cancer_type`` where it depends on it.
    figures : dict of Figure
        In the order in which they are shown.
    pooled : DataFrame, optional
        Hazard ratios pooled over cohorts; those with the smallest q are shown.
    notes : sequence of str
        What could not be scanned or drawn.
    """
    wide, columns = wide_table(table, evidence)
    return page(
        title="Univariate hazard ratios",
        lead=f"{note_list(notes)}<p>{escape(HOW_TO_READ)}</p>\n{_overview(table)}{_pooled(pooled)}",
        figures=figures,
        table=wide,
        columns=columns,
        simulated=bool(table["cancer_type"].str.startswith(SIMULATED_PREFIX).any()),
    )


def page(
    *,
    title: str,
    lead: str,
    figures: Mapping[str, Figure],
    table: pd.DataFrame,
    columns: Sequence[PageColumn],
    simulated: bool,
) -> str:
    """Return a page with an introduction, figures and one table.

    Parameters
    ----------
    title : str
    lead : str
        HTML.
    figures : dict of Figure
    table : DataFrame
    columns : sequence of PageColumn
        What of the table is shown; the first names the rows.
    simulated : bool
        Whether any patient was.
    """
    header, values = packed(table, columns)
    described = {"rows": len(table), "label": title, "columns": header}
    pictures = "\n".join(_picture(figure) for figure in figures.values())
    return f"""<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>{escape(title)}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{SECURITY_POLICY}">
<style>{_asset("scan_page.css")}</style></head>
<body><main>
<h1>{escape(title)}</h1>
<p class="faint">{escape(RESEARCH_ONLY)} On the genes of {escape(REFERENCE)}.</p>
{f'<p class="warning">{escape(SIMULATED)}</p>' if simulated else ""}
{lead}
<h2>Table</h2>
{_controls(header)}
<p class="faint" id="count" role="status"></p>
<noscript><p class="warning">The table needs JavaScript; the CSV and Parquet files hold the same.</p></noscript>
<div class="scroll" id="rows"><table id="grid" role="grid" tabindex="0"><thead></thead><tbody></tbody></table></div>
<p class="faint">A heading sorts; arrow keys, Page Up and Page Down, Home and End move through the rows.</p>
<section id="chosen" aria-live="polite" hidden><h2>Chosen row</h2><dl id="about"></dl></section>
{f"<h2>Figures</h2>{pictures}" if pictures else ""}
</main>
<script type="application/json" id="columns">{_json(described)}</script>
<script type="text/plain" id="values">{values}</script>
<script>{_asset("scan_page.js")}</script>
</body></html>
"""


def _asset(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")


def _json(content: object) -> str:
    """Write JSON such that no text in it can end the script that holds it."""
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")


def _picture(figure: Figure) -> str:
    about = " ".join(f"{figure.get_suptitle()}. {figure.get_supxlabel()}".split())
    source = base64.b64encode(svg(figure)).decode("ascii")
    return f'<figure tabindex="0"><img src="data:image/svg+xml;base64,{source}" alt="{escape(about)}"></figure>'


def svg(figure: Figure) -> bytes:
    """Return a figure as SVG; the same figure gives the same bytes."""
    written = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": "ctc-prognosis"}):
        figure.savefig(written, format="svg", metadata={"Date": None})
    return written.getvalue()


def _controls(header: Sequence[Mapping[str, object]]) -> str:
    """Return what filters the table: words, a choice for each column that is one, and the largest p or q."""
    by = [(place, column["label"]) for place, column in enumerate(header) if column["kind"] == P]
    preferred = next((place for place, label in by if label == "q"), by[0][0] if by else None)
    options = "".join(
        f'<option value="{place}"{" selected" if place == preferred else ""}>{escape(str(label))}</option>'
        for place, label in by
    )
    choices = "".join(_choice(place, column) for place, column in enumerate(header) if column["kind"] == CHOICE)
    return (
        '<div class="controls"><label>Gene or word<input type="search" id="search" autocomplete="off"></label>'
        f'{choices}<label>At most<input type="number" id="limit" min="0" max="1" step="any" placeholder="0.05"></label>'
        f'<label>of<select id="by">{options}</select></label></div>'
    )


def _choice(place: int, column: Mapping[str, object]) -> str:
    texts = column["texts"]
    assert isinstance(texts, list)  # noqa: S101 - what `packed` writes for every text
    options = "".join(f'<option value="{code}">{escape(text)}</option>' for code, text in enumerate(texts))
    label = escape(str(column["label"]))
    return f'<label>{label}<select data-column="{place}"><option value="">all</option>{options}</select></label>'


def _overview(table: pd.DataFrame) -> str:
    """Return a row for each cohort: how many patients, events and genes, and what stands out."""
    head = ("cohort", "patients", "events", "genes", "without estimate", "q < 0.05 per SD: worse", "better")
    cells = "".join(f"<th{_align(place)}>{escape(text)}</th>" for place, text in enumerate(head))
    rows = []
    for (cancer_type, endpoint), genes in rows_of_cut(table, PER_SD).groupby(["cancer_type", "endpoint"], sort=False):
        found = genes[genes["q"] < LEVEL]["hazard_ratio"]
        counts = (genes["n"].max(), genes["events"].max(), len(genes), genes["hazard_ratio"].isna().sum(),
                  (found > 1).sum(), (found < 1).sum())  # fmt: skip
        texts = (f"{cancer_type}/{endpoint}", *(f"{int(count):,}" for count in counts))
        rows.append("".join(f"<td{_align(place)}>{escape(text)}</td>" for place, text in enumerate(texts)))
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    return f'<div class="scroll" tabindex="0"><table class="plain"><tr>{cells}</tr>{body}</table></div>'


def note_list(notes: Sequence[str]) -> str:
    """Return a list of what a reader must know before anything else; empty where there is nothing."""
    points = "".join(f"<li>{escape(note)}</li>" for note in notes)
    return f'<ul class="warning">{points}</ul>\n' if points else ""


def _pooled(pooled: pd.DataFrame | None) -> str:
    """Return the pooled hazard ratios per SD with the smallest q, their intervals held at a common effect's."""
    if pooled is None or pooled.empty:
        return ""
    rows = pooled[pooled["cut"] == PER_SD].sort_values(["q", "held_p"], kind="stable")
    head = (
        "gene",
        "cohorts of",
        "patients",
        "events",
        "pooled HR per SD",
        "p",
        "q",
        "I²",
        "pooled",
        "left out",
        "remark",
    )
    lines = []
    for row in rows.head(POOLED_SHOWN).itertuples():
        ratio = "–" if pd.isna(row.hazard_ratio) else ratio_words(row.hazard_ratio, row.held_lower, row.held_upper)
        p, q, share = ("–" if pd.isna(x) else f"{x:.2g}" for x in (row.held_p, row.q, row.i_squared))
        cells = (row.gene, f"{row.cancer_type}/{row.endpoint}", f"{row.n:,}", f"{row.events:,}", ratio, p, q, share,
                 row.cohorts, row.left_out, str(row.remark).replace(TOO_ALIKE, "").strip("; "))  # fmt: skip
        lines.append("".join(f"<td>{escape(str(cell))}</td>" for cell in cells))
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    more = f" The first {POOLED_SHOWN} of {len(rows):,} rows." if len(rows) > POOLED_SHOWN else ""
    names = "".join(f"<th>{escape(name)}</th>" for name in head)
    return (
        f'<h2>Pooled over cohorts</h2><p class="faint">{escape(HOW_POOLED + more)}</p>'
        f'<div class="scroll" tabindex="0"><table class="plain"><tr>{names}</tr>{body}</table></div>'
    )


def _align(place: int) -> str:
    return ' class="number"' if place else ""
