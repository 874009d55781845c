"""Where the service may listen without tokens, and where only with them."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import click
import pytest

from serving.binding import BindingError, bound_address, is_loopback, require_guarded_start
from serving.settings import Settings
from serving.tokens import TokensError, add_token, revoke_token


@pytest.fixture
def tokens(tmp_path: Path) -> Path:
    add_token(tmp_path / "tokens", "a")
    return tmp_path / "tokens"


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1"])
def test_what_only_this_machine_reaches_needs_no_token(address: str):
    assert is_loopback(address)
    assert bound_address(address, tokens_file=None) == address


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "10.0.0.7", "8.8.8.8", "fe80::1", "::ffff:10.0.0.7", "128.0.0.1"])
def test_what_others_reach_is_refused_without_tokens_and_with_an_empty_file(address: str, tokens: Path):
    assert not is_loopback(address)
    with pytest.raises(BindingError, match=r"is reached from other machines, but there is no token; make one with"):
        bound_address(address, tokens_file=None)
    assert bound_address(address, tokens_file=tokens) == address
    revoke_token(tokens, "a")
    with pytest.raises(BindingError, match="holds no token"):
        bound_address(address, tokens_file=tokens)


def resolves_to(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    """Let every name stand for these addresses, as a resolver would say."""
    families = [socket.AF_INET6 if ":" in address else socket.AF_INET for address in addresses]
    found = [(family, 1, 6, "", (address, 0)) for family, address in zip(families, addresses, strict=True)]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)


def test_localhost_is_this_machine():
    assert is_loopback(bound_address("localhost", tokens_file=None))


def test_a_name_counts_as_what_it_resolves_to(monkeypatch: pytest.MonkeyPatch, tokens: Path):
    resolves_to(monkeypatch, "::1", "127.0.0.1")
    assert bound_address("here", tokens_file=None) == "127.0.0.1"
    resolves_to(monkeypatch, "127.0.0.1", "10.0.0.7")
    with pytest.raises(BindingError, match=r"^ward \(10\.0\.0\.7\) is reached from other machines"):
        bound_address("ward", tokens_file=None)
    assert bound_address("ward", tokens_file=tokens) == "127.0.0.1"


@pytest.mark.parametrize("host", ["no.such.host.invalid", "x" * 300, "a..b"])
def test_a_name_that_is_none_is_one_sentence(host: str):
    with pytest.raises(BindingError, match="give an IP address of this machine"):
        bound_address(host, tokens_file=None)


def test_a_file_of_tokens_that_was_named_must_be_there_even_for_this_machine(tmp_path: Path):
    with pytest.raises(TokensError, match="No such file"):
        bound_address("127.0.0.1", tokens_file=tmp_path / "none")


@click.command()
@click.option("--host")
@click.option("--tokens", type=Path)
def serve(host: str | None, tokens: Path | None) -> None:
    require_guarded_start(tokens)
    click.echo("started")


@pytest.mark.parametrize(("told", "exit_code"), [(["--host", "0.0.0.0"], 1), (["--host", "127.0.0.1"], 0)])
def test_the_command_that_starts_the_workers_is_asked_where_it_will_listen(told: list[str], exit_code: int):
    from click.testing import CliRunner  # noqa: PLC0415

    done = CliRunner().invoke(serve, told)
    assert (done.exit_code, "started" in done.output) == (exit_code, exit_code == 0)
    assert "Traceback" not in done.output


def test_a_worker_that_starts_when_the_file_of_tokens_is_gone_asks_for_tokens_all_the_same(
    tokens: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    from click.testing import CliRunner  # noqa: PLC0415

    monkeypatch.setenv("PROGNOSIS_TOKENS_FILE", "")
    assert CliRunner().invoke(serve, ["--host", "127.0.0.1", "--tokens", str(tokens)]).exit_code == 0
    tokens.unlink()
    assert Settings.from_environment({**os.environ, "PROGNOSIS_HOME": str(tmp_path)}).tokens_file == tokens
