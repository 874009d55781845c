"""Writes a validation into a folder, whole or not at all: tables, JSON, pictures and the report."""

from __future__ import annotations

import base64
import io
import os
import shutil
from pathlib import Path
from typing import Any

import orjson
from matplotlib.figure import Figure

from experiments.figure_style import DOTS_PER_INCH
from experiments.score_files import ResultFileError, require_free
from experiments.validated_model import Locked
from experiments.validation_figures import pictures
from experiments.validation_report import report_html
from experiments.validation_tables import as_json, calibration, decision_curve, figures, recalibrations, reference_facts
from training.validation import Validation

FIGURES, SHIFTS, CALIBRATION, CURVES = "figures.csv", "shifts.csv", "calibration.csv", "decision_curve.csv"
CASE_MIX, OFFERS, WHOLE, REPORT, PICTURES = (
    "case_mix.csv", "recalibration.csv", "validation.json", "report.html", "pictures",
)  # fmt: skip
PROPOSAL = "A proposal: nothing applies it, and the bundle is as it was."
ALL = (FIGURES, SHIFTS, CALIBRATION, CURVES, CASE_MIX, OFFERS, WHOLE, REPORT, PICTURES)


def require_places(target: Path | None, proposal: Path | None, *, overwrite: bool) -> None:
    """Raise if results may not be written where they are wanted.

    Parameters
    ----------
    target : Path or None
        A folder.
    proposal : Path or None
        A file.
    overwrite : bool
        Whether results of an earlier validation may go; nothing else ever does.

    Raises
    ------
    ResultFileError
    """
    for place in (target, proposal):
        if place is not None and not overwrite:
            require_free(place)
    if target is not None and os.path.lexists(target):
        _require_results(target)
    if proposal is not None and proposal.exists() and not _is_proposal(proposal):
        raise ResultFileError(f"{proposal.name}: is no proposal of an earlier validation; name another file.")
    _require_apart(target, proposal)


def _require_apart(target: Path | None, proposal: Path | None) -> None:
    """Raise before anything is judged if a proposal could not be written once it is."""
    if proposal is None:
        return
    if target is not None and target.resolve() in (proposal.resolve(), *proposal.resolve().parents):
        raise ResultFileError(
            f"{proposal.name}: lies in the folder of the results, which is put in place whole; name a file elsewhere."
        )
    if not proposal.parent.is_dir():
        raise ResultFileError(f"{proposal.name}: the folder it is to lie in is not there; make it, or name another.")


def _require_results(target: Path) -> None:
    if target.is_symlink() or not target.is_dir():
        raise ResultFileError(f"{target.name}: is no folder of results; name another place with --to.")
    others = sorted(path.name for path in target.iterdir() if path.name not in ALL)
    if others:
        raise ResultFileError(
            f"{target.name}: holds {len(others)} things that no validation wrote (first: {others[0]}), which are never "
            "replaced; name another place with --to."
        )


def _is_proposal(path: Path) -> bool:
    try:
        return bool(orjson.loads(path.read_bytes())["what"] == PROPOSAL)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def write_validation(validation: Validation, locked: Locked, target: Path) -> None:
    """Write a validation into a folder; an earlier one there gives way when all of the new one is written.

    Parameters
    ----------
    validation : Validation
    locked : Locked
    target : Path
        See `require_places`.

    Raises
    ------
    ResultFileError
        If the folder cannot be written.
    """
    # It is put in place by its name, which `.` has none of.
    target = target.absolute()
    # One for each process: two may be told to write the same folder.
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        partial.mkdir(parents=True)
        _write(validation, locked, partial)
        _put_in_place(partial, target)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ResultFileError(f"{target.name}: cannot be written ({reason}); name another place with --to.") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def write_proposal(validation: Validation, locked: Locked, target: Path) -> str:
    """Write the recalibration that is offered for the judged row as JSON, and say so; no bundle is touched.

    Where nothing is offered nothing is written, and the words say why.

    Raises
    ------
    ResultFileError
        If the file cannot be written.
    """
    if not validation.judged.offers:
        return f"not written, as no recalibration is offered ({_why_none(validation)})"
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        partial.write_bytes(_json(proposal(validation, locked)))
        partial.replace(target)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ResultFileError(f"{target.name}: cannot be written ({reason}); name another place.") from error
    finally:
        partial.unlink(missing_ok=True)
    return "the recalibration that is offered; nothing applies it"


def proposal(validation: Validation, locked: Locked) -> dict[str, Any]:
    """Return what is proposed, for which bundle and from which patients."""
    row = validation.judged
    return {
        "format": 1,
        "what": PROPOSAL,
        "formula": "H(t) = H0(t) * exp(shift + slope * linear_predictor)",
        "model": validation.model.name,
        "version": locked.version,
        "bundle_digest": locked.digest,
        "reference": reference_facts(validation.model),
        "variant": row.variant,
        "cohort": {"source": validation.cohort.source, "digest": validation.cohort.digest},
        "n_patients": row.n_patients,
        "n_events": row.n_events,
        "figures_after": "cross-validated: shift and slope of each patient from the others",
        "offers": [
            {"name": offer.name, "shift": offer.shift, "slope": offer.slope, "figures_after": dict(offer.after)}
            for offer in row.offers
        ],
        "figures_before": dict(row.metrics),
    }


def _why_none(validation: Validation) -> str:
    if validation.relative_reason is not None:
        return validation.relative_reason
    return f"{validation.judged.n_events} events are too few, or no row is as a new patient would be answered"


def _write(validation: Validation, locked: Locked, folder: Path) -> None:
    for name, frame in {
        FIGURES: figures(validation),
        SHIFTS: validation.shifts,
        CALIBRATION: calibration(validation),
        CURVES: decision_curve(validation),
        CASE_MIX: validation.case_mix,
        OFFERS: recalibrations(validation),
    }.items():
        frame.to_csv(folder / name, index=False)
    (folder / WHOLE).write_bytes(_json(as_json(validation, locked)))
    drawn = {name: _png(figure) for name, figure in pictures(validation)}
    (folder / PICTURES).mkdir()
    for name, content in drawn.items():
        (folder / PICTURES / f"{name}.png").write_bytes(content)
    embedded = {name: f"data:image/png;base64,{base64.b64encode(png).decode()}" for name, png in drawn.items()}
    (folder / REPORT).write_text(report_html(validation, locked, embedded), encoding="utf-8")


def _put_in_place(partial: Path, target: Path) -> None:
    if not target.is_dir():
        partial.rename(target)
        return
    aside = partial.with_suffix(".before")
    target.rename(aside)
    try:
        partial.rename(target)
    except OSError:
        aside.rename(target)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def _json(content: dict[str, Any]) -> bytes:
    # NaN, what could not be estimated, becomes null.
    return orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_SERIALIZE_NUMPY) + b"\n"


def _png(figure: Figure) -> bytes:
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=DOTS_PER_INCH)
    return drawn.getvalue()
