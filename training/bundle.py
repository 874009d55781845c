"""A model as a folder without pickles, checked by digest, read strictly."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pandas as pd

from features.errors import PrognosisError
from training.bundle_fields import (
    from_format_1,
    from_format_2,
    from_format_3,
    model_fields,
    model_of,
    replicates_of,
)
from training.model import PrognosticModel
from training.replicates import Replicates

BUNDLE_FORMAT = 3
#: Of a model with several references, each a bundle's files in a folder of its own; all else is as in `BUNDLE_FORMAT`.
POOLED_FORMAT = 4
#: Formats that are read; the first held one fitted learner a variant, the first two no replicates.
READABLE = (1, 2, BUNDLE_FORMAT, POOLED_FORMAT)

MANIFEST = "manifest.json"
MODEL = "model.json"
HAZARD_RATIOS = "hazard_ratios.parquet"
#: The folder of the variants' replicates.
REPLICATES = "replicates/"
#: The folder of the references that are not the default's.
REFERENCES = "references/"
#: Tables that a bundle may hold beside: those of `training.gene_curves` and `training.evaluation_table`.
TABLES = ("gene_curves", "evaluations")


class BundleError(PrognosisError):
    """A bundle is damaged, of an unknown format, or not one."""


def write_bundle(model: PrognosticModel, folder: Path) -> str:
    """Write the model into a new folder and return the bundle's digest (SHA-256, hex).

    Notes
    -----
    The manifest names every file with its digest and is written last: a folder without one is no bundle.

    Raises
    ------
    BundleError
        If the folder exists and is not empty.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise BundleError(f"{folder}: a bundle goes into a new folder, but this one holds files; name another.")
    version = POOLED_FORMAT if model.reference_names else BUNDLE_FORMAT
    contents = _contents(model, version)
    for reference, other in model.references.items():
        contents |= {f"{REFERENCES}{reference}/{name}": file for name, file in _contents(other, version).items()}
    for name, content in contents.items():
        (folder / name).parent.mkdir(exist_ok=True, parents=True)
        (folder / name).write_bytes(content)
    files = {name: hashlib.sha256(content).hexdigest() for name, content in sorted(contents.items())}
    manifest = _as_json({"format": version, "files": files})
    (folder / MANIFEST).write_bytes(manifest)
    return hashlib.sha256(manifest).hexdigest()


def _contents(model: PrognosticModel, version: int) -> dict[str, bytes]:
    """Return the files of one reference, the others left out."""
    fields, boosters = model_fields(model)
    contents = {MODEL: _as_json({"format": version, **fields}), HAZARD_RATIOS: _as_parquet(model.hazard_ratios)}
    contents |= {_table_file(name): _as_parquet(table) for name, table in model.tables.items()}
    contents |= boosters
    return contents | {name: _as_npz(replicates) for name, replicates in replicates_of(model).items()}


def read_bundle(folder: Path) -> PrognosticModel:
    """Read a bundle, all of it or not at all.

    Raises
    ------
    BundleError
        If a file is missing, damaged or unknown, or the format is not this version's.
    """
    contents = _checked(folder)
    try:
        references = _taken_by_reference(contents)
        model = _model(folder, contents)
        others = {name: _model(folder, own) for name, own in references.items()}
        return _with_references(model, others) if model.reference or others else model
    except (AttributeError, EOFError, IndexError, KeyError, TypeError, ValueError, zipfile.BadZipFile) as error:
        raise BundleError(
            f"{folder.name}: does not hold a model ({type(error).__name__}: {error}); register it anew."
        ) from error


def _taken_by_reference(contents: dict[str, bytes]) -> dict[str, dict[str, bytes]]:
    """Take the files of the other references out of those of a bundle."""
    references: dict[str, dict[str, bytes]] = {}
    for path in [path for path in contents if path.startswith(REFERENCES)]:
        reference, name = path.removeprefix(REFERENCES).split("/", 1)
        references.setdefault(reference, {})[name] = contents.pop(path)
    return references


def _model(folder: Path, contents: dict[str, bytes]) -> PrognosticModel:
    """Return the model on one reference, all files of which are read."""
    fields = orjson.loads(contents.pop(MODEL))
    table = pd.read_parquet(io.BytesIO(contents.pop(HAZARD_RATIOS)))
    beside = {name: contents.pop(_table_file(name)) for name in TABLES if _table_file(name) in contents}
    version = fields.pop("format")
    if version not in READABLE:
        raise BundleError(f"{folder.name}: {MODEL} is not of bundle format {_listed(READABLE)}.")
    if version == 1:
        fields, contents = from_format_1(fields, contents)
    if version < BUNDLE_FORMAT:
        fields = from_format_2(fields)
    if version < POOLED_FORMAT:
        fields = from_format_3(fields)
    drawn = {name: contents.pop(name) for name in list(contents) if name.startswith(REPLICATES)}
    model = model_of(fields, contents, {name: _of_npz(content) for name, content in drawn.items()}, table)
    return replace(model, tables={name: pd.read_parquet(io.BytesIO(content)) for name, content in beside.items()})


def _with_references(model: PrognosticModel, others: Mapping[str, PrognosticModel]) -> PrognosticModel:
    """Return the model with its other references; a ValueError where they are not those that it names."""
    names = model.reference_names
    if names[:1] != (model.reference,) or set(names[1:]) != set(others) or len(names) != len(others) + 1:
        raise ValueError("the references are not those that the model names")
    for name, other in others.items():
        if (other.reference, other.reference_names) != (name, names):
            raise ValueError(f"what stands for the reference {name} is of another")
    return replace(model, references={name: others[name] for name in names[1:]})


def bundle_digest(folder: Path) -> str:
    """Return the bundle's digest, its files checked against it.

    Raises
    ------
    BundleError
        If the folder is no bundle, or a file of it is missing, damaged or unknown.
    """
    _checked(folder)
    return hashlib.sha256((folder / MANIFEST).read_bytes()).hexdigest()


def _checked(folder: Path) -> dict[str, bytes]:
    """Return the content of every file that the manifest names, after comparing digests."""
    files = _manifest(folder)
    present = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()} - {MANIFEST}
    if present != set(files):
        odd = sorted(present ^ set(files))
        raise BundleError(f"{folder.name}: {odd[0]} is missing, or is not in the manifest; fetch the bundle again.")
    contents = {name: (folder / name).read_bytes() for name in files}
    for name, content in contents.items():
        if hashlib.sha256(content).hexdigest() != files[name]:
            raise BundleError(f"{folder.name}: {name} is damaged (its digest differs); fetch the bundle again.")
    return contents


def _manifest(folder: Path) -> dict[str, str]:
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        version, files = manifest["format"], manifest["files"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BundleError(f"{folder.name}: is not a bundle (no readable {MANIFEST}).") from error
    if version not in READABLE:
        raise BundleError(f"{folder.name}: bundle format {version} is unknown; this version reads {_listed(READABLE)}.")
    if not isinstance(files, dict) or not {MODEL, HAZARD_RATIOS} <= set(files):
        raise BundleError(f"{folder.name}: {MANIFEST} does not name {MODEL} and {HAZARD_RATIOS}.")
    return files


def _listed(versions: tuple[int, ...]) -> str:
    *others, last = map(str, versions)
    return f"{', '.join(others)} and {last}"


def _as_json(content: Mapping[str, Any]) -> bytes:
    # Python writes the shortest text that reads back to the same bits; NaN has no place in JSON.
    return (json.dumps(content, allow_nan=False, ensure_ascii=False, indent=1) + "\n").encode()


def _as_parquet(table: pd.DataFrame) -> bytes:
    return bytes(table.to_parquet(index=False))


def _table_file(name: str) -> str:
    return f"{name}.parquet"


def _as_npz(replicates: Replicates) -> bytes:
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **replicates.arrays())
    return file.getvalue()


def _of_npz(content: bytes) -> Replicates:
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        return Replicates.of({name: arrays[name] for name in arrays.files})
