"""The right requests of the soak, and byte by byte what each version of each model answers to them."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import urlencode

import numpy as np
import orjson
from threadpoolctl import threadpool_limits

from features.profile_files import open_profiles
from serving.champions import ServedModel, Snapshot
from serving.routes import score_body
from serving.score_answers import answer_line
from training.file_scoring import Asked, score_file
from training.model import PrognosticModel
from training.synthetic_profile import synthetic_profile

#: What nothing but a patient of the soak holds: an identifier, a gene's value and an age, to be looked for in logs.
MARKED_ID, MARKED_VALUE, MARKED_AGE = "patient-zxqv", 7.318293847, 61.739482
MARKS = ("zxqv", "7.318293", "61.7394")
_MARKED_GENE = "CD44"
#: How many of a hundred requests are of each kind.
SHARES = MappingProxyType(
    {
        "single": 40,
        "single, genes only": 20,
        "single, horizons, alive so far": 15,
        "single, in short": 15,
        "batch of 40": 8,
        "file of 200": 2,
    }
)
_BATCH, _FILE = 40, 200
#: Patients of each kind of request, each a request of its own.
_DIFFERENT = 5


@dataclass(frozen=True)
class RightRequest:
    """A request that must be answered with 200, and its only right answers.

    Parameters
    ----------
    kind : str
        A key of `SHARES`.
    model : str
        Registered name of the model it is for.
    path, media_type : str
    body : bytes
    answers : mapping of bytes to str
        The exact body of the answer of each version, and which version it is.
    """

    kind: str
    model: str
    path: str
    media_type: str
    body: bytes
    answers: Mapping[bytes, str] = field(repr=False)


def right_requests(versions: Sequence[ServedModel], seed: int) -> list[RightRequest]:
    """Return requests of every kind for one registered model, answered beforehand by each of its versions.

    Parameters
    ----------
    versions : sequence of ServedModel
        Of one model, as the service reads them.
    seed : int

    Raises
    ------
    ProblemError
        If a version cannot answer one of them.

    Notes
    -----
    Nothing in an answer may differ from what is computed here: it holds no time and no name of a process. One thread
    for algebra, as the service's workers have: sums are taken in the same order.
    """
    model, rng = versions[0].model, np.random.default_rng(seed)
    with threadpool_limits(limits=1):
        return [_answered(kind, made, versions) for _ in range(_DIFFERENT) for kind, made in _bodies(model, rng)]


def patients(model: PrognosticModel, n_patients: int, rng: np.random.Generator) -> list[dict[str, Any]]:
    """Make patients near the model's synthetic one, each with the marks; every other one without clinical values."""
    expression, clinical = synthetic_profile(model)
    made = []
    for i in range(n_patients):
        moved = {gene: _moved(value, rng) for gene, value in expression.items()}
        profile: dict[str, Any] = {"id": f"{MARKED_ID}-{i}", "expression": moved | {_MARKED_GENE: MARKED_VALUE}}
        if clinical:
            profile["clinical"] = {**clinical, "age": MARKED_AGE} if i % 2 == 0 else None
        made.append(profile)
    return made


def _moved(value: float, rng: np.random.Generator) -> float:
    # What has no negative values must not get any: it would look like another scale.
    return round(max(value + float(rng.normal(0, 0.05)), min(value, 0.0)), 4)


def request_to(model: PrognosticModel, profiles: Sequence[Mapping[str, Any]], **asked: Any) -> dict[str, Any]:
    """Return a request for scores as a document."""
    whose = {"cancer_type": model.cancer_type, "endpoint": model.endpoint, "scale": model.scale}
    return whose | {"profiles": list(profiles)} | asked


def file_address(model: PrognosticModel) -> str:
    """Return the address to which a file for the model is sent."""
    return "/score/file?" + urlencode(
        {"cancer_type": model.cancer_type, "endpoint": model.endpoint, "scale": model.scale, "contributions": "true"}
    )


def patients_file(profiles: Sequence[Mapping[str, Any]]) -> bytes:
    """Return patients as a CSV file."""
    genes = list(profiles[0]["expression"])
    columns = list(profiles[0].get("clinical") or ())
    lines = [",".join(("id", *genes, *columns))]
    for profile in profiles:
        known = profile.get("clinical") or {}
        cells = (*(profile["expression"][gene] for gene in genes), *(known.get(column, "") for column in columns))
        lines.append(",".join((profile["id"], *map(str, cells))))
    return ("\n".join(lines) + "\n").encode()


def _bodies(model: PrognosticModel, rng: np.random.Generator) -> Iterator[tuple[str, bytes]]:
    whole, bare = patients(model, 2, rng)
    early, late = model.horizons_months[0] / 2, float(model.horizons_months[0])
    alive = {**whole, "survived_months": early / 2}
    asked = {
        "single": request_to(model, [whole]),
        "single, genes only": request_to(model, [bare]),
        "single, horizons, alive so far": request_to(model, [alive], horizons_months=[early, late]),
        "single, in short": request_to(model, [whole], contributions=False, hazard_ratios=False),
        "batch of 40": request_to(model, _with_a_fault(patients(model, _BATCH, rng))),
    }
    for kind, document in asked.items():
        yield kind, json.dumps(document).encode()
    yield "file of 200", patients_file(patients(model, _FILE, rng))


def _with_a_fault(profiles: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the patients, the last with a stage that there is not: an answer with an error among the results."""
    *sound, last = profiles
    return [*sound, {**last, "clinical": {"stage": "zxqv"}}]


def _answered(kind: str, body: bytes, versions: Sequence[ServedModel]) -> RightRequest:
    model = versions[0].model
    if kind.startswith("file"):
        answers = {_file_answer(served, body): served.registered.version for served in versions}
        return RightRequest(kind, model.name, file_address(model), "text/csv", body, answers)
    answers = {score_body(_only(served), body): served.registered.version for served in versions}
    return RightRequest(kind, model.name, "/score", "application/json", body, answers)


def _only(served: ServedModel) -> Snapshot:
    return Snapshot(MappingProxyType({served.model.name: served}), away=None)


def _file_answer(served: ServedModel, body: bytes) -> bytes:
    """Return what the documentation says of the answer: a line for the model, one a patient, one with the counts."""
    with tempfile.TemporaryDirectory(prefix="prognosis-soak-") as folder:
        path = Path(folder) / "patients"
        path.write_bytes(body)
        asked = Asked(served.model.scale, contributions=True)
        (block,) = score_file(served.model, open_profiles(path, "csv"), asked)
    answers = zip(block.rows.tolist(), block.patients.ids, block.answers(), strict=True)
    lines = [b'{"model":' + served.rendered.block_json + b"}"]
    lines += [orjson.dumps(answer_line(*each)) for each in answers]
    counts = {"patients": len(block.rows), "scored": len(block.rows) - block.n_failed, "failed": block.n_failed}
    return b"".join(line + b"\n" for line in (*lines, orjson.dumps({"summary": counts})))
