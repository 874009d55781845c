"""The command ``prognosis score``: patients of a file, scored without a service."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

# What scores takes seconds to import: the command imports what it needs.
# ruff: noqa: PLC0415

FAILED = 1


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--model", "reference", metavar="NAME[@ALIAS|:VERSION]",
              help="A registered model; what is served of it unless an alias or a version is named.")  # fmt: skip
@click.option("--bundle", type=click.Path(exists=True, file_okay=False, path_type=Path),
              help="A bundle's folder, or an exported model's, in place of a registered one.")  # fmt: skip
@click.option("--scale", required=True, help="Of the expression values: log2_tpm_1, log2_rsem_1, tpm, zscore, …")
@click.option("--zscore-reference", help="What z-scores refer to: the model's reference by name; `own` unless set.")
@click.option("--reference", "cohort", metavar="NAME",
              help="Of a model of several cohorts: whose reference; the model's default unless set.")  # fmt: skip
@click.option("--horizon", "horizons", type=float, multiple=True,
              help="Months; may be given several times. The model's own unless set.")  # fmt: skip
@click.option("--contributions", is_flag=True, help="What each covariate contributes, in .ndjson results.")
@click.option(
    "--format", "form", type=click.Choice(["csv", "tsv", "parquet", "h5ad"]), help="Where the name tells none."
)
@click.option("--to", "target", type=click.Path(dir_okay=False, path_type=Path),
              help="FILE.scores.csv unless set; also .tsv, .parquet, .ndjson.")  # fmt: skip
@click.option("--overwrite", is_flag=True, help="Replace results of an earlier time; never the patients' own file.")
@click.pass_context
def score(
    context: click.Context,
    /,
    file: Path,
    target: Path | None,
    form: str | None,
    **options: Any,
) -> None:
    """Score the patients in FILE: one a row, ids in the first column, then genes and clinical covariates.

    CSV, TSV (gzip or not), Parquet or AnnData. The exit code is 1 if any patient could not be scored; the results say
    which and why.
    """
    from tqdm import tqdm

    from experiments.score_files import require_free, results_beside, words_of, write_scores
    from experiments.scored_model import model_to_score_with
    from training.file_scoring import Asked

    target = target or results_beside(file)
    if not options["overwrite"]:
        require_free(target)
    model = model_to_score_with(options["reference"], options["bundle"]).reference_named(options["cohort"])
    asked = Asked(
        scale=options["scale"],
        zscore_reference=options["zscore_reference"],
        horizons_months=options["horizons"] or None,
        contributions=options["contributions"],
    )
    outcome = None
    with tqdm(unit=" patients", disable=None, leave=False) as bar:
        for outcome in write_scores(model, file, target, asked, form=form):
            bar.update(outcome.n_scored + outcome.n_failed - bar.n)
    assert outcome is not None  # noqa: S101
    for words in words_of(outcome):
        click.echo(f"prognosis: {words}", err=True)
    named = f" on reference {model.reference}" if model.reference else ""
    which = " (its default)" if model.reference and options["cohort"] is None else ""
    click.echo(
        f"{target}: {outcome.n_scored:,} patients scored with {model.name}{named}{which}, {outcome.n_failed:,} not"
    )
    if outcome.n_failed:
        context.exit(FAILED)
