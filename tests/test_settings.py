"""The settings of an installation."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from serving.settings import Settings, SettingsError


def test_everything_that_is_written_lies_under_one_folder(tmp_path: Path):
    read = Settings.from_environment({"PROGNOSIS_HOME": str(tmp_path)})
    assert read.home == tmp_path
    assert read.tracking_uri == f"sqlite:///{tmp_path}/mlflow.db"
    assert read.artifacts.is_relative_to(tmp_path)
    assert read.bundle_cache.is_relative_to(tmp_path)


def test_without_variables_the_home_is_beside_the_code_and_only_this_machine_is_served():
    read = Settings.from_environment({"PROGNOSIS_HOME": "  "})
    assert read.home == Path(__file__).resolve().parents[1] / "var"
    assert read.host == "127.0.0.1"


def test_a_relative_home_is_made_absolute():
    assert Settings.from_environment({"PROGNOSIS_HOME": "here"}).home == Path.cwd() / "here"


def test_variables_are_read():
    given = {"MLFLOW_TRACKING_URI": "http://there:1", "PROGNOSIS_PORT": "8080", "PROGNOSIS_POLL_SECONDS": "0.5"}
    read = Settings.from_environment(given)
    assert (read.tracking_uri, read.port, read.poll_seconds) == ("http://there:1", 8080, 0.5)


@pytest.mark.parametrize("value", ["eight", "0", "-1", "nan", "1.5"])
def test_a_port_that_is_none_is_refused_by_variable_and_value(value: str):
    with pytest.raises(SettingsError, match=rf"PROGNOSIS_PORT is '{value}'; it must be a positive whole number"):
        Settings.from_environment({"PROGNOSIS_PORT": value})


@pytest.mark.parametrize("value", ["inf", "nan", "0", "soon"])
def test_an_endless_or_missing_wait_is_refused(value: str):
    with pytest.raises(SettingsError, match="PROGNOSIS_POLL_SECONDS"):
        Settings.from_environment({"PROGNOSIS_POLL_SECONDS": value})


def test_tokens_are_those_of_the_variable_or_of_the_home_if_there_are_any(tmp_path: Path):
    home = {"PROGNOSIS_HOME": str(tmp_path)}
    assert Settings.from_environment(home).tokens_file is None
    assert Settings.from_environment(home).new_tokens_file == tmp_path / "tokens"
    (tmp_path / "tokens").touch()
    assert Settings.from_environment(home).tokens_file == tmp_path / "tokens"
    named = Settings.from_environment({**home, "PROGNOSIS_TOKENS_FILE": "/nowhere/tokens"})
    assert named.tokens_file == named.new_tokens_file == Path("/nowhere/tokens")


def test_limits_are_off_only_without_tokens_unless_set():
    free = Settings.from_environment({})
    assert (free.requests_per_minute, free.profiles_per_minute) == (math.inf, math.inf)
    guarded = Settings.from_environment({"PROGNOSIS_TOKENS_FILE": "/t"})
    assert 0 < guarded.requests_per_minute < math.inf
    assert 0 < guarded.profiles_per_minute < math.inf
    chosen = {"PROGNOSIS_RATE_PER_MINUTE": "90", "PROGNOSIS_PROFILES_PER_MINUTE": "off"}
    for environment in (chosen, {**chosen, "PROGNOSIS_TOKENS_FILE": "/t"}):
        read = Settings.from_environment(environment)
        assert (read.requests_per_minute, read.profiles_per_minute) == (90, math.inf)


@pytest.mark.parametrize("value", ["0", "-3", "many", "nan", "inf"])
def test_a_limit_that_is_none_is_refused(value: str):
    with pytest.raises(SettingsError, match="PROGNOSIS_RATE_PER_MINUTE"):
        Settings.from_environment({"PROGNOSIS_RATE_PER_MINUTE": value})


def test_the_body_may_have_64_mebibytes_unless_set():
    assert Settings.from_environment({}).body_limit_bytes == 67_108_864
    assert Settings.from_environment({"PROGNOSIS_BODY_LIMIT_BYTES": "10"}).body_limit_bytes == 10


def test_the_log_is_json_unless_set_and_nothing_unknown():
    assert Settings.from_environment({}).log == "json"
    assert Settings.from_environment({"PROGNOSIS_LOG": "off"}).log == "off"
    with pytest.raises(SettingsError, match="PROGNOSIS_LOG is 'xml'; it must be one of json, text, off"):
        Settings.from_environment({"PROGNOSIS_LOG": "xml"})
