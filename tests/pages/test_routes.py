import asyncio
import io
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote, urlsplit

import numpy as np
import pytest
from page_studies import write_animals, write_compounds, write_newer
from PIL import Image
from starlette.applications import Starlette

from bnn_core.study.folder import open_study
from pages.shared import frame, pictures, studies
from pages.shared.routes import ROUTES


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    root = tmp_path_factory.mktemp("cache")
    write_animals(root, n=60)
    write_animals(root, "a study, ü & more", n=20)
    write_compounds(root)
    write_newer(root)
    (root / "secret.txt").write_text("not for the browser")
    (root / ".hidden").mkdir()
    return root


@pytest.fixture
def get(monkeypatch, cache):
    monkeypatch.setenv("BNN_CACHE", str(cache))
    app = Starlette(routes=ROUTES)

    def ask(address: str) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of a GET, through the ASGI interface itself."""
        parts, sent = urlsplit(address), []
        path = bytes(parts.path, "ascii")
        scope = {
            "type": "http",
            "method": "GET",
            "headers": [],
            "root_path": "",
            "path": _unquoted(path),
            "raw_path": path,
            "query_string": parts.query.encode(),
            "http_version": "1.1",
            "scheme": "http",
            "server": ("x", 80),
        }

        async def receive():
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message):
            sent.append(message)

        # On a thread of its own: on this one the loop of a browser's driver may run.
        with ThreadPoolExecutor(1) as apart:
            apart.submit(asyncio.run, app(scope, receive, send)).result()
        headers = {k.decode(): v.decode() for k, v in sent[0]["headers"]}
        return sent[0]["status"], headers, b"".join(m.get("body", b"") for m in sent[1:])

    return ask


def _unquoted(path: bytes) -> str:
    from urllib.parse import unquote

    return unquote(path.decode())


def test_a_thumbnail_by_row_may_be_kept_for_ever(get, cache):
    study = studies.opened("animals")
    status, headers, body = get(frame.image_url(study, 7))
    assert status == 200 and headers["content-type"] == "image/webp"
    assert "immutable" in headers["cache-control"]
    assert body == open_study(cache / "animals").thumbnail(7)


def test_another_digest_must_be_asked_for_again(get):
    status, headers, _ = get("/image/animals/thumb/7?v=000000000000")
    assert status == 200 and headers["cache-control"] == "no-cache"


def test_names_with_blanks_and_accents(get):
    assert get(frame.image_url(studies.opened("a study, ü & more"), 3))[0] == 200


def test_full_size_is_the_thumbnail_enlarged_in_hard_pixels(get, cache):
    study = studies.opened("animals")
    status, _, body = get(frame.image_url(study, 5, "full"))
    small = np.asarray(Image.open(io.BytesIO(open_study(cache / "animals").thumbnail(5))))
    large = np.asarray(Image.open(io.BytesIO(body)))
    factor = pictures.FULL_SIDE // 12
    assert status == 200 and large.shape == (12 * factor, 12 * factor, 3)
    np.testing.assert_array_equal(large, small.repeat(factor, 0).repeat(factor, 1))


def test_by_image_id(get):
    by_row = get("/image/animals/thumb/3")[2]
    assert get("/image/animals/thumb?id=img-0003")[2] == by_row != get("/image/animals/thumb/4")[2]


@pytest.mark.parametrize(
    "address",
    [
        "/image/animals/thumb/60",
        "/image/animals/thumb/99999999999999999999",
        "/image/animals/thumb",
        "/image/animals/thumb/-1",
        "/image/animals/thumb/x",
        "/image/animals/huge/1",
        "/image/animals/thumb?id=nobody",
        "/image/nowhere/thumb/1",
        "/image/tomorrow/thumb/1",
        "/image/compounds/thumb/1",
        "/image/compounds/full/1",
        "/image/secret.txt/thumb/1",
        "/image/.hidden/thumb/1",
        "/image/../thumb/1",
        "/image/%2e%2e/thumb/1",
        "/image/..%2fanimals/thumb/1",
        "/image/..%5canimals/thumb/1",
        "/image/%00/thumb/1",
        f"/image/{'x' * 5000}/thumb/1",
        "/image//thumb/1",
        "/image/animals/..%2f..%2fsecret.txt/1",
    ],
)
def test_nothing_else_can_be_read(get, address):
    status, headers, body = get(address)
    assert status == 404 and b"not for the browser" not in body
    assert headers["content-type"].startswith("text/plain")


def test_an_absolute_name_is_no_study(get, cache):
    assert get(f"/image/{quote(str(cache / 'animals'), safe='')}/thumb/1")[0] == 404


def test_a_study_made_again_has_other_addresses(monkeypatch, tmp_path):
    monkeypatch.setenv("BNN_CACHE", str(tmp_path))
    write_animals(tmp_path, n=30)
    before = frame.image_url(studies.opened("animals"), 2)
    (tmp_path / "animals").rename(tmp_path / "away")
    write_animals(tmp_path, n=30, seed=5)
    assert frame.image_url(studies.opened("animals"), 2) != before
