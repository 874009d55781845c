"""How the service is started."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import pytest

from serving.launch import PortTakenError, launch, require_free_port
from serving.settings import Settings


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


def test_what_is_given_goes_before_the_settings(tmp_path: Path):
    start = launch(port=38124, host="127.0.0.2", installation=installation(tmp_path), environment={})
    assert start.address == "http://127.0.0.2:38124"
