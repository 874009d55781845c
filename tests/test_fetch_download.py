"""One file from a server that fails in every way that servers do: what is kept is the file, or nothing."""

from __future__ import annotations

import gzip
import hashlib
import logging
import os
import resource
import signal
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from public_hosts import Host, Stored, endless, etag_of, page, running, status, torn, torn_chunk, wait_for

from experiments.fetch_catalogue import Place
from experiments.fetch_checks import DamagedError, PageError
from experiments.fetch_download import Downloads, Meter
from experiments.fetch_http import Client, FetchError, NotThereError
from experiments.fetch_parts import NoRoomError, Slot
from experiments.fetch_settings import FetchSettings

pytestmark = pytest.mark.usefixtures("no_proxy")

PATH = "/download/KIRC_survival.txt"
OLD = "".join(f"TCGA-AA-{number:04}-01\t1\t{number}\n" for number in range(20_000)).encode()
NEW = OLD.replace(b"\t1\t", b"\t0\t")
assert len(OLD) == len(NEW)


@pytest.fixture
def host():
    with running(Host()) as host:
        host.files[PATH] = Stored(OLD)
        yield host


class Fetcher:
    """Downloads of one file, each with a session of its own as each process has."""

    def __init__(self, host: Host, folder: Path, **changes):
        self.host, self.folder = host, folder
        self.settings = replace(
            FetchSettings(folder / "cache", attempts=4, backoff_seconds=0.0, timeout_seconds=5.0), **changes
        )
        self.shown: list[tuple[int, int]] = []

    def fetch(self, path: str = PATH, **stated) -> bytes:
        client = Client(self.settings, Event())
        meter = Meter(lambda done, total: self.shown.append((done, total)))
        try:
            downloads = Downloads(self.settings.cache, client, Event(), meter)
            name = path.rpartition("/")[2]
            downloads.fetch(Place(name, self.host.url + path, **stated), self.folder / "out" / name)
        finally:
            client.close()
        return (self.folder / "out" / name).read_bytes()

    @property
    def part(self) -> Path:
        return Slot(self.settings.cache, self.host.url + PATH).part


@pytest.fixture
def fetcher(host, tmp_path):
    return Fetcher(host, tmp_path)


def ranges(host: Host, path: str = PATH) -> list[str | None]:
    return [headers.get("range") for headers in host.asked_for(path)]


def rest(start: int, body: bytes = OLD) -> str:
    return f"bytes={start}-{len(body) - 1}"


def test_a_file_comes_as_it_is_stored_and_is_asked_for_once(host, fetcher):
    assert fetcher.fetch() == OLD
    assert len(host.asked) == 1
    assert fetcher.shown[-1] == (len(OLD), len(OLD))
    assert host.asked[0][1]["accept-encoding"] == "identity"


@pytest.mark.parametrize("reset", [False, True])
def test_a_body_that_breaks_off_goes_on_where_it_stopped(host, fetcher, reset):
    host.faults[PATH] = [torn(100_000, reset=reset), torn(70_000, reset=reset)]
    assert fetcher.fetch() == OLD
    first, second, third = host.asked_for(PATH)
    assert "range" not in first
    assert (second["range"], second["if-range"]) == (rest(100_000), etag_of(OLD))
    assert (third["range"], third["if-range"]) == (rest(170_000), etag_of(OLD))
    assert fetcher.shown[-1] == (len(OLD), len(OLD))


def test_a_line_that_breaks_often_but_moves_is_borne_with(host, fetcher):
    host.faults[PATH] = [torn(70_000)] * 6
    assert fetcher.fetch() == OLD
    assert len(host.asked) == 7


def test_the_next_run_goes_on_from_what_the_last_one_kept(host, fetcher):
    host.faults[PATH] = [torn(1_000)] + [torn(0)] * 3
    with pytest.raises(FetchError, match=r"broke off 4 times in a row .* the next attempt goes on from there"):
        fetcher.fetch()
    assert fetcher.part.read_bytes() == OLD[:1_000]
    assert fetcher.fetch() == OLD
    assert ranges(host)[-1] == rest(1_000)


def test_a_server_that_knows_no_ranges_sends_it_all_again(host, fetcher):
    host.files[PATH].ranges = False
    host.faults[PATH] = [torn(100_000)]
    assert fetcher.fetch() == OLD
    assert ranges(host) == [None, rest(100_000)]


@pytest.mark.parametrize("heeds", [True, False], ids=["If-Range heeded", "If-Range ignored"])
@pytest.mark.parametrize(
    "stated",
    [{}, {"etag": None, "modified": "Sat, 14 Oct 2017 18:46:07 GMT"}, {"etag": 'W/"b"', "modified": None}],
    ids=["ETag", "date", "weak ETag"],
)
def test_a_file_that_changes_meanwhile_is_never_mixed(host, fetcher, heeds, stated):
    old = {"etag": None} if stated.get("etag", "") is None else {"etag": 'W/"a"', "modified": None} if stated else {}
    host.files[PATH] = Stored(OLD, **old)
    host.faults[PATH] = [torn(100_000)] * 4
    host.faults[PATH][1:] = [torn(0)] * 3
    with pytest.raises(FetchError):
        fetcher.fetch()
    host.files[PATH] = Stored(NEW, heeds_if_range=heeds, **stated)
    assert fetcher.fetch() == NEW


def test_a_range_that_begins_elsewhere_is_not_appended(host, fetcher):
    def from_elsewhere(handler, stored):
        # As many bytes as are missing, of the same file, but not those.
        missing = OLD[5 : 5 + len(OLD) - 100_000]
        headers = {**stored.validators(), "Content-Range": f"bytes 5-{4 + len(missing)}/{len(OLD)}"}
        handler.say(206, headers, missing)

    host.faults[PATH] = [torn(100_000), from_elsewhere]
    assert fetcher.fetch() == OLD
    assert ranges(host) == [None, rest(100_000), None]


def test_without_a_date_or_an_etag_no_range_is_asked_for_unless_there_is_a_checksum(host, fetcher):
    host.files[PATH] = Stored(OLD, etag=None, modified=None)
    host.faults[PATH] = [torn(100_000)]
    assert fetcher.fetch() == OLD
    assert ranges(host) == [None, None]
    host.asked.clear()
    host.files["/data/x"], host.faults["/data/x"] = host.files[PATH], [torn(100_000)]
    assert fetcher.fetch("/data/x", md5=hashlib.md5(OLD).hexdigest()) == OLD
    assert ranges(host, "/data/x") == [None, rest(100_000)]


def test_with_a_checksum_alone_a_mixture_is_found_and_fetched_anew(host, fetcher):
    host.files[PATH] = Stored(OLD, etag=None, modified=None)
    host.faults[PATH] = [torn(100_000), *[torn(0)] * 3]
    md5 = hashlib.md5(NEW).hexdigest()
    with pytest.raises(FetchError, match="broke off"):
        fetcher.fetch(md5=md5)
    host.files[PATH] = Stored(NEW, etag=None, modified=None)
    assert fetcher.fetch(md5=md5) == NEW
    assert ranges(host)[-2:] == [rest(100_000), None]


FAULTS = ["torn", "reset", "changes", "no ranges", "ignores If-Range", "503"]


@settings(deadline=None, max_examples=25)
@given(st.lists(st.tuples(st.sampled_from(FAULTS), st.integers(0, len(OLD))), max_size=7))
def test_whatever_happens_on_the_way_it_is_the_file_as_it_is_now(tmp_path_factory, faults):
    bodies = [OLD, NEW]
    with running(Host()) as host:
        host.files[PATH] = Stored(OLD)

        def then(name: str, place: int):
            def answer(handler, stored):
                if name == "changes":
                    bodies.reverse()
                    stored = replace(stored, body=bodies[0], etag=etag_of(bodies[0]))
                stored.ranges = stored.ranges and name != "no ranges"
                stored.heeds_if_range = stored.heeds_if_range and name != "ignores If-Range"
                host.files[PATH] = stored
                fault = status(503) if name == "503" else torn(place, reset=name == "reset")
                fault(handler, stored)

            return answer

        host.faults[PATH] = [then(*fault) for fault in faults]
        fetcher = Fetcher(host, tmp_path_factory.mktemp("any"), attempts=20)
        try:
            came = fetcher.fetch()
        except FetchError:
            # It has changed too often: there is nothing then, and the next run starts from what was kept.
            host.faults.clear()
            came = fetcher.fetch()
        assert came == host.files[PATH].body


@pytest.fixture
def said(caplog):
    """What the log says, whether or not a command line took the log lines for itself before."""
    logger = logging.getLogger("experiments")
    logger.addHandler(caplog.handler)
    with caplog.at_level(logging.DEBUG, logger="experiments"):
        yield caplog
    logger.removeHandler(caplog.handler)


def test_429_waits_as_long_as_it_is_told(host, fetcher, said):
    host.faults[PATH] = [status(429, {"Retry-After": "1"})]
    assert fetcher.fetch() == OLD
    assert "the server asks to wait 1 s" in said.text
    assert len(host.asked) == 2


def test_errors_of_the_server_are_tried_again(host, fetcher):
    host.faults[PATH] = [status(500), status(502), status(504)]
    assert fetcher.fetch() == OLD
    assert len(host.asked) == 4


@pytest.mark.parametrize(("code", "words"), [(503, "HTTP 503"), (429, "no more requests for now")])
def test_errors_that_stay_are_told_after_as_many_attempts_as_are_set(host, fetcher, code, words):
    host.faults[PATH] = [status(code)] * 9
    with pytest.raises(FetchError, match=words):
        fetcher.fetch()
    assert len(host.asked) == 4


@pytest.mark.parametrize("code", [403, 404, 410])
def test_what_is_not_there_is_named_and_not_asked_for_again(host, fetcher, code):
    host.faults[PATH] = [status(code)]
    with pytest.raises(NotThereError, match=rf"{PATH}: is not there, or not public \(HTTP {code}\)"):
        fetcher.fetch()
    assert len(host.asked) == 1


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_a_redirect_is_followed_with_the_range(host, fetcher, code):
    host.files["/elsewhere"] = Stored(OLD)
    host.faults[PATH] = [torn(100_000), status(code, {"Location": "/elsewhere?signature=secret"})]
    assert fetcher.fetch() == OLD
    assert ranges(host, "/elsewhere") == [rest(100_000)]


def test_a_circle_of_redirects_ends(host, fetcher):
    host.faults[PATH] = [status(302, {"Location": PATH})] * 99
    with pytest.raises(FetchError, match="leads on and on"):
        fetcher.fetch()


def test_a_page_in_place_of_a_file_is_none_and_leaves_the_part(host, fetcher):
    host.faults[PATH] = [torn(100_000), page]
    with pytest.raises(PageError, match="a web page came in place of KIRC_survival"):
        fetcher.fetch()
    assert fetcher.part.read_bytes() == OLD[:100_000]
    assert fetcher.fetch() == OLD


def test_a_page_that_calls_itself_a_file_is_found_too(host, fetcher):
    host.files[PATH] = Stored(b"\n <HTML><body>Down for maintenance</body></HTML>", kind="text/plain")
    with pytest.raises(PageError):
        fetcher.fetch()
    assert not fetcher.part.exists()


def test_a_wrong_checksum_is_told_and_nothing_is_kept(host, fetcher):
    with pytest.raises(DamagedError, match=rf"MD5 {'0' * 32}, but what came has {hashlib.md5(OLD).hexdigest()}"):
        fetcher.fetch(md5="0" * 32)
    assert len(host.asked) == 3
    assert not fetcher.part.exists()
    assert not (fetcher.folder / "out").exists()


def test_a_file_that_came_damaged_once_is_fetched_anew(host, fetcher):
    host.faults[PATH] = [status(200, {"ETag": '"x"'}, NEW)]
    assert fetcher.fetch(md5=hashlib.md5(OLD).hexdigest()) == OLD


def test_gzip_that_is_damaged_at_the_source_is_refused(host, fetcher):
    host.files["/HiSeqV2.gz"] = Stored(gzip.compress(OLD)[:-9])
    with pytest.raises(DamagedError, match="is no undamaged gzip file"):
        fetcher.fetch("/HiSeqV2.gz")
    host.files["/HiSeqV2.gz"] = Stored(gzip.compress(OLD))
    assert gzip.decompress(fetcher.fetch("/HiSeqV2.gz")) == OLD


def test_a_plain_file_that_is_sent_packed_is_unpacked_and_a_packed_one_is_not(host, fetcher):
    packed = gzip.compress(OLD)
    host.files[PATH] = Stored(packed, headers={"Content-Encoding": "gzip"})
    host.files["/HiSeqV2.gz"] = Stored(packed, headers={"Content-Encoding": "gzip"})
    host.faults[PATH] = [status(200, {"ETag": '"other"', "Content-Encoding": "gzip"}, packed[:-20])]
    assert fetcher.fetch() == OLD
    assert fetcher.fetch("/HiSeqV2.gz") == packed


def test_an_empty_file_is_refused(host, fetcher):
    for stored in (Stored(b""), Stored(b"", chunked=True)):
        host.files[PATH] = stored
        with pytest.raises(DamagedError, match="is empty"):
            fetcher.fetch()


def test_chunks_without_a_length_are_whole_only_with_the_last_one(host, fetcher):
    host.files[PATH].chunked = True
    host.faults[PATH] = [torn_chunk]
    assert fetcher.fetch() == OLD
    assert ranges(host) == [None, f"bytes={len(OLD) // 2}-"]


def test_a_body_of_unknown_length_is_refused(host, fetcher):
    def until_closed(handler, stored):
        handler.begin(200, stored.validators())
        handler.wfile.write(stored.body)
        handler.close_connection = True

    host.faults[PATH] = [until_closed]
    with pytest.raises(FetchError, match="does not say how long the file is"):
        fetcher.fetch()


def test_a_connection_that_hardly_moves_is_given_up_for_a_new_one(host, tmp_path):
    stop = Event()
    host.faults[PATH] = [endless(stop, after=100_000)]
    try:
        assert Fetcher(host, tmp_path, timeout_seconds=0.4).fetch() == OLD
    finally:
        stop.set()
    assert int(ranges(host)[1].removeprefix("bytes=").partition("-")[0]) >= 100_000


def test_a_server_that_says_nothing_is_given_up(host, tmp_path):
    stop = Event()
    host.faults[PATH] = [lambda handler, stored: stop.wait(30)] * 2
    try:
        with pytest.raises(FetchError, match="cannot be reached"):
            Fetcher(host, tmp_path, timeout_seconds=0.2, attempts=2).fetch()
    finally:
        stop.set()


def test_a_host_that_is_not_there_is_told_in_words(tmp_path):
    with running(Host()) as host:
        fetcher = Fetcher(host, tmp_path, attempts=2)
    with pytest.raises(FetchError, match=r"cannot be reached \(Connection refused\); try again later"):
        fetcher.fetch()


def test_a_full_disk_is_told_and_what_came_is_kept(host, fetcher):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, before[1]))
    try:
        with pytest.raises(NoRoomError, match=r"cannot be written \(File too large\).*What came is kept"):
            fetcher.fetch()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    kept = fetcher.part.stat().st_size
    assert 0 < kept <= 150_000
    assert fetcher.fetch() == OLD
    assert ranges(host)[-1] == rest(kept)


def test_ctrl_c_keeps_what_came(host, fetcher):
    stop = Event()

    def interrupt():
        wait_for(fetcher.part, 100_000)
        os.kill(os.getpid(), signal.SIGINT)

    host.faults[PATH] = [endless(stop, interrupt, after=100_000)]
    try:
        with pytest.raises(KeyboardInterrupt):
            fetcher.fetch()
    finally:
        stop.set()
    assert fetcher.part.read_bytes() == OLD[: fetcher.part.stat().st_size]
    assert fetcher.fetch() == OLD


def test_what_is_current_is_not_sent_again_and_what_is_not_is(host, fetcher):
    assert fetcher.fetch() == OLD
    assert fetcher.fetch() == OLD
    assert host.asked_for(PATH)[1]["if-none-match"] == etag_of(OLD)
    assert len(host.asked) == 2
    host.files[PATH] = Stored(NEW, etag=None, modified="Sat, 14 Oct 2017 18:46:07 GMT")
    assert fetcher.fetch() == NEW
    assert fetcher.fetch() == NEW
    assert host.asked_for(PATH)[3]["if-modified-since"] == "Sat, 14 Oct 2017 18:46:07 GMT"


def test_a_checksum_that_is_here_already_asks_nobody(host, fetcher):
    md5 = hashlib.md5(OLD).hexdigest()
    assert fetcher.fetch(md5=md5) == fetcher.fetch(md5=md5) == OLD
    assert len(host.asked) == 1


def test_damage_to_what_is_kept_is_found_and_mended(host, fetcher):
    fetcher.fetch()
    whole = Slot(fetcher.settings.cache, host.url + PATH).file
    whole.write_bytes(NEW)
    assert fetcher.fetch() == OLD


def test_a_part_whose_note_is_torn_is_not_believed(host, fetcher):
    host.faults[PATH] = [torn(100_000), *[torn(0)] * 3]
    with pytest.raises(FetchError):
        fetcher.fetch()
    Path(f"{fetcher.part}.json").write_text('{"url": "http')
    assert fetcher.fetch() == OLD
    assert ranges(host)[-1] is None


def test_no_password_is_looked_up_for_a_host(host, fetcher, tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    fetcher.fetch()
    assert "authorization" not in host.asked[0][1]


def test_a_signature_in_a_redirect_is_not_told(host, fetcher, said):
    host.faults[PATH] = [status(302, {"Location": "/bucket?X-Amz-Signature=secret"})]
    host.faults["/bucket"] = [status(400)]
    with pytest.raises(FetchError) as caught:
        fetcher.fetch()
    assert "secret" not in str(caught.value) + said.text


def test_a_stated_size_stands_in_for_a_length_that_the_server_does_not_tell(host, fetcher):
    def until_closed(end: int):
        def answer(handler, stored):
            handler.begin(200, {})
            handler.wfile.write(stored.body[:end])
            handler.close_connection = True

        return answer

    md5 = hashlib.md5(OLD).hexdigest()
    host.faults[PATH] = [until_closed(100_000), until_closed(len(OLD))]
    assert fetcher.fetch(md5=md5, size=len(OLD)) == OLD
    fetcher.folder = fetcher.folder / "other"
    host.faults[PATH] = [until_closed(len(OLD))] * 9
    with pytest.raises(DamagedError, match=r"more came than 1,000 bytes, which the source states"):
        fetcher.fetch(md5="0" * 32, size=1_000)
