"""The benchmark of applicability as tables that people read, and as rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd

from experiments.benchmarks.applicability import (
    CAUGHT_AT_LEAST,
    LOGGED,
    MISSING,
    OTHER,
    OWN,
    SHUFFLED,
    UNLOGGED,
    Applicabilities,
    chosen_elsewhere,
)
from experiments.benchmarks.origin import code_in_words
from experiments.benchmarks.tables import write_pair
from training.applicability import WARNED_ABOVE

KINDS = (UNLOGGED, LOGGED, SHUFFLED, OTHER)


def write_applicability(found: Applicabilities, folder: Path) -> None:
    """Write ``applicability.csv`` and ``applicability.md``, each in one piece."""
    write_pair("applicability", found.rates.assign(**found.about), markdown(found), folder)


def markdown(found: Applicabilities) -> str:
    """Return the benchmark as Markdown: the cohorts' own patients, each abuse, what falls short, and the choice."""
    sections = [
        "# What a model cannot score",
        _about(found),
        "## A cohort's own patients, held back",
        _own(found.rates),
        "## What is caught",
        _caught(found.rates),
        "## Another cancer type, by model",
        _others(found.rates),
        _short(found),
        "## How the distance was chosen",
        _choice(found.candidates),
    ]
    return "\n\n".join(sections) + "\n"


def _about(found: Applicabilities) -> str:
    return (
        f"Made {str(found.about['created'])[:10]} with {code_in_words(found.about)} by "
        "`prognosis benchmark applicability`. A profile is *warned of* where its distance from the model's reference "
        f"cohort is above the {WARNED_ABOVE:g}th percentile of that cohort's own patients, each measured while held "
        "back; *refused* where the distance is beyond all of theirs by a margin, or where its values contradict the "
        "stated scale. Aims: at most 5 % of a cohort's own patients warned of, at least 95 % of each abuse caught "
        "(warned of or refused). Genes are taken away at random, from each profile others."
    )


def _own(rates: pd.DataFrame) -> str:
    own = rates[rates["kind"] == OWN]
    lines = []
    for model, rows in own.groupby("model", sort=False):
        by_missing = rows.set_index("missing")
        warned = [_percent(by_missing.loc[missing, "warned"]) for missing in MISSING]
        wrongly = [f"{by_missing[name].mul(by_missing['profiles']).sum():.0f}" for name in ("refused", "scale")]
        lines.append([str(model), str(rows["patients"].iloc[0]), *warned, *wrongly])
    everyone = own["warned"].mul(own["profiles"]).groupby(own["missing"]).sum()
    n_patients = own.drop_duplicates("model")["patients"].sum()
    warned = [_percent(everyone[missing] / n_patients) for missing in MISSING]
    lines.append(["**all patients**", str(n_patients), *warned, "", ""])
    heads = ["", "patients", *_missing_heads("warned"), "refused by distance", "refused by scale"]
    words = (
        "In five folds: a model of four, scored on the fifth. Refusals are counted over the four columns, of four "
        "times as many profiles."
    )
    return f"{words}\n\n{_table(heads, lines)}"


def _caught(rates: pd.DataFrame) -> str:
    lines = []
    for kind in KINDS:
        rows = rates[rates["kind"] == kind]
        if rows.empty:
            continue
        by_model = rows.groupby(["missing", "model"])[["caught", "refused", "scale"]].mean()
        spread = by_model["caught"].groupby("missing").agg(["mean", "min"])
        cells = [_mean_and_worst(spread.loc[missing]) for missing in MISSING]
        lines.append([kind, *cells, *[_percent(by_model.loc[0.0, name].mean()) for name in ("refused", "scale")]])
    heads = ["", *_missing_heads("caught"), "refused by distance", "refused by scale"]
    words = "Mean over the models, in brackets the worst model; refusals with all genes known."
    return f"{words}\n\n{_table(heads, lines)}"


def _others(rates: pd.DataFrame) -> str:
    rows = rates[(rates["kind"] == OTHER) & (rates["missing"] == 0)]
    if rows.empty:
        return "Needs two cohorts on one scale."
    models, others = list(dict.fromkeys(rows["model"])), list(dict.fromkeys(rates["model"]))
    caught = rows.set_index(["model", "of"])["caught"]
    lines = [
        [model, *[_percent(caught[model, of]) if (model, of) in caught.index else "" for of in others],
         _percent(float(caught[model].mean()))]
        for model in models
    ]  # fmt: skip
    return "All genes known; a row is a model, a column whose profiles it was sent.\n\n" + _table(
        ["", *others, "mean"], lines
    )


def _short(found: Applicabilities) -> str:
    rates = found.rates
    rows = rates[(rates["kind"].isin(KINDS)) & (rates["missing"] == 0) & (rates["caught"] < CAUGHT_AT_LEAST)]
    if rows.empty:
        return "No abuse of any model falls short of 95 %."
    lines = [
        [row["model"], row["of"], row["kind"], _percent(row["caught"]), _ceiling(found, row["model"], row["of"])]
        for row in rows.sort_values("caught").to_dict("records")
    ]
    heads = ["model", "profiles of", "", "caught", "by a classifier that is shown both cohorts"]
    words = (
        "Z-scores of another cancer type that claim the model's own reference have its means and variances by "
        "construction; what is left is the shape of each gene's distribution and how genes go together. That is in "
        "the profiles: boosted trees that learn from both cohorts (cross-validated, warning of as many of the "
        "model's own patients) tell them apart as the last column shows, perhaps by marks of the processing too, "
        "such as the z-score of no reads. A model knows its own cohort only, and not where in it the patients of "
        "another would lie: where the cancers are alike, or few patients were its reference, their profiles are "
        "possible ones of its own. On a log scale, where means differ, it is easy. Tried beside the candidates "
        "below, and none of them better by more than a few points: both tails of the distance, the largest "
        "conditional residuals, counts of values outside of the range on either side, more and less shrinkage, "
        "products of the measures' percentiles, and the likelihood ratio against a Gaussian pooled from the other "
        "cancer types, the judged one left out."
    )
    return f"Short of 95 % with all genes known:\n\n{_table(heads, lines)}\n\n{words}"


def _ceiling(found: Applicabilities, model: str, of: str) -> str:
    share = found.ceilings.get((model, of))
    return "" if share is None else _percent(share)


def _choice(candidates: pd.DataFrame) -> str:
    by_kind = candidates.groupby(["candidate", "kind", "model"], sort=False)["caught"].mean()
    means = by_kind.groupby(["candidate", "kind"], sort=False).agg(["mean", "min"])
    kinds = [kind for kind in KINDS if kind in set(candidates["kind"])]
    lines = [[str(name), *[_mean_and_worst(means.loc[(name, kind)]) for kind in kinds]]
             for name in dict.fromkeys(candidates["candidate"])]  # fmt: skip
    models = list(dict.fromkeys(candidates["model"]))
    chosen = {model: chosen_elsewhere(candidates, model) for model in models}
    nested = pd.concat(
        candidates[(candidates["model"] == model) & (candidates["candidate"] == name)] for model, name in chosen.items()
    )
    judged = nested.groupby(["kind", "model"])["caught"].mean().groupby("kind").agg(["mean", "min"])
    cells = [_mean_and_worst(judged.loc[kind]) for kind in kinds]
    lines.append(["**chosen for each model on pairs without it**", *cells])
    counts = pd.Series(chosen).value_counts()
    words = (
        "Share above each candidate's own limit, all genes known, the distance alone; mean over the models, in "
        "brackets the worst. *Identity* is the density of any gene's value over that of the gene's own, *copula* the "
        "Gaussian copula against independence, *below* how far values lie below the reference's lowest; each stands "
        "beside the Mahalanobis distance of scores that go on beyond the range, and the larger of the two counts. "
        f"For each model a candidate was chosen on the pairs of cohorts that it takes no part in: {_chosen(counts)}. "
        "The list of candidates, the density's bandwidth and the quantiles were settled while looking at TCGA's "
        "cohorts, so other data may do somewhat worse."
    )
    return f"{words}\n\n{_table(['', *kinds], lines)}"


def _chosen(counts: pd.Series) -> str:
    return ", ".join(f"{name} for {count} of {counts.sum()}" for name, count in counts.items())


def _mean_and_worst(row: pd.Series) -> str:
    return f"{_percent(row['mean'])} ({_percent(row['min'])})"


def _missing_heads(what: str) -> list[str]:
    return [f"{what}, {missing:.0%} of genes missing".replace("%", " %") for missing in MISSING]


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (heads, ["---"] * len(heads), *rows))
