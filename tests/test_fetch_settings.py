"""From where public cohorts are fetched."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments.fetch_settings import FetchSettings
from serving.settings import SettingsError


def test_unless_set_the_hosts_are_the_public_ones_over_https(tmp_path: Path):
    read = FetchSettings.from_environment({"PROGNOSIS_HOME": str(tmp_path), "PROGNOSIS_XENA_HUB": "  "})
    assert read.xena_hub == "https://tcga-xena-hub.s3.us-east-1.amazonaws.com"
    assert read.xena_gdc_hub == "https://gdc-hub.s3.us-east-1.amazonaws.com"
    assert read.gdc_api == "https://api.gdc.cancer.gov"
    assert read.cache.is_relative_to(tmp_path)


def test_variables_are_read_without_a_slash_at_their_ends():
    given = {
        "PROGNOSIS_XENA_HUB": "https://mirror.example/xena/",
        "PROGNOSIS_XENA_GDC_HUB": "http://127.0.0.1:9/",
        "PROGNOSIS_GDC_API": "http://inside.example",
        "PROGNOSIS_FETCH_TIMEOUT_SECONDS": "2.5",
        "PROGNOSIS_FETCH_ATTEMPTS": "3",
    }
    read = FetchSettings.from_environment(given)
    assert (read.xena_hub, read.xena_gdc_hub) == ("https://mirror.example/xena", "http://127.0.0.1:9")
    assert (read.gdc_api, read.timeout_seconds, read.attempts) == ("http://inside.example", 2.5, 3)


@pytest.mark.parametrize("address", ["ftp://there", "there.example", "https://", "file:///etc"])
def test_what_is_no_address_is_refused(address: str):
    with pytest.raises(SettingsError, match="PROGNOSIS_GDC_API is no address"):
        FetchSettings.from_environment({"PROGNOSIS_GDC_API": address})


@pytest.mark.parametrize("address", ["https://me:secret@there.example", "https://there.example/?token=secret"])
def test_credentials_in_an_address_are_refused_and_not_told(address: str):
    with pytest.raises(SettingsError, match="without a user, password or query") as caught:
        FetchSettings.from_environment({"PROGNOSIS_GDC_API": address})
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("name", ["PROGNOSIS_FETCH_TIMEOUT_SECONDS", "PROGNOSIS_FETCH_ATTEMPTS"])
@pytest.mark.parametrize("value", ["0", "-1", "soon", "nan", "inf"])
def test_patience_that_is_none_is_refused(name: str, value: str):
    with pytest.raises(SettingsError, match=f"{name} is '{value}'; it must be a positive"):
        FetchSettings.from_environment({name: value})
