"""The downloader against a server that stalls, cuts, lies and forgets."""

import hashlib
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from serving import Site, serve

from bnn_core.base.errors import InputError
from bnn_core.datasets.downloading import (
    NotThereError,
    StoppedError,
    demand_network,
    demand_secure,
    download,
    remote_size,
)

DATA = np.random.default_rng(0).bytes(300_000)
QUICK = {"timeout": 0.3, "pause": 0.01}


@pytest.fixture
def site():
    with serve(Site({"/file": DATA})) as running:
        yield running


def whole(path: Path):
    if hashlib.sha256(path.read_bytes()).digest() != hashlib.sha256(DATA).digest():
        raise ValueError("bad checksum")


def get(site, tmp_path, **options):
    return download(f"{site.url}/file", tmp_path / "file", **QUICK | options)


def leftovers(tmp_path):
    return sorted(path.name for path in tmp_path.iterdir() if path.name != "file")


@pytest.mark.parametrize(
    "url",
    ["http://example.org/x", "ftp://example.org/x", "file:///etc/passwd", "https:///x", "[", ""],
)
def test_only_https_and_this_machine_are_secure(url):
    demand_secure("https://example.org/x")
    demand_secure("http://127.0.0.1:8000/x")
    with pytest.raises(InputError):
        demand_secure(url)


def test_a_redirect_away_from_https_is_refused(site, tmp_path):
    site.faults["/file"] = ["redirect http://example.org/file", "..."]
    with pytest.raises(InputError, match=r"example\.org"):
        get(site, tmp_path)
    assert not (tmp_path / "file").exists()
    assert remote_size(f"{site.url}/file") == len(DATA)  # HEAD is not redirected


def test_a_plain_file(site, tmp_path):
    counted = []
    assert get(site, tmp_path, progress=counted.append).read_bytes() == DATA
    assert sum(counted) == len(DATA) and leftovers(tmp_path) == []
    assert remote_size(f"{site.url}/file") == len(DATA)


@pytest.mark.parametrize("fault", ["stall", "cut", "503"])
def test_a_broken_connection_goes_on_where_it_stopped(site, tmp_path, fault):
    site.faults["/file"] = [fault]
    counted = []
    assert get(site, tmp_path, progress=counted.append).read_bytes() == DATA
    assert sum(counted) == len(DATA)
    ranges = [asked for _, _, asked in site.requests]
    assert ranges == [None, None if fault == "503" else f"bytes={len(DATA) // 2}-"]


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            ["cut", "trickle 7", "no range", "503", "wrong start", "ok", "long length"]
        ),
        max_size=5,
    )
)
def test_whatever_the_server_does_the_file_is_whole_or_there_is_none(tmp_path_factory, faults):
    tmp_path = tmp_path_factory.mktemp("any")
    with serve(Site({"/file": DATA}, {"/file": [*faults]})) as site:
        assert get(site, tmp_path, check=whole).read_bytes() == DATA
    assert leftovers(tmp_path) == []


def test_a_server_without_ranges_is_asked_for_the_whole_again(site, tmp_path):
    site.faults["/file"] = ["cut", "no range"]
    counted = []
    assert get(site, tmp_path, progress=counted.append).read_bytes() == DATA
    assert sum(counted) == len(DATA)


def test_an_announced_length_that_is_too_long_is_settled_by_the_next_answer(site, tmp_path):
    site.faults["/file"] = ["long length"]
    assert get(site, tmp_path, check=whole).read_bytes() == DATA


def test_a_length_that_is_too_short_is_found_by_the_check(site, tmp_path):
    site.faults["/file"] = ["short length", "..."]
    with pytest.raises(InputError, match=r"arrived damaged twice \(bad checksum\)"):
        get(site, tmp_path, check=whole)
    assert leftovers(tmp_path) == [] and not (tmp_path / "file").exists()
    site.faults["/file"] = ["short length"]
    assert get(site, tmp_path, check=whole).read_bytes() == DATA


def test_a_login_page_is_no_data(site, tmp_path):
    site.faults["/file"] = ["html", "..."]
    with pytest.raises(InputError, match="damaged twice"):
        get(site, tmp_path, check=whole)


def test_a_server_that_always_stalls_at_once_is_given_up(site, tmp_path):
    site.faults["/file"] = ["trickle 0", "..."]
    with pytest.raises(InputError, match=r"3 attempts in a row received no new data.*run the same"):
        get(site, tmp_path, attempts=3)


def test_little_by_little_is_progress(site, tmp_path):
    site.files["/file"] = DATA[:70]
    site.faults["/file"] = ["trickle 7", "..."]
    assert get(site, tmp_path, attempts=2).read_bytes() == DATA[:70]


def test_a_second_run_goes_on(site, tmp_path):
    site.faults["/file"] = ["cut", "trickle 0", "trickle 0"]
    with pytest.raises(InputError):
        get(site, tmp_path, attempts=2)
    assert (tmp_path / "file.part").stat().st_size == len(DATA) // 2
    assert get(site, tmp_path).read_bytes() == DATA
    assert site.requests[-1][2] == f"bytes={len(DATA) // 2}-"


def test_a_file_that_changed_in_between_is_downloaded_from_the_start(site, tmp_path):
    site.faults["/file"] = ["cut", "503", "503"]
    with pytest.raises(InputError):
        get(site, tmp_path, attempts=2)
    site.files["/file"], site.etags["/file"] = DATA[::-1], '"v2"'
    assert get(site, tmp_path).read_bytes() == DATA[::-1]


def test_a_weak_tag_is_no_condition_of_a_resumed_transfer(site, tmp_path):
    """A weak ETag never matches in If-Range: the file is fetched from its first byte."""
    site.etags["/file"], site.faults["/file"] = 'W/"v1"', ["cut"]
    assert get(site, tmp_path).read_bytes() == DATA
    gets = [asked for method, _, asked in site.requests if method == "GET"]
    assert gets == [None, None] and set(site.conditions) == {None}


def test_beside_a_weak_tag_the_date_of_the_last_change_is_the_condition(site, tmp_path):
    site.etags["/file"], site.faults["/file"] = 'W/"v1"', ["cut"]
    site.changed["/file"] = "Fri, 27 Nov 2026 07:00:00 GMT"
    assert get(site, tmp_path).read_bytes() == DATA
    assert site.requests[-1][2] == f"bytes={len(DATA) // 2}-"
    assert site.conditions[-1] == "Fri, 27 Nov 2026 07:00:00 GMT"


def test_a_part_of_unknown_version_is_not_trusted(site, tmp_path):
    (tmp_path / "file.part").write_bytes(b"something else")
    assert get(site, tmp_path).read_bytes() == DATA


def test_without_a_length_the_end_is_the_end(site, tmp_path):
    site.faults["/file"] = ["no length"]
    assert get(site, tmp_path, check=whole).read_bytes() == DATA


def test_a_missing_file_is_an_error_at_once(site, tmp_path):
    with pytest.raises(NotThereError, match="HTTP 404"):
        download(f"{site.url}/none", tmp_path / "none", **QUICK)
    assert len(site.requests) == 1
    with pytest.raises(InputError, match="no http"):
        download("file:///etc/passwd", tmp_path / "x")
    assert remote_size(f"{site.url}/none") is None


def test_a_server_that_does_not_answer_is_an_error(tmp_path):
    with pytest.raises(InputError, match="no new data"):
        download("http://127.0.0.1:9/file", tmp_path / "file", attempts=2, **QUICK)


def test_without_a_network_one_sentence_comes_at_once(site, monkeypatch, capsys):
    for url in ("http://127.0.0.1:9/file", "http://no-such-host.invalid/file"):
        began = time.monotonic()
        with pytest.raises(InputError, match="no connection to") as error:
            demand_network(url)
        assert time.monotonic() - began < 5 and "rrno" not in str(error.value)
    demand_network(f"{site.url}/file")
    demand_network(f"{site.url}/none")  # a host that answers is there

    def slow(*args, **options):
        raise urllib.error.URLError(TimeoutError("timed out"))

    monkeypatch.setattr(urllib.request, "urlopen", slow)
    demand_network(f"{site.url}/file")
    assert "127.0.0.1" in capsys.readouterr().err


def test_stop_keeps_what_arrived(site, tmp_path):
    seen = []
    with pytest.raises(StoppedError):
        get(site, tmp_path, progress=seen.append, stop=lambda: sum(seen) > 0)
    kept = (tmp_path / "file.part").stat().st_size
    assert kept == sum(seen) > 0
    assert get(site, tmp_path).read_bytes() == DATA


def test_two_runs_do_not_write_one_file(site, tmp_path):
    site.faults["/file"] = ["stall"]
    site.stall_seconds = 3
    code = (
        f"from bnn_core.datasets.downloading import download\nfrom pathlib import Path\n"
        f"download('{site.url}/file', Path({str(tmp_path / 'file')!r}), timeout=20)"
    )
    other = subprocess.Popen([sys.executable, "-c", code], cwd=Path(__file__).parents[2])
    try:
        until = time.monotonic() + 20
        while not (tmp_path / "file.part").exists() and time.monotonic() < until:
            time.sleep(0.05)
        with pytest.raises(InputError, match="another run"):
            get(site, tmp_path)
    finally:
        other.kill()
        other.wait()
    assert get(site, tmp_path).read_bytes() == DATA


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_disk_is_one_line(site, tmp_path):
    (tmp_path / "file.part").symlink_to("/dev/full")
    with pytest.raises(InputError, match=r"cannot write .*space"):
        get(site, tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write"):
        download(f"{site.url}/file", tmp_path / "file" / "below", **QUICK)
