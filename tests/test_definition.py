"""Definition files: what they refuse, and in which words."""

from __future__ import annotations

from pathlib import Path

import pytest

from training import boosted
from training.definition import (
    NUMBERS,
    OBJECTIVES,
    REQUIRED_PARAMETERS,
    Choices,
    DefinitionError,
    LearnerDefinition,
    Range,
    load_definition,
)

SHIPPED = sorted((Path(__file__).resolve().parent.parent / "experiments" / "definitions").glob("*.toml"))
DEFAULT = next(path for path in SHIPPED if path.name == "default.toml")


@pytest.fixture
def changed(tmp_path):
    """Write the default definition with one passage changed."""

    def change(passage: str, into: str) -> Path:
        text = DEFAULT.read_text(encoding="utf-8")
        assert text.count(passage) >= 1
        path = tmp_path / "changed.toml"
        path.write_text(text.replace(passage, into, 1), encoding="utf-8")
        return path

    return change


def refusal(path: Path) -> str:
    with pytest.raises(DefinitionError) as refused:
        load_definition(path)
    sentence = str(refused.value)
    assert "\n" not in sentence
    assert str(path) in sentence
    return sentence


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_shipped_definition_loads_and_searches_only_what_has_a_default(path):
    definition = load_definition(path)
    for learner, needed in REQUIRED_PARAMETERS.items():
        chosen = getattr(definition, learner)
        assert set(chosen.search) <= set(chosen.default) == needed
        assert all(chosen.default[name] in dimension for name, dimension in chosen.search.items())


@pytest.mark.parametrize(
    ("passage", "into", "named"),
    [
        ("trials = ", "trails = 40\ntrials = ", "trails"),
        ("outer_folds = ", "folds = 3\nouter_folds = ", "resampling.folds"),
        ("penalty = { low = 0.01", "penalty = { step = 1, low = 0.01", "penalised_cox.search.penalty"),
        ("rounds = ", "round = 80\nrounds = ", "'round'"),
    ],
)
def test_an_unknown_key_is_refused_by_name_at_every_depth(changed, passage, into, named):
    assert named in refusal(changed(passage, into))


@pytest.mark.parametrize(
    ("passage", "named"),
    [
        ("seed = ", "seed"),
        ("bootstrap = ", "resampling.bootstrap"),
        ("l1_ratio = ", "l1_ratio"),
        ("reg_lambda = ", "reg_lambda"),
    ],
)
def test_a_missing_key_is_refused_by_name(changed, passage, named):
    assert named in refusal(changed(passage, "# "))


@pytest.mark.parametrize(
    ("passage", "into", "named"),
    [
        ("max_depth = 2", "max_depth = 9", "default.max_depth = 9 lies outside search.max_depth"),
        ('objective = "cox"', 'objective = "weibull"', "default.objective = 'weibull' lies outside"),
        ("rounds = { low = 20, high = 160 }", "rounds = { low = 160, high = 20 }", "boosted.search.rounds"),
        ("penalty = { low = 0.01", "penalty = { low = 0.0", "penalised_cox.search.penalty"),
        ("choices = [false, true]", "choices = []", "penalised_cox.search.derived_terms"),
        ('endpoint = "*"', 'endpoint = "RFS"', "endpoint = 'RFS' is not one of OS, DSS, DFI, PFI"),
        ('learner = "auto"', 'learner = "forest"', "learner"),
        ("outer_folds = ", "outer_folds = 1 #", "resampling.outer_folds"),
        ("seed = ", "seed = -", "seed"),
        ("trials = ", "trials = -", "trials"),
        ("format = 1", "format = 2", "format"),
        ("minimum_gene_fraction = 0.5", "minimum_gene_fraction = nan", "features.minimum_gene_fraction"),
        ("months = [12, 36, 60]", "months = []", "horizons.months"),
        ("max_depth = 2", "max_depth = 2.5", "default.max_depth = 2.5 lies outside search.max_depth"),
        ("penalty = 0.005", "penalty = 0.0", "clinical_only.default.penalty = 0.0: must be a number from 1e-09 to inf"),
        ("penalty = 0.005", 'penalty = "weak"', "clinical_only.default.penalty = 'weak': must be a number"),
        (
            "l1_ratio = { choices = [0.0,",
            "l1_ratio = { choices = [0.0, 9.0,",
            "search.l1_ratio = 9.0: must be a number",
        ),
        ("low = 1, high = 4", "low = 1, high = 4.5", "boosted.search.max_depth = 4.5: must be a whole number"),
        ("choices = [false, true]", 'choices = [false, "no"]', "derived_terms = 'no': must be true or false"),
        ('"cox", "aft"]', '"cox", "weibull"]', "search.objective = 'weibull': must be one of cox, aft"),
        ('"ctc_interaction", ', '"ctc_interation", ', "search.panel = 'ctc_interation': must be one of ctc_core"),
    ],
)
def test_a_value_that_cannot_be_is_refused_by_its_key(changed, passage, into, named):
    assert named in refusal(changed(passage, into))


def test_the_objectives_of_a_definition_are_those_that_can_be_fitted():
    assert set(OBJECTIVES) == set(boosted.OBJECTIVES)


def test_every_parameter_has_values_that_it_can_take():
    others = {"panel", "derived_terms", "objective"}
    assert set(NUMBERS) | others == set().union(*REQUIRED_PARAMETERS.values())


def test_what_is_not_toml_is_refused_with_its_line(changed):
    assert "line 5" in refusal(changed('endpoint = "*"', "endpoint = *"))


def test_a_missing_file_and_a_folder_are_refused_by_name(tmp_path):
    assert "cannot be read" in refusal(tmp_path / "absent.toml")
    assert "cannot be read" in refusal(tmp_path)


def test_text_that_is_not_utf8_is_refused_by_name(tmp_path):
    path = tmp_path / "latin.toml"
    path.write_bytes('cancer_type = "é"'.encode("latin-1"))
    assert "cannot be read" in refusal(path)


def test_a_range_holds_both_its_ends_and_nothing_beyond():
    assert 1 in Range(low=1, high=4)
    assert 4 in Range(low=1, high=4)
    assert 5 not in Range(low=1, high=4)
    assert True not in Range(low=0, high=4)
    assert "2" not in Range(low=1, high=4)


def test_a_range_of_whole_numbers_holds_no_others():
    assert 2.5 not in Range(low=1, high=4)
    assert 2.5 in Range(low=1.0, high=4.0)


def test_without_takes_a_parameter_from_the_defaults_and_from_the_space():
    learner = LearnerDefinition(
        default={"a": 1, "b": 2}, search={"a": Range(low=0, high=1), "b": Choices(choices=(2,))}
    )
    assert learner.without("b") == LearnerDefinition(default={"a": 1}, search={"a": Range(low=0, high=1)})


def test_a_definition_cannot_be_changed():
    definition = load_definition(DEFAULT)
    with pytest.raises(ValueError, match="frozen"):
        definition.seed = 1  # type: ignore[misc]
