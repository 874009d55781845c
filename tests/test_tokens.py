"""The file of tokens: what is kept, who is known, and what happens when it changes or breaks."""

from __future__ import annotations

import base64
import logging
from pathlib import Path

import pytest
from click.testing import CliRunner

from experiments.token_commands import token
from serving import tokens
from serving.tokens import TokenFile, TokensError, add_token, presented_secret, read_tokens, revoke_token


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "new" / "tokens"


@pytest.fixture
def looks_always(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the file be looked at on every request."""
    monkeypatch.setattr(tokens, "_LOOK_SECONDS", 0.0)


def test_a_token_is_known_by_its_name_and_kept_as_a_hash_only(path: Path):
    secret = add_token(path, "clinic")
    assert TokenFile(path).holder(secret.encode()) == "clinic"
    assert secret not in path.read_text()
    assert secret.removeprefix("ctc_") not in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600


def test_two_tokens_differ_and_both_are_known(path: Path):
    first, second = add_token(path, "a"), add_token(path, "b")
    assert first != second
    assert len(first) > 40
    file = TokenFile(path)
    assert [file.holder(secret.encode()) for secret in (first, second)] == ["a", "b"]


@pytest.mark.parametrize("change", [lambda s: s[:-1], lambda s: s + "x", str.upper, lambda _: "", lambda _: "a"])
def test_what_is_almost_a_token_is_none(path: Path, change):
    secret = add_token(path, "a")
    assert TokenFile(path).holder(change(secret).encode()) is None


@pytest.mark.parametrize("name", ["", "a b", "-a", "a\nb", "ä", "x" * 65])
def test_a_name_that_would_break_a_line_is_refused(path: Path, name: str):
    with pytest.raises(TokensError, match="cannot name a token"):
        add_token(path, name)


def test_a_name_is_given_once(path: Path):
    add_token(path, "a")
    with pytest.raises(TokensError, match="holds a token of the name 'a'; revoke it first"):
        add_token(path, "a")


def test_comments_and_the_mode_of_the_file_outlive_a_revocation(path: Path):
    add_token(path, "a")
    add_token(path, "b")
    path.write_text(path.read_text() + "# the ward's\n\n")
    path.chmod(0o640)
    revoke_token(path, "a")
    assert [known.name for known in read_tokens(path)] == ["b"]
    assert "# the ward's" in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o640


def test_revoking_what_is_not_there_names_what_is(path: Path):
    add_token(path, "a")
    with pytest.raises(TokensError, match="no token of the name 'b'; it holds: a"):
        revoke_token(path, "b")


@pytest.mark.parametrize("line", ["a", "a sha256:12 now", "a md5:" + "0" * 64 + " now", "ctc_secretsecret", "a b c d"])
def test_a_broken_line_is_named_by_its_number_and_not_repeated(path: Path, line: str):
    add_token(path, "kept")
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(TokensError, match=r"line 3: a line must be a name, sha256:HASH and a time") as caught:
        read_tokens(path)
    assert line not in str(caught.value) or line == "a"


def test_a_name_that_occurs_twice_breaks_the_file(path: Path):
    add_token(path, "a")
    path.write_text(path.read_text() + path.read_text())
    with pytest.raises(TokensError, match="the name 'a' occurs twice"):
        read_tokens(path)


def test_a_file_that_is_not_there_or_no_text_is_one_sentence(path: Path, tmp_path: Path):
    with pytest.raises(TokensError, match="No such file"):
        read_tokens(path)
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(TokensError, match="not a file of tokens"):
        read_tokens(tmp_path / "bytes")


@pytest.mark.usefixtures("looks_always")
def test_a_change_is_seen_without_a_restart(path: Path):
    first = add_token(path, "a")
    file = TokenFile(path)
    assert file.holder(first.encode()) == "a"
    second = add_token(path, "b")
    assert file.holder(second.encode()) == "b"
    revoke_token(path, "a")
    assert file.holder(first.encode()) is None
    revoke_token(path, "b")
    assert file.holder(second.encode()) is None


def overwritten(path: Path) -> None:
    path.write_text("nonsense\n")


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.usefixtures("looks_always")
@pytest.mark.parametrize("breaks", [overwritten, Path.unlink, folder])
def test_a_file_that_is_gone_or_none_lets_nobody_in_until_it_is_back_and_the_log_says_so_once(
    path: Path, breaks, caplog: pytest.LogCaptureFixture
):
    secret = add_token(path, "a")
    text, file = path.read_text(), TokenFile(path)
    assert file.holder(secret.encode()) == "a"
    breaks(path)
    with caplog.at_level(logging.ERROR):
        assert [file.holder(secret.encode()) for _ in range(3)] == [None] * 3
    assert caplog.text.count("Nobody is let in by it; tokens that count: 0.") == 1
    if path.is_dir():
        path.rmdir()
    path.write_text(text)
    assert file.holder(secret.encode()) == "a"
    breaks(path)
    with caplog.at_level(logging.ERROR):
        assert file.holder(secret.encode()) is None
    assert caplog.text.count("Nobody is let in by it") == 2


@pytest.mark.usefixtures("looks_always")
def test_a_file_that_is_moved_away_and_back_as_it_was_counts_again(path: Path):
    secret = add_token(path, "a")
    file = TokenFile(path)
    assert file.holder(secret.encode()) == "a"
    path.rename(path.with_name("aside"))
    assert file.holder(secret.encode()) is None
    path.with_name("aside").rename(path)
    assert file.holder(secret.encode()) == "a"


@pytest.mark.usefixtures("looks_always")
@pytest.mark.parametrize("slip", [b"ward-7 sha256:12\n", b"gar\x00bage\n", b"M\xfcller\n", b"ctc_pasted-by-mistake\n"])
def test_a_revocation_by_hand_counts_whatever_is_wrong_with_another_line(
    path: Path, slip: bytes, caplog: pytest.LogCaptureFixture
):
    left, stays = add_token(path, "left"), add_token(path, "stays")
    file = TokenFile(path)
    assert [file.holder(secret.encode()) for secret in (left, stays)] == ["left", "stays"]
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(line for line in lines if not line.startswith(b"left")) + slip)
    with caplog.at_level(logging.ERROR):
        assert [file.holder(secret.encode()) for secret in (left, stays)] == [None, "stays"]
    assert "line 3: a line must be a name" in caplog.text
    assert "tokens that count: 1" in caplog.text
    assert "pasted" not in caplog.text


@pytest.mark.usefixtures("looks_always")
def test_a_name_that_occurs_twice_lets_nobody_in(path: Path):
    older, other = add_token(path, "a"), add_token(path, "b")
    newer = add_token(path.with_name("new"), "a")
    path.write_text(path.read_text() + path.with_name("new").read_text())
    file = TokenFile(path)
    assert [file.holder(secret.encode()) for secret in (older, newer, other)] == [None, None, "b"]


def test_a_revocation_by_command_is_held_up_by_no_other_line(path: Path):
    for name in ("left", "stays"):
        add_token(path, name)
    path.write_text(path.read_text() + "ctc_pasted\n")
    done = CliRunner().invoke(token, ["revoke", "left", "--file", str(path)])
    assert done.exit_code == 0
    assert "line 3: a line must be a name" in done.stderr
    assert "pasted" not in done.output
    assert [line.split()[0] for line in path.read_text().splitlines()[1:]] == ["stays", "ctc_pasted"]
    with pytest.raises(TokensError, match="no token of the name '#'; it holds: stays"):
        revoke_token(path, "#")


def test_a_file_that_was_never_sound_lets_nobody_in(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.ERROR):
        assert TokenFile(tmp_path / "none").holder(b"anything") is None
    assert "No such file" in caplog.text


def test_the_file_is_not_looked_at_for_every_request(path: Path):
    secret = add_token(path, "a")
    file = TokenFile(path)
    assert file.holder(secret.encode()) == "a"
    path.unlink()
    path.mkdir()
    assert file.holder(secret.encode()) == "a"


@pytest.mark.parametrize(
    ("header", "secret"),
    [
        (b"Bearer abc", b"abc"),
        (b"bearer  abc ", b"abc"),
        (b"Basic " + base64.b64encode(b"anyone:abc"), b"abc"),
        (b"basic " + base64.b64encode(b":a:b"), b"a:b"),
        (b"Basic " + base64.b64encode(b"anyone"), None),
        (b"Basic !!", None),
        (b"Basic", None),
        (b"Bearer", None),
        (b"Bearer ", None),
        (b"Digest abc", None),
        (b"abc", None),
        (b"", None),
        (b"Bearer " + b"a" * 5000, None),
    ],
)
def test_a_token_comes_as_bearer_or_as_the_password_of_basic(header: bytes, secret: bytes | None):
    assert presented_secret(header) == secret


def test_the_commands_make_list_and_revoke(path: Path):
    run = CliRunner().invoke
    made = run(token, ["new", "ward", "--file", str(path)])
    assert made.exit_code == 0
    secret = made.stdout.strip()
    assert TokenFile(path).holder(secret.encode()) == "ward"
    assert secret not in made.stderr
    listed = run(token, ["list", "--file", str(path)])
    assert listed.stdout.startswith("ward\t20")
    assert run(token, ["revoke", "ward", "--file", str(path)]).exit_code == 0
    assert run(token, ["list", "--file", str(path)]).stdout == ""
    assert isinstance(run(token, ["revoke", "ward", "--file", str(path)]).exception, TokensError)


def test_without_a_file_the_commands_take_that_of_the_installation(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    from serving import settings as module  # noqa: PLC0415

    monkeypatch.setenv("PROGNOSIS_TOKENS_FILE", str(tmp_path / "mine"))
    module.settings.cache_clear()
    try:
        assert CliRunner().invoke(token, ["new", "ward"]).exit_code == 0
    finally:
        module.settings.cache_clear()
    assert [known.name for known in read_tokens(tmp_path / "mine")] == ["ward"]
