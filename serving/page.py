"""The page at ``/``: names the service and links to what it offers; no script, nothing from elsewhere."""

from __future__ import annotations

from html import escape

from serving.champions import Snapshot
from serving.schemas import RESEARCH_USE_ONLY


def index_page(snapshot: Snapshot) -> str:
    """Return the page as HTML."""
    return f"""<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>CTC prognosis</title>
<meta name="viewport" content="width=device-width"><link rel="stylesheet" href="ui/style.css">
<link rel="stylesheet" href="ui/controls.css"><link rel="icon" href="ui/icon.svg"></head>
<body><main class="stack">
<h1>CTC prognosis</h1>
<p>Prognostic models on the gene panel behind clusters of circulating tumour cells (Rozenberg et al. 2023,
doi:10.3389/fimmu.2023.1099921). <strong>{escape(RESEARCH_USE_ONLY)}</strong></p>
<p class="buttons"><a class="button" href="ui">Score a patient, or look at the cohorts</a></p>
<p>Programs score patients with <code>POST /score</code>. <a href="docs.json">The whole interface</a> (OpenAPI) ·
<a href="models">models</a> · <a href="cancer-types">cancer types</a> · <a href="readyz">readiness</a> ·
<a href="metrics">metrics</a></p>
<h2>Models that answer</h2>
{_table(snapshot)}
</main></body>
</html>
"""


def _table(snapshot: Snapshot) -> str:
    if not snapshot.models:
        return "<p>None yet: train a model, and it appears here.</p>"
    head = ("model", "version", "alias", "patients", "events", "concordance (95 % interval)", "hazard ratios")
    rows = "".join(_row(name, snapshot) for name in snapshot.models)
    heads = "".join(f'<th scope="col">{title}</th>' for title in head)
    return f'<div class="scrolled"><table><tr>{heads}</tr>{rows}</table></div>'


def _row(name: str, snapshot: Snapshot) -> str:
    block = snapshot.models[name].rendered.block
    figures = [block.concordance.value, block.concordance.lower, block.concordance.upper]
    value, lower, upper = ("–" if figure is None else f"{figure:.3f}" for figure in figures)
    link = f"hazard-ratios/{escape(block.cancer_type)}?endpoint={escape(block.endpoint)}"
    cells = (block.version, block.alias, block.n_patients, block.n_events, f"{value} ({lower} to {upper})")
    texts = "".join(f"<td>{escape(str(cell))}</td>" for cell in cells)
    return f'<tr><td>{escape(name)}</td>{texts}<td><a href="{link}">{escape(block.cancer_type)}</a></td></tr>'
