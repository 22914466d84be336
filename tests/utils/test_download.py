"""Against a server of the test's own; nothing leaves the machine."""

import hashlib
import http.server
import io
import sys

import pytest

from tests.fixtures.server import serving
from vdfd_seg.errors import InputError
from vdfd_seg.utils.download import download

CONTENT = bytes(range(256)) * 4000
MD5 = hashlib.md5(CONTENT).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        asked = self.headers.get("Range")
        server.asked.append(asked)
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and server.ranges else 0
        if start >= len(CONTENT):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}")
        self.send_header("Content-Length", str(len(CONTENT) - start))
        self.end_headers()
        self.wfile.write(CONTENT[start : server.until])

    def log_message(self, *args):
        pass


@pytest.fixture
def server():
    with serving(Handler) as running:
        running.ranges, running.until, running.url = True, None, f"{running.url}/file"
        yield running


def test_fetches_once_and_leaves_no_other_file(server, tmp_path):
    path = tmp_path / "new" / "file"
    for _ in range(2):
        assert download(server.url, path, MD5).read_bytes() == CONTENT
        assert [p.name for p in path.parent.iterdir()] == ["file"]
    assert server.asked == [None]


def test_progress_on_a_terminal(server, tmp_path, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    (tmp_path / "file.part").write_bytes(CONTENT[:512_000])
    monkeypatch.setattr("sys.stderr", Terminal())
    download(server.url, tmp_path / "file", MD5)
    assert "file:  50%" in sys.stderr.getvalue() and "file: 100%" in sys.stderr.getvalue()


@pytest.mark.parametrize("ranges", [True, False])
def test_goes_on_after_the_connection_broke_off(server, tmp_path, ranges):
    server.ranges, server.until = ranges, 300_000
    with pytest.raises(InputError, match="Run the same again to continue"):
        download(server.url, tmp_path / "file", MD5)
    assert not (tmp_path / "file").exists()
    present = (tmp_path / "file.part").stat().st_size
    assert 0 < present <= 300_000
    server.until = None
    assert download(server.url, tmp_path / "file", MD5).read_bytes() == CONTENT
    assert server.asked == [None, f"bytes={present}-"]


def test_part_that_is_whole_already_is_fetched_anew(server, tmp_path):
    (tmp_path / "file.part").write_bytes(CONTENT)
    assert download(server.url, tmp_path / "file", MD5).read_bytes() == CONTENT
    assert server.asked[-1] is None


def test_other_content_is_removed(server, tmp_path):
    (tmp_path / "file.part").write_bytes(b"x" * 1000)
    with pytest.raises(InputError, match=f"not {MD5}; it was removed"):
        download(server.url, tmp_path / "file", MD5)
    assert list(tmp_path.iterdir()) == []
    assert download(server.url, tmp_path / "file", MD5).read_bytes() == CONTENT


def test_file_url(tmp_path):
    (tmp_path / "source").write_bytes(CONTENT)
    url = (tmp_path / "source").as_uri()
    assert download(url, tmp_path / "copy", MD5).read_bytes() == CONTENT
    (tmp_path / "other.part").write_bytes(CONTENT[:50])
    assert download(url, tmp_path / "other").read_bytes() == CONTENT


def test_what_cannot_be_fetched(server, tmp_path):
    # A port that was free a moment ago.
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as closed:
        port = closed.server_address[1]
    (tmp_path / "file").touch()
    for url, target in (
        ((tmp_path / "absent").as_uri(), tmp_path / "copy"),
        (f"http://127.0.0.1:{port}/file", tmp_path / "copy"),
        (server.url, tmp_path / "file" / "below"),
    ):
        with pytest.raises(InputError, match=f"{url}: cannot be fetched to '{target}'"):
            download(url, target)
