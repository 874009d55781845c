"""The settings of an installation."""

from __future__ import annotations

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
