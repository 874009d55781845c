"""How the service is started."""

from __future__ import annotations

import socket
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from serving.binding import BindingError
from serving.launch import PortTakenError, launch, require_free_port
from serving.settings import Settings
from serving.tokens import TokensError, add_token


def installation(home: Path) -> Settings:
    return Settings(home=home, tracking_uri="sqlite:///x.db", cohorts=home, port=38123)


def test_a_taken_port_is_one_sentence():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(PortTakenError, match=rf"port {port} on 127\.0\.0\.1: .*in use; choose another port\."):
            require_free_port(port, host="127.0.0.1")


@pytest.mark.parametrize("port", [-1, 70_000])
def test_a_number_that_is_no_port_is_one_sentence(port: int):
    with pytest.raises(PortTakenError, match="choose another port"):
        require_free_port(port, host="127.0.0.1")


def test_bentoml_is_started_with_the_installation_and_writes_below_its_home(tmp_path: Path):
    start = launch(workers=1, installation=installation(tmp_path), environment={"PATH": "/bin"})
    assert start.command[:5] == (sys.executable, "-m", "bentoml", "serve", "serving.service:PrognosisService")
    assert start.command[5:] == ("--host", "127.0.0.1", "--port", "38123")
    assert start.address == "http://127.0.0.1:38123"
    assert start.environment["PATH"] == "/bin"
    assert start.environment["PROGNOSIS_HOME"] == str(tmp_path)
    assert start.environment["MLFLOW_TRACKING_URI"] == "sqlite:///x.db"
    assert start.environment["PROGNOSIS_WORKERS"] == "1"
    assert Path(start.environment["BENTOML_HOME"]).is_relative_to(tmp_path)


def test_what_was_compiled_once_is_kept_for_the_next_start(tmp_path: Path):
    start = launch(installation=installation(tmp_path), environment={"PYTHONDONTWRITEBYTECODE": "1", "A": "b"})
    assert start.environment["A"] == "b"
    assert "PYTHONDONTWRITEBYTECODE" not in start.environment


def test_what_is_given_goes_before_the_settings(tmp_path: Path):
    start = launch(port=38124, host="127.0.0.2", installation=installation(tmp_path), environment={})
    assert start.address == "http://127.0.0.2:38124"


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_beyond_this_machine_it_is_not_started_without_tokens_and_is_with_them(tmp_path: Path, host: str):
    open_to_all = replace(installation(tmp_path), host=host)
    for how in ({"installation": open_to_all}, {"installation": installation(tmp_path), "host": host}):
        with pytest.raises(BindingError, match=f"^{host} is reached from other machines, but there is no token"):
            launch(**how, environment={})
    add_token(tmp_path / "tokens", "a")
    start = launch(installation=replace(open_to_all, tokens_file=tmp_path / "tokens"), environment={})
    assert start.environment["PROGNOSIS_TOKENS_FILE"] == str(tmp_path / "tokens")
    assert start.command[6] == host


def test_tokens_that_cannot_be_read_end_the_start_on_this_machine_too(tmp_path: Path):
    with pytest.raises(TokensError, match="No such file"):
        launch(installation=replace(installation(tmp_path), tokens_file=tmp_path / "none"), environment={})


def test_a_name_is_listened_on_by_its_address(tmp_path: Path):
    start = launch(host="localhost", port=38124, installation=installation(tmp_path), environment={})
    assert start.command[6] in ("127.0.0.1", "::1")


def test_an_address_of_the_newer_kind_stands_in_brackets(tmp_path: Path):
    if not socket.has_ipv6:
        pytest.skip("this machine has no IPv6")
    start = launch(host="::1", port=38124, installation=installation(tmp_path), environment={})
    assert (start.command[6], start.address) == ("::1", "http://[::1]:38124")
