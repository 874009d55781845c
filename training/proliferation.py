"""What the panel adds to clinical covariates and to how fast the tumour's cells divide."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from features.cohort import Cohort
from features.panel import Panel
from training.estimate import Estimate
from training.evaluation import Judge
from training.metrics import estimated
from training.null_procedure import (
    GeneSet,
    NullData,
    NullSettings,
    eligible_genes,
    held_out_linear_predictors,
    symbols_of_panels,
)

Floats = NDArray[np.float64]

#: With fewer genes the mean is one gene's level rather than the rate of division.
MINIMUM_GENES = 3

#: Genes of S phase, then of G2 and M phase, found in single cells of melanoma: Tirosh I et al. (2016), Science
#: 352:189, doi 10.1126/science.aad0501. MKI67, PCNA, TOP2A and the MCM complex are among them. Left out: MLF1IP, FAM64A
#: and HN1, renamed since, which files of different age hold under different names.
PROLIFERATION_GENES = tuple(
    """
    MCM5 PCNA TYMS FEN1 MCM2 MCM4 RRM1 UNG GINS2 MCM6 CDCA7 DTL PRIM1 UHRF1 HELLS RFC2 RPA2 NASP RAD51AP1 GMNN WDR76
    SLBP CCNE2 UBR7 POLD3 MSH2 ATAD2 RAD51 RRM2 CDC45 CDC6 EXO1 TIPIN DSCC1 BLM CASP8AP2 USP1 CLSPN POLA1 CHAF1B BRIP1
    E2F8
    HMGB2 CDK1 NUSAP1 UBE2C BIRC5 TPX2 TOP2A NDC80 CKS2 NUF2 CKS1B MKI67 TMPO CENPF TACC3 SMC4 CCNB2 CKAP2L CKAP2 AURKB
    BUB1 KIF11 ANP32E TUBB4B GTSE1 KIF20B HJURP CDCA3 CDC20 TTK CDC25C KIF2C RANGAP1 NCAPD2 DLGAP5 CDCA2 CDCA8 ECT2
    KIF23 HMMR AURKA PSRC1 ANLN LBR CKAP5 CENPE CTCF NEK2 G2E3 GAS2L3 CBX5 CENPA
    """.split()  # noqa: SIM905 (a list would have a line a gene)
)


@dataclass(frozen=True)
class ProliferationComparison:
    """Clinical covariates and proliferation, with the panel's genes and without them.

    Parameters
    ----------
    n_genes : int
        Genes whose mean normal score is the proliferation score.
    genes : tuple of str
    baseline, with_panel : Estimate
        Harrell's concordance, out of fold; NaN where it could not be assessed.
    gain : Estimate
        Of the second over the first, on the same bootstrap samples.
    reason : str or None
        Why it could not be assessed.
    """

    n_genes: int
    genes: tuple[str, ...]
    baseline: Estimate
    with_panel: Estimate
    gain: Estimate
    reason: str | None = None


def proliferation_genes(cohort: Cohort, panel: Panel, minimum_known_fraction: float) -> tuple[str, ...]:
    """Return the genes of proliferation that the cohort has, that vary, and that are not the panel's."""
    eligible, of_panels = set(eligible_genes(cohort, minimum_known_fraction)), symbols_of_panels(panel)
    return tuple(gene for gene in PROLIFERATION_GENES if gene in eligible and gene not in of_panels)


def proliferation_comparison(
    cohort: Cohort, panel: Panel, judge: Judge, settings: NullSettings, *, seed: int
) -> ProliferationComparison:
    """Compare clinical covariates and proliferation with these and the panel's genes.

    Parameters
    ----------
    cohort : Cohort
        With all its genes.
    panel : Panel
    judge : Judge
        Of the same cohort.
    settings : NullSettings
        Those of the random gene sets: the procedure is theirs.
    seed : int
        Of the inner folds.

    Notes
    -----
    The proliferation score is the mean normal score of the genes, standardised; as all that the procedure knows, it is
    learned inside each fold. Like a clinical covariate it is hardly penalised. Much of what gene sets predict is
    proliferation; what remains beside it is the panel's own.

    References
    ----------
    Venet D, Dumont JE, Detours V (2011) doi 10.1371/journal.pcbi.1002240
    """
    genes = proliferation_genes(cohort, panel, settings.minimum_known_fraction)
    eligible = set(eligible_genes(cohort, settings.minimum_known_fraction))
    ours = [gene for gene in panel.symbols if gene in eligible]
    reason = _not_assessable(genes, ours, panel)
    if reason is not None:
        unknown = Estimate(float("nan"), float("nan"), float("nan"))
        return ProliferationComparison(len(genes), genes, unknown, unknown, unknown, reason)
    data = NullData(
        cohort.expression[[*genes, *ours]].to_numpy(np.float64),
        cohort.clinical,
        judge.time,
        judge.event,
        judge.folds,
        cohort.stratum_numbers,
    )
    adjusted_for, of_panel = np.split(np.arange(data.expression.shape[1]), [len(genes)])
    sets = [GeneSet(of_panel[:0], adjusted_for), GeneSet(of_panel, adjusted_for)]
    baseline, with_panel = _out_of_fold(data, sets, settings, seed)
    return ProliferationComparison(
        n_genes=len(genes),
        genes=genes,
        baseline=estimated(judge.concordance(baseline)),
        with_panel=estimated(judge.concordance(with_panel)),
        gain=judge.gain(with_panel, baseline),
    )


def _not_assessable(genes: tuple[str, ...], ours: list[str], panel: Panel) -> str | None:
    if not ours:
        return f"none of the {len(panel.genes)} genes of panel {panel.name} is known well enough and varies"
    if len(genes) < MINIMUM_GENES:
        return (
            f"of {len(PROLIFERATION_GENES)} genes of proliferation that are not the panel's the cohort knows "
            f"{len(genes)} well enough; {MINIMUM_GENES} are needed"
        )
    return None


def _out_of_fold(data: NullData, sets: list[GeneSet], settings: NullSettings, seed: int) -> Floats:
    """Return each set's out-of-fold linear predictors, shape (n_sets, n_repeats, n_patients)."""
    predictors = np.empty((len(sets), *data.folds.shape))
    # One thread: a sum's order must not depend on the machine's cores.
    with threadpool_limits(1):
        for repeat, fold in data.splits():
            members = data.held_out(repeat, fold)
            predictors[:, repeat, members] = held_out_linear_predictors(
                data, sets, settings, repeat=repeat, fold=fold, seed=seed
            )
    return predictors
