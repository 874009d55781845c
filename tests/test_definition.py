"""Definition files: what they refuse, and in which words."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from training import boosted
from training.definition import Choices, DefinitionError, LearnerDefinition, Range, load_definition
from training.parameters import CLINICAL_PARAMETERS, NUMBERS, OBJECTIVES, REQUIRED_PARAMETERS, not_a_value

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


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_shipped_definition_may_leave_the_genes_out_and_searches_no_wider_panel_than_its_own(path):
    definition = load_definition(path)
    for learner in ("penalised_cox", "pooled_cox", "boosted"):
        panels = getattr(definition, learner).search["panel"].choices
        assert panels[0] == "none"
        assert panels[-1] == getattr(definition, learner).default["panel"] == definition.features.panel


@pytest.mark.parametrize("path", [path for path in SHIPPED if "-" in path.stem], ids=lambda path: path.stem)
def test_a_definition_of_one_model_is_named_after_it_and_differs_in_the_clinical_columns_that_it_has(path):
    definition, default = load_definition(path), load_definition(DEFAULT)
    assert f"{definition.cancer_type}-{definition.endpoint}" == path.stem
    own = {"cancer_type": definition.cancer_type, "endpoint": definition.endpoint}
    features = default.features.model_copy(update={"clinical": definition.features.clinical})
    assert definition == default.model_copy(update={**own, "features": features})


def test_simulated_cohorts_are_trained_as_any_other_with_fewer_trials_repeats_and_random_sets():
    definition, default = load_definition(DEFAULT.with_name("simulated.toml")), load_definition(DEFAULT)
    fewer = {
        "trials": definition.trials,
        "resampling": default.resampling.model_copy(update={"outer_repeats": definition.resampling.outer_repeats}),
        "null": default.null.model_copy(update={"n_sets": definition.null.n_sets}),
    }
    assert definition == default.model_copy(update=fewer)
    assert definition.trials < default.trials
    assert definition.resampling.outer_repeats < default.resampling.outer_repeats
    assert 0 < definition.null.n_sets < default.null.n_sets


@pytest.mark.parametrize(
    ("passage", "into", "named"),
    [
        ("trials = ", "trails = 40\ntrials = ", "trails"),
        ("outer_folds = ", "folds = 3\nouter_folds = ", "resampling.folds"),
        ("\npenalty = {", "\npenalty = { step = 1,", "penalised_cox.search.penalty"),
        ("rounds = ", "round = 80\nrounds = ", "'round'"),
        ("temperature = ", "warmth = 1\ntemperature = ", "auto.warmth"),
        ("n_sets = ", "sets = 1\nn_sets = ", "null.sets"),
        ("[pooling] ", "[pooling]\nstrata = 1 #", "pooling.strata"),
        ("gain_upper_least = ", "gain_above = 1\ngain_upper_least = ", "gate.gain_above"),
        ("trials_at_most = ", "trials_at_least = 1\ntrials_at_most = ", "clinical_boosted.trials_at_least"),
        ("[auto]", "[forest]\ntrees = 1\n[auto]", "forest"),
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
        ("temperature = ", "auto.temperature"),
        ("n_sets = ", "null.n_sets"),
        ("penalties = ", "null.penalties"),
        ("random_signature_percentile_above = ", "gate.random_signature_percentile_above"),
        ("calibration_slope = ", "gate.calibration_slope"),
        ("shape_penalty = ", "shape_penalty"),
        ("shared_penalty = ", "shared_penalty"),
    ],
)
def test_a_missing_key_is_refused_by_name(changed, passage, named):
    assert named in refusal(changed(passage, "# "))


def test_a_definition_from_before_champions_were_challenged_grants_the_same_margin(changed):
    margin = load_definition(DEFAULT).gate.non_inferiority_margin
    assert load_definition(changed("non_inferiority_margin = ", "# ")).gate.non_inferiority_margin == margin


@pytest.mark.parametrize("table", ["auto", "null", "pooling", "gate", "clinical_boosted", "pooled_cox"])
def test_a_missing_table_is_refused_by_name(tmp_path, table):
    # Its keys go with it: a table ends where the next begins.
    parts = DEFAULT.read_text(encoding="utf-8").split("\n[")
    kept = [part for part in parts if part.split("]")[0].split(".")[0] != table]
    assert len(kept) < len(parts)
    path = tmp_path / "changed.toml"
    path.write_text("\n[".join(kept), encoding="utf-8")
    assert f"{table}: Field required" in refusal(path)


@pytest.mark.parametrize(
    ("passage", "into", "named"),
    [
        ("max_depth = ", "max_depth = 9 #", "default.max_depth = 9 lies outside search.max_depth"),
        (
            'objective = "cox"',
            'objective = "weibull"',
            "clinical_boosted.default.objective = 'weibull': must be one of",
        ),
        ("rounds = {", "rounds = { low = 120, high = 20 } #", "clinical_boosted.search.rounds"),
        ("\npenalty = {", "\npenalty = { low = 0.0, high = 5.0, log = true } #", "penalised_cox.search.penalty"),
        ("choices = [false, true]", "choices = []", "penalised_cox.search.derived_terms"),
        ('endpoint = "*"', 'endpoint = "RFS"', "endpoint = 'RFS' is not one of OS, DSS, DFI, PFI"),
        ('learner = "auto"', 'learner = "forest"', "learner"),
        ('learner = "auto"', 'learner = "clinical_only"', "learner"),
        ("outer_folds = ", "outer_folds = 1 #", "resampling.outer_folds"),
        ("seed = ", "seed = -", "seed"),
        ("trials = ", "trials = -", "trials"),
        ("trials_at_most = ", "trials_at_most = 0 #", "clinical_boosted.trials_at_most"),
        ("averaged_trials = ", "averaged_trials = 0 #", "clinical_only.averaged_trials"),
        ("format = 2", "format = 1", "format"),
        ("format = 2", "format = 3", "format"),
        ("temperature = ", "temperature = 0 #", "auto.temperature"),
        ("n_sets = ", "n_sets = -1 #", "null.n_sets"),
        ("penalties = [", "penalties = [0.0, ", "null.penalties"),
        ("penalties = ", "penalties = [] #", "null.penalties"),
        ("calibration_slope = ", "calibration_slope = { low = 1.2, high = 0.8 } #", "gate.calibration_slope"),
        ("percentile_above = ", "percentile_above = 100.0 #", "gate.random_signature_percentile_above"),
        ("non_inferiority_margin = ", "non_inferiority_margin = -0.01 #", "gate.non_inferiority_margin"),
        ("non_inferiority_margin = ", "non_inferiority_margin = 0.101 #", "gate.non_inferiority_margin"),
        ("minimum_gene_fraction = ", "minimum_gene_fraction = nan #", "features.minimum_gene_fraction"),
        ('clinical = ["age", ', 'clinical = ["age", "age", ', "a column stands twice"),
        ("months = ", "months = [] #", "horizons.months"),
        ("max_depth = ", "max_depth = 2.5 #", "default.max_depth = 2.5 lies outside search.max_depth"),
        (
            "\nclinical_penalty = 0.01",
            "\nclinical_penalty = 0.0",
            "penalised_cox.default.clinical_penalty = 0.0: must be a number from 1e-09 to inf",
        ),
        (
            "\nclinical_penalty = 0.01",
            '\nclinical_penalty = "weak"',
            "penalised_cox.default.clinical_penalty = 'weak': must be a number",
        ),
        (
            "l1_ratio = { choices = [",
            "l1_ratio = { choices = [9.0, ",
            "search.l1_ratio = 9.0: must be a number",
        ),
        (
            "max_depth = {",
            "max_depth = { low = 1, high = 3.5 } #",
            "clinical_boosted.search.max_depth = 3.5: must be a whole number",
        ),
        (
            "max_depth = {",
            "max_depth = { low = 1.0, high = 3.0 } #",
            "clinical_boosted.search.max_depth = 1.5: must be a whole number",
        ),
        ("choices = [false, true]", 'choices = [false, "no"]', "derived_terms = 'no': must be true or false"),
        ('"cox", "aft"]', '"cox", "weibull"]', "search.objective = 'weibull': must be one of cox, aft"),
        (
            '"ctc_interaction", ',
            '"ctc_interation", ',
            "search.panel = 'ctc_interation': must be one of none, ctc_core, ctc_interaction, ctc_review",
        ),
        (
            "shape_penalty = {",
            "panel = { choices = ['none'] } #",
            "search.panel has no default",
        ),
    ],
)
def test_a_value_that_cannot_be_is_refused_by_its_key(changed, passage, into, named):
    assert named in refusal(changed(passage, into))


@pytest.mark.parametrize("learner", ["penalised_cox", "pooled_cox", "boosted"])
def test_the_weight_of_the_genes_may_be_fixed_at_0(changed, learner):
    text = DEFAULT.read_text(encoding="utf-8")
    start = text.index(f"[{learner}.default]")
    passage = text[start : text.index("panel", start) + len('panel = "ctc_review"')]
    definition = load_definition(changed(passage, passage.replace("ctc_review", "none")))
    assert getattr(definition, learner).default["panel"] == "none"


def test_a_panel_file_of_the_users_own_is_a_panel_that_learners_may_name(tmp_path):
    text = DEFAULT.read_text(encoding="utf-8").replace('"ctc_review"', '"mine.toml"')
    path = tmp_path / "own.toml"
    path.write_text(text, encoding="utf-8")
    assert load_definition(path).penalised_cox.default["panel"] == "mine.toml"


def test_the_objectives_of_a_definition_are_those_that_can_be_fitted():
    assert set(OBJECTIVES) == set(boosted.OBJECTIVES)


def test_every_parameter_has_values_that_it_can_take():
    others = {"panel", "derived_terms", "objective"}
    assert set(NUMBERS) | others == set().union(*REQUIRED_PARAMETERS.values())


@pytest.mark.parametrize(
    ("name", "value", "fits"),
    [
        ("penalty", 1e-9, True),
        ("penalty", 0, False),
        ("penalty", True, False),
        ("penalty", math.nan, False),
        ("l1_ratio", 0, True),
        ("l1_ratio", 1.0, True),
        ("l1_ratio", 1.01, False),
        ("rounds", 80, True),
        ("rounds", 80.0, True),
        ("rounds", 80.5, False),
        ("rounds", 0, False),
        ("derived_terms", False, True),
        ("derived_terms", 0, False),
        ("panel", "none", True),
        ("panel", "mine.toml", True),
        ("panel", "ctc", False),
        ("objective", "aft", True),
        ("objective", "none", False),
    ],
)
def test_a_parameter_is_what_it_can_be(name, value, fits):
    assert (not_a_value(name, value, panels=("ctc_core", "mine.toml")) is None) == fits


def test_clinical_parameters_are_those_of_the_learner_that_reads_nothing_else():
    assert set(CLINICAL_PARAMETERS) == REQUIRED_PARAMETERS["clinical_only"]


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


def test_at_fixes_a_parameter_that_was_searched_and_leaves_the_rest():
    learner = load_definition(DEFAULT).penalised_cox
    fixed = learner.at(panel="none", penalty=9.0)
    assert fixed.default == {**learner.default, "panel": "none", "penalty": 9.0}
    assert set(fixed.search) == set(learner.search) - {"panel", "penalty"}
    assert fixed.averaged_trials == learner.averaged_trials


def test_a_definition_cannot_be_changed():
    definition = load_definition(DEFAULT)
    with pytest.raises(ValueError, match="frozen"):
        definition.seed = 1  # type: ignore[misc]


def appended(tmp_path, text: str) -> Path:
    path = tmp_path / "appended.toml"
    path.write_text(f"{DEFAULT.read_text(encoding='utf-8')}\n[replicates]\n{text}\n", encoding="utf-8")
    return path


def test_a_definition_that_says_nothing_of_replicates_has_200_and_50_of_trees(changed):
    read = load_definition(changed("format = 2", "format = 2")).replicates
    assert (read.cox, read.boosted) == (200, 50)


@pytest.mark.parametrize(("text", "numbers"), [("cox = 40\nboosted = 10", (40, 10)), ("cox = 0", (0, 50))])
def test_replicates_may_be_fewer_or_left_out(tmp_path, text, numbers):
    read = load_definition(appended(tmp_path, text)).replicates
    assert (read.cox, read.boosted) == numbers


@pytest.mark.parametrize("text", ["cox = 1\nboosted = 1", "cox = 10\nboosted = 20", "cox = -1", "boosted = 0"])
def test_replicates_that_have_no_spread_or_more_trees_than_models_are_refused(tmp_path, text):
    assert "replicates" in refusal(appended(tmp_path, text))
