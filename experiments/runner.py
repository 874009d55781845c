"""Run one training by its definition: which definition, which panel, and what the model says of its making."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from pathlib import Path

import features
import training
from features.cohort import SIMULATED_PREFIX, Cohort
from features.panel import PANELS, Panel, load_panel
from training.checkpoints import Checkpoints
from training.definition import ANY, Definition, DefinitionError, load_definition
from training.references import default_reference
from training.results import TrainingResult
from training.tasks import Progress
from training.trainer import train

#: Whose version may change a model's numbers.
LIBRARIES = ("numpy", "optuna", "scikit-survival", "scipy", "xgboost-cpu")
DEFINITIONS = Path(__file__).parent / "definitions"
LEAST = {"trials": 1, "seed": 0}


def definition_for(
    cancer_type: str, endpoint: str, *, path: Path | None = None, trials: int | None = None, seed: int | None = None
) -> Definition:
    """Return the definition at `path`, else the shipped one of the cancer type and endpoint, else one for any.

    That is ``simulated.toml`` for simulated cohorts, which only show what the product does, and else ``default.toml``.

    Parameters
    ----------
    cancer_type, endpoint : str
    path : Path, optional
    trials, seed : int, optional
        In place of the definition's.

    Raises
    ------
    DefinitionError
        If it cannot be read, is for another cancer type or endpoint, or `trials` or `seed` cannot be.
    """
    own = DEFINITIONS / f"{cancer_type}-{endpoint}.toml"
    any_other = DEFINITIONS / ("simulated.toml" if cancer_type.startswith(SIMULATED_PREFIX) else "default.toml")
    chosen = path or (own if own.exists() else any_other)
    definition = load_definition(chosen)
    for key, wanted in (("cancer_type", cancer_type), ("endpoint", endpoint)):
        stated = getattr(definition, key)
        if stated not in (ANY, wanted):
            raise DefinitionError(f"{chosen}: is for {key} {stated}, not {wanted}; take another, or write {ANY!r}.")
    panel = definition.features.panel
    if panel not in PANELS:
        # Beside the definition, wherever the command is run.
        panel = str((chosen.parent / panel).resolve())
    settings = definition.features.model_copy(update={"panel": panel})
    return overridden(definition.model_copy(update={"features": settings}), trials=trials, seed=seed)


def overridden(definition: Definition, **given: int | None) -> Definition:
    """Return a definition with other `trials` or another `seed`, after refusing what a definition could not say."""
    overrides = {key: value for key, value in given.items() if value is not None}
    for key, value in overrides.items():
        if value < LEAST[key]:
            raise DefinitionError(f"{key} = {value}: must be at least {LEAST[key]}.")
    return definition.model_copy(update=overrides)


def train_cohort(
    cohort: Cohort,
    definition: Definition,
    *,
    workers: int,
    progress: Progress | None = None,
    others: Sequence[Cohort] = (),
    unfinished: Path | None = None,
    panel: Panel | None = None,
    reference: str = "",
) -> TrainingResult:
    """Train a cohort by a definition (see `training.trainer.train`).

    Parameters
    ----------
    cohort : Cohort
    definition : Definition
    workers : int
        Processes; the numbers do not depend on it.
    progress : callable, optional
        Called with the cohort's name, the fits done and the fits in all.
    others : sequence of Cohort
        Of other cancer types, to lean on.
    unfinished : Path, optional
        Where a training that is interrupted leaves what it has done, in a folder of its own; the next one of the
        same data, definition and code goes on from there.
    panel : Panel, optional
        In place of the one that the definition names; a definition that comes out of a bundle brings its own.
    reference : str
        Which of several pooled cohorts is the model's default reference; the largest unless given.
    """
    made_from = provenance_of(cohort, definition, others, panel, reference)
    provenance = {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        **made_from,
        "seed": str(definition.seed),
    }
    return train(
        cohort,
        panel or load_panel(definition.features.panel),
        definition,
        provenance=provenance,
        workers=workers,
        progress=progress,
        others=others,
        checkpoints=Checkpoints(unfinished and unfinished / checkpoint_name(cohort, made_from)),
        reference=reference,
    )


def checkpoint_name(cohort: Cohort, made_from: Mapping[str, str]) -> str:
    """Return the name of the folder of one training's checkpoints."""
    digest = hashlib.sha256(json.dumps(dict(made_from), sort_keys=True).encode()).hexdigest()
    return f"{cohort.cancer_type}-{cohort.endpoint}-{digest[:16]}"


def provenance_of(
    cohort: Cohort,
    definition: Definition,
    others: Sequence[Cohort] = (),
    panel: Panel | None = None,
    reference: str = "",
) -> dict[str, str]:
    """Return what a model is made from: equal data, definition (panel included) and code give the same model.

    Of cohorts that were pooled the default reference is a part of it: by that one, patients are scored unless another
    is named.

    Raises
    ------
    CohortError
        If no cohort of the reference's name was pooled.
    """
    panel = panel or load_panel(definition.features.panel)
    default = default_reference(cohort, reference)
    pooled = sorted(other.digest() for other in others if other.cancer_type != cohort.cancer_type)
    return {
        "data_digest": hashlib.sha256("".join([cohort.digest(), *pooled]).encode()).hexdigest()
        if pooled
        else cohort.digest(),
        "definition_digest": definition_digest(definition, panel),
        "code_version": code_version(),
        **({"default_reference": default} if default else {}),
    }


def definition_digest(definition: Definition, panel: Panel) -> str:
    """Return the SHA-256 (hex) of every choice, the panel's genes and interactions included, but not its path."""
    choices = definition.model_dump(mode="json")
    choices["features"]["panel"] = [repr(panel.genes), repr(panel.interactions)]
    return hashlib.sha256(json.dumps(choices, sort_keys=True).encode()).hexdigest()


@cache
def code_version() -> str:
    """Return the version and a digest of what makes a model: `features`, `training` and the libraries they use."""
    sha = hashlib.sha256()
    for path in _sources():
        sha.update(path.name.encode() + path.read_bytes())
    sha.update("".join(version(library) for library in LIBRARIES).encode())
    return f"{version('ctc-prognosis')}+{sha.hexdigest()[:12]}"


def _sources() -> Iterator[Path]:
    for package in (features, training):
        folder = Path(str(package.__file__)).parent
        yield from sorted(path for path in folder.rglob("*") if path.suffix in (".py", ".tsv", ".toml"))
