"""Write a cohort's definition: the default one, line for line, with what the cohort asks for and why."""

from __future__ import annotations

import json
import os
import re
import tempfile
import textwrap
import tomllib
from collections.abc import Sequence
from pathlib import Path

from experiments.audit_log import plain
from experiments.definition_advice import RILEY, Advice, Facts, advised, facts_of
from experiments.runner import DEFINITIONS
from features.cohort import ENDPOINTS, Cohort
from features.errors import PrognosisError
from features.panel import load_panel
from training.definition import Definition, load_definition
from training.evaluation import horizon_days
from training.follow_up import require_enough, require_horizon

WIDTH = 120
_TABLE, _KEY = re.compile(r"\[([\w.]+)\]"), re.compile(r"(\w+) = ")
#: Values hold no sign that opens a comment, which tests see to.
_COMMENT = re.compile(r"\s*(#.*)$")


class DefinitionFileError(PrognosisError):
    """A definition cannot be written where it should be."""


def definition_name(cohort: Cohort) -> str:
    """Return what the definition of a cancer type and endpoint is called."""
    return f"{cohort.cancer_type}-{cohort.endpoint}.toml"


def definition_text(cohort: Cohort) -> str:
    """Return the commented definition of a cohort, which trains as it stands.

    Raises
    ------
    CohortError
        If the cohort is too small to be judged at all.
    PanelError
        If it has no gene of the panel.
    """
    base_file = DEFINITIONS / ("simulated.toml" if cohort.simulated else "default.toml")
    base = load_definition(base_file)
    if len(cohort.time) < 2 * base.horizons.minimum_at_risk:
        require_enough(cohort, base)
    facts = facts_of(cohort, load_panel(base.features.panel), base)
    require_horizon(cohort, horizon_days(cohort.time, base.horizons.minimum_at_risk))
    text = edited(base_file.read_text(encoding="utf-8"), list(advised(facts, base)))
    text = f"{_header(facts)}\n{_without_header(text)}"
    require_enough(cohort, Definition.model_validate(tomllib.loads(text)))
    return text


def write_definition(text: str, path: Path, *, overwrite: bool) -> None:
    """Write a definition whole or not at all.

    Raises
    ------
    DefinitionFileError
        If the file is there and may not be replaced, or cannot be written.
    """
    try:
        with tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as folder:
            unfinished = Path(folder, path.name)
            unfinished.write_text(text, encoding="utf-8")
            if overwrite:
                unfinished.replace(path)
            else:
                # Fails where the file is there, even since a moment ago.
                os.link(unfinished, path)
    except FileExistsError:
        raise DefinitionFileError(f"{path}: is there already; name another file, or say --overwrite.") from None
    except OSError as error:
        raise DefinitionFileError(f"{path}: cannot be written ({error.strerror}); name another file.") from error


def edited(text: str, advice: Sequence[Advice]) -> str:
    """Return a definition's text with other values and comments; lines that nothing is said of stay as they are.

    Parameters
    ----------
    text : str
        TOML, one key a line.
    advice : sequence of Advice
        Every key must be in the text.
    """
    wanted = {(each.table, each.key): each for each in advice}
    stated, lines, table = _flat(tomllib.loads(text)), [], ""
    for line in text.splitlines():
        opened, key = _TABLE.match(line), _KEY.match(line)
        table = opened[1] if opened else table
        each = wanted.pop((table, key[1]), None) if key and not opened else None
        lines += [line] if each is None else _edited(line, each, stated[table, each.key])
    assert not wanted, f"no such keys: {sorted(wanted)}"  # noqa: S101
    return "\n".join(lines) + "\n"


def _edited(line: str, advice: Advice, stated: object) -> list[str]:
    reason = _comment(advice.reason) if advice.reason else []
    if advice.value is None or advice.value == stated:
        return [*reason, line]
    comment = _COMMENT.search(line)
    new = f"{advice.key} = {toml_value(advice.value)}"
    if comment is not None:
        new = f"{new:<{comment.start(1)}}{comment[1]}" if len(new) < comment.start(1) - 1 else f"{new}  {comment[1]}"
    return [*reason, new]


def toml_value(value: object) -> str:
    """Write a value as TOML does."""
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{key} = {toml_value(each)}' for key, each in value.items())} }}"
    if isinstance(value, list):
        return f"[{', '.join(map(toml_value, value))}]"
    # JSON's strings, numbers and truth values are TOML's, but for one sign that TOML wants to be escaped.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _header(facts: Facts) -> str:
    cohort = facts.cohort
    genes = f"{len(facts.state.genes)} of the {len(facts.panel.genes)} genes of {facts.panel.name}"
    missing = f" (not: {', '.join(facts.missing_genes)})" if facts.missing_genes else ""
    known = ", ".join(
        f"{column} {cohort.clinical[column].notna().mean():.0%}" for column in facts.state.clinical.columns
    )
    sentence = facts.candidates.sentence.rstrip(".")
    told = [
        f"{cohort.cancer_type}, {ENDPOINTS[cohort.endpoint]}. Written by prognosis init from {cohort.source}, to be "
        "edited; nothing reads it before it is named (--definition). Comments stand above what was chosen for this "
        "cohort; all else is as in the default definition.",
        f"{len(cohort.time)} patients, {facts.events} events, median follow-up {facts.median_follow_up}; "
        f"{genes}{missing}. Clinical columns known in enough patients: {known or 'none'}.",
        f"Candidate covariates, genes and clinical columns: {sentence} ({RILEY}).",
    ]
    return "\n".join(line for paragraph in told for line in _comment(paragraph))


def _without_header(text: str) -> str:
    lines = text.splitlines(keepends=True)
    first = next(k for k, line in enumerate(lines) if not line.startswith("#"))
    return "".join(lines[first:])


def _comment(text: str) -> list[str]:
    """Return a text as lines of comment; what names and sources hold may be no part of TOML."""
    return [f"# {line}" for line in textwrap.wrap(plain(text), WIDTH - 2, break_on_hyphens=False)]


def _flat(content: dict[str, object]) -> dict[tuple[str, str], object]:
    """Return every value of a definition by the table and key at which it stands in the text."""
    found: dict[tuple[str, str], object] = {}
    for key, value in content.items():
        if not isinstance(value, dict):
            found["", key] = value
            continue
        for name, inner in value.items():
            found[key, name] = inner
            if isinstance(inner, dict):
                found |= {(f"{key}.{name}", each): v for each, v in inner.items()}
    return found
