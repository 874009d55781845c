"""What a cohort's size, genes, clinical columns and follow-up ask of its definition, each with the reason."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from features.cohort import DAYS_PER_MONTH, Cohort
from features.panel import Panel
from features.transform import FeatureState, fit_features
from training.definition import Definition
from training.evaluation import horizon_days
from training.follow_up import EventsPerParameter, events_per_parameter
from training.kaplan_meier import median_follow_up
from training.null_procedure import eligible_genes, symbols_of_panels
from training.random_signatures import MINIMUM_UNIVERSE
from training.survival_grid import months_within
from training.trainer import STANDARD

#: Below so many events trees are not among what the model is made of.
EVENTS_FOR_TREES = 100
#: Below so many ridge alone weighs the genes, and folds are fewer.
EVENTS_FOR_CHOICES = 50
#: Months that clinicians ask for, of which the last three that the cohort is followed for are answered.
MONTHS = (3, 6, 12, 24, 36)
FEW_FOLDS, MORE_REPEATS = 3, 5
FEWEST_INNER_FOLDS = 3
#: Events that an inner fold should have, so that trials can be told apart.
EVENTS_PER_INNER_FOLD = 5

RILEY = "Riley et al. 2019, doi 10.1002/sim.7992"
PLOEG = "van der Ploeg et al. 2014, doi 10.1186/1471-2288-14-137"


@dataclass(frozen=True)
class Advice:
    """One line of a definition.

    Parameters
    ----------
    table, key : str
        Where it stands; the table is empty above the first one.
    value : object
        What it should be; None where it stays as it is and something is said of it.
    reason : str
        Said above the line; empty where nothing need be said.
    """

    table: str
    key: str
    value: object
    reason: str = ""


@dataclass(frozen=True, eq=False)
class Facts:
    """What may be said of a cohort, as a definition's features would read it.

    Parameters
    ----------
    cohort : Cohort
    panel : Panel
    state : FeatureState
        Learned from all patients and all clinical columns.
    minimum_at_risk : int
    """

    cohort: Cohort
    panel: Panel
    state: FeatureState
    minimum_at_risk: int

    @property
    def events(self) -> int:
        """Observed events."""
        return self.cohort.n_events

    @property
    def missing_genes(self) -> list[str]:
        """Genes of the panel that no model can read here."""
        return [symbol for symbol in self.panel.symbols if symbol not in self.state.genes]

    @property
    def clinical(self) -> tuple[str, ...]:
        """Standard clinical columns that are known in enough patients and vary."""
        return tuple(column for column in STANDARD if column in self.state.clinical.columns)

    @property
    def further_clinical(self) -> tuple[str, ...]:
        """The cohort's other columns of which this is true."""
        return tuple(column for column in self.state.clinical.columns if column not in STANDARD)

    @property
    def candidates(self) -> EventsPerParameter:
        """Events for each gene and clinical column that could enter."""
        return events_per_parameter(self.events, len(self.state.genes) + len(self.clinical))

    @property
    def last_months(self) -> float:
        """The last horizon with enough patients at risk."""
        return months_within(horizon_days(self.cohort.time, self.minimum_at_risk))

    @property
    def median_follow_up(self) -> str:
        """Median follow-up (reverse Kaplan–Meier), in words."""
        months = median_follow_up(self.cohort.time, self.cohort.event) / DAYS_PER_MONTH
        return "not reached" if math.isnan(months) else f"{months:.0f} months"

    @property
    def n_other_genes(self) -> int:
        """Genes from which random sets could be drawn."""
        others = symbols_of_panels(self.panel)
        return sum(gene not in others for gene in eligible_genes(self.cohort, 0.5))


def facts_of(cohort: Cohort, panel: Panel, base: Definition) -> Facts:
    """Look at a cohort as a definition's features would.

    Raises
    ------
    PanelError
        If no gene of the panel is known well enough and varies.
    CohortError
        If fewer patients are followed than must be at risk.
    """
    columns = tuple(dict.fromkeys([*STANDARD, *map(str, cohort.clinical.columns)]))
    state = fit_features(cohort, panel, clinical=columns, minimum_known=base.features.minimum_known_fraction)
    return Facts(cohort, panel, state, base.horizons.minimum_at_risk)


def advised(facts: Facts, base: Definition) -> Iterator[Advice]:
    """Yield what the definition of this cohort should say otherwise than `base`, or say of itself.

    Notes
    -----
    Events, not patients, decide how much can be learned. Ten to twenty for each candidate covariate is a rule for
    fitting without a penalty; a penalty needs fewer, but its strength is estimated from the same events, so that with
    few of them the choice among learners, panels and penalties is itself noise.
    """
    yield Advice("", "cancer_type", facts.cohort.cancer_type)
    yield Advice("", "endpoint", facts.cohort.endpoint)
    yield Advice("features", "clinical", list(facts.clinical), _clinical_reason(facts, base))
    yield Advice("horizons", "months", _months(facts, base), _months_reason(facts))
    yield from _resampling(facts, base)
    if facts.events < EVENTS_FOR_TREES:
        yield from _without_trees(facts)
    if facts.events < EVENTS_FOR_CHOICES:
        yield from _fewer_choices(facts)
    yield from _gate(facts, base)


def _clinical_reason(facts: Facts, base: Definition) -> str:
    unused = [column for column in base.features.clinical if column not in facts.clinical]
    left_out = f"{', '.join(unused)}: known in too few patients, or the same in all" if unused else ""
    further = facts.further_clinical
    more = f"also known well enough, and may be added: {', '.join(further)}" if further else ""
    return "; ".join(part for part in (left_out, more) if part)


def _months(facts: Facts, base: Definition) -> list[float]:
    asked, last = list(base.horizons.months), facts.last_months
    if max(asked) <= last:
        return asked
    reached: list[float] = [months for months in MONTHS if months <= last]
    return reached[-3:] or [last]


def _months_reason(facts: Facts) -> str:
    return (
        f"{facts.minimum_at_risk} patients are at risk until {facts.last_months:g} months, beyond which nothing is "
        f"answered; median follow-up {facts.median_follow_up}"
    )


def _resampling(facts: Facts, base: Definition) -> Iterator[Advice]:
    resampling, events = base.resampling, facts.events
    if events < EVENTS_FOR_CHOICES:
        folds = min(FEW_FOLDS, resampling.outer_folds)
        yield Advice(
            "resampling",
            "outer_folds",
            folds,
            f"{events} events: {events / folds:.0f} in each of {folds} folds, of which concordance compares the pairs",
        )
        repeats = max(MORE_REPEATS, resampling.outer_repeats)
        yield Advice(
            "resampling", "outer_repeats", repeats, "how so few events fall into folds is chance: more repeats"
        )
        resampling = resampling.model_copy(update={"outer_folds": folds})
    in_training = events * (resampling.outer_folds - 1) // resampling.outer_folds
    if in_training < EVENTS_PER_INNER_FOLD * resampling.inner_folds:
        inner = max(FEWEST_INNER_FOLDS, in_training // EVENTS_PER_INNER_FOLD)
        reason = (
            f"about {in_training} events are left for the inner folds, which should have {EVENTS_PER_INNER_FOLD} each"
        )
        yield Advice("resampling", "inner_folds", min(inner, resampling.inner_folds), reason)


def _without_trees(facts: Facts) -> Iterator[Advice]:
    reason = (
        f"boosted trees need many more events than a Cox model before they are stable ({PLOEG}); with {facts.events}, "
        f"fewer than {EVENTS_FOR_TREES}, they are grown once for comparison and are no part of the model"
    )
    yield Advice("", "learner", "penalised_cox", reason)
    yield Advice("clinical_boosted", "trials_at_most", 1)
    yield Advice("boosted", "trials_at_most", 1)


def _fewer_choices(facts: Facts) -> Iterator[Advice]:
    each = facts.candidates
    reason = (
        f"{each.ratio:.1f} events for each of {each.n_parameters} covariates ({RILEY}, ask for 10 to 20 and more "
        "without a penalty): ridge shrinks all genes together; single ones are not selected, which few events do at "
        "random, and no products of genes are added"
    )
    yield Advice("penalised_cox.search", "derived_terms", {"choices": [False]}, reason)
    yield Advice("penalised_cox.search", "l1_ratio", {"choices": [0.0]})


def _gate(facts: Facts, base: Definition) -> Iterator[Advice]:
    """Say which clauses of the gate this cohort cannot pass, however good the model."""
    needed = base.gate.minimum_events
    if facts.events < needed:
        yield Advice("gate", "minimum_events", None, f"this cohort has {facts.events} events: it can make no champion")
    if not facts.clinical:
        reason = "no clinical columns to compare with: this cannot be assessed, and no model becomes champion"
        yield Advice("gate", "gain_upper_least", None, reason)
    others, ours = facts.n_other_genes, len(facts.state.genes)
    if others < MINIMUM_UNIVERSE * ours:
        reason = (
            f"{others} other genes are too few for random sets of {ours} (at least {MINIMUM_UNIVERSE * ours}): this "
            "cannot be assessed, and no model becomes champion"
        )
        yield Advice("gate", "random_signature_percentile_above", None, reason)
    yield Advice(
        "gate",
        "non_inferiority_margin",
        None,
        f"of a champion as it is, on patients whom it has not learned from; below {needed} events among them this "
        "cannot be assessed",
    )
