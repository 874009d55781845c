"""What an experiment says of itself on MLflow's pages: how to read it, and views of its runs, columns chosen."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from training.evaluation import GAIN, GENES_GAIN

#: MLflow's name of a view that its pages open by ``?viewStateShareKey=NAME``: what their own *Save view* writes.
SAVED_VIEW = "mlflow.sharedViewState."
#: MLflow's name of an experiment's description.
NOTE = "mlflow.note.content"

MODEL_CARD = "model_card.html"
#: What a description shows of a training.
PICTURES = {
    "figures/concordance.png": "Concordance of every learner and baseline, with intervals",
    "figures/kaplan_meier_by_risk_group.png": "Kaplan–Meier by risk group, out of fold",
}
#: Milliseconds since the epoch: MLflow's pages list the views by it, the last made first.
_MADE = 1_767_225_600_000
#: What the pages show first in any view; widths in pixels: of that, of a figure, and of a letter of a name.
_LEADING = {"attributes.`Run Name`": 260, "runDateAndNestInfo": 120}
_FIGURE, _LETTER = 100, 8

_CONCORDANCE = ("concordance_harrell", "concordance_harrell_lower", "concordance_harrell_upper")
_JUDGED = (GAIN, GENES_GAIN, "integrated_brier_ratio", "calibration_slope")
#: Challenger − champion, of a retraining: both definitions refitted, and the champion as it is.
_AGAINST = (
    "concordance_harrell_minus_champion",
    *(f"concordance_harrell_minus_locked_champion{end}" for end in ("", "_lower", "_upper")),
)


@dataclass(frozen=True)
class View:
    """A choice of runs, their order and their columns.

    Parameters
    ----------
    key : str
        In its address.
    name : str
        In the pages' list of views.
    shows : str
        What it is for, in words.
    runs : str
        MLflow's search for them; empty for all, children beneath their parents.
    ordered_by : str
        The column by which they are ordered, largest or newest first.
    columns : tuple of str
        As MLflow's pages name them: ``metrics.`concordance_harrell```.
    """

    key: str
    name: str
    shows: str
    runs: str
    ordered_by: str
    columns: tuple[str, ...]

    def saved(self, place: int) -> str:
        """Return the view as MLflow's pages save one: JSON, the state within a text of JSON of its own."""
        made = _MADE - place
        state = {
            "searchFilter": self.runs,
            "orderByKey": self.ordered_by,
            "orderByAsc": False,
            "selectedColumns": list(self.columns),
            "columnOrder": [*_LEADING, *self.columns],
            "columnWidths": {**_LEADING, **{column: max(_FIGURE, _LETTER * len(column)) for column in self.columns}},
        }
        return _json({"name": self.name, "createdAt": made, "updatedAt": made, "state": _json(state)})


def _json(content: Mapping[str, object]) -> str:
    return json.dumps(content, separators=(",", ":"))


def _metrics(*names: str) -> tuple[str, ...]:
    return tuple(f"metrics.`{name}`" for name in names)


def _tags(*names: str) -> tuple[str, ...]:
    return tuple(f"tags.`{name}`" for name in names)


VIEWS = (
    View(
        "trainings",
        "Trainings",
        "every training with its learners beneath it, the newest first: what became of each, and by how much",
        "",
        "attributes.start_time",
        (*_metrics(*_CONCORDANCE, *_JUDGED, "n_patients", "n_events"), *_tags("gate")),
    ),
    View(
        "learners",
        "Learners",
        "learners, baselines and random gene sets alone, the best concordance first: select some and press *Compare*",
        "tags.`mlflow.parentRunId` LIKE '%'",
        "metrics.`concordance_harrell`",
        (*_metrics(*_CONCORDANCE, "concordance_uno", *_JUDGED), *_tags("training")),
    ),
    View(
        "versions",
        "Versions",
        "trainings alone: each one's figures and verdict, its difference from the champion, and what it was made from",
        "tags.role = 'training'",
        "attributes.start_time",
        (
            *_metrics(*_CONCORDANCE, *_AGAINST, "challengers_tried", "n_patients", "n_events"),
            *_tags("gate", "compared_with", "definition", "data_digest", "definition_digest", "code_version"),
        ),
    ),
)


def experiment_tags(experiment_id: str, name: str, warning: str) -> dict[str, str]:
    """Return what an experiment bears for MLflow's pages: its description and its views.

    Parameters
    ----------
    experiment_id : str
    name : str
        ``KIRC-OS``: the experiment's, and the registered model's.
    warning : str
        What its models must not be used for.
    """
    views = {f"{SAVED_VIEW}{view.key}": view.saved(place) for place, view in enumerate(VIEWS)}
    return {NOTE: _note(experiment_id, name, warning), **views}


def missing_tags(wanted: Mapping[str, str], borne: Mapping[str, str]) -> dict[str, str]:
    """Return those tags that are not borne as wanted; a description that somebody wrote stays."""
    kept = {NOTE} if _is_anothers(borne.get(NOTE, "")) else set()
    return {key: value for key, value in wanted.items() if key not in kept and borne.get(key) != value}


def view_path(experiment_id: str, view: View) -> str:
    """Return the address of a view, from the address of MLflow's pages on."""
    return f"#/experiments/{experiment_id}/runs?viewStateShareKey={view.key}"


def training_links(experiment_id: str, run_id: str, name: str, version: str) -> str:
    """Return what the descriptions of a training's run and of its version end with: links and two pictures, Markdown.

    Parameters
    ----------
    experiment_id, run_id : str
        The parent run, whose artefacts are shown.
    name, version : str
        Of the registered model.
    """
    run = f"#/experiments/{experiment_id}/runs/{run_id}"
    links = {
        "the run": run,
        "its learners side by side": view_path(experiment_id, VIEWS[0]),
        "the registered version": f"#/models/{name}/versions/{version}",
        "the model card": f"{run}/artifacts/{MODEL_CARD}",
        "all pictures": f"{run}/artifacts/figures",
    }
    listed = " · ".join(f"[{words}]({address})" for words, address in links.items())
    pictures = " ".join(f"![{what}](get-artifact?path={path}&run_uuid={run_id})" for path, what in PICTURES.items())
    return f"See {listed}.\n\n{pictures}"


#: Ends every description that is written here: one without it is somebody's own.
_OURS = "Written by ctc-prognosis."


def _is_anothers(note: str) -> bool:
    return bool(note.strip()) and not note.rstrip().endswith(_OURS)


def _note(experiment_id: str, name: str, warning: str) -> str:
    links = [f"- [{view.name}]({view_path(experiment_id, view)}): {view.shows}" for view in VIEWS]
    return "\n".join(
        [
            f"**{warning}**\n",
            f"Models of {name}. A training is a parent run, its learners and baselines its children; all figures are "
            "out of fold, with 95 % intervals in `…_lower` and `…_upper`. Views:\n",
            *links,
            "",
            f"Versions, their verdicts and their aliases: [the registered model](#/models/{name}). Each training's "
            "pictures, tables and model card are among its artefacts.\n",
            _OURS,
        ]
    )
