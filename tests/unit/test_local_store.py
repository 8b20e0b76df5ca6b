"""Models pulled from a hub on loopback: resumed, verified, one at a time; and folders that are only registered."""

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from cloudai.errors import CloudAIError, ErrorCode, InvalidInput, ServiceError
from cloudai_local import store
from cloudai_local.catalogue import catalogue
from cloudai_local.download import require_safe
from cloudai_local.folders import Task, model_folders, read_folder
from cloudai_local.settings import LocalSettings

WEIGHTS = bytes(range(256)) * 4096
WORDS = b"hello\nworld\n"
FILES = {"weights/model.onnx": WEIGHTS, "vocab.txt": WORDS}


@dataclass
class Hub:
    """What the server has and how it behaves; `seen` are the requests, with their Range."""

    files: dict[str, bytes]
    cut_after: int | None = None
    cuts: int = 0
    ignore_range: bool = False
    status: int | None = None
    redirect: str | None = None
    tag: str = '"one"'
    pause: threading.Event | None = None
    seen: list[tuple[str, str | None]] = field(default_factory=list)
    url: str = ""


class _Handler(BaseHTTPRequestHandler):
    hub: Hub

    def do_GET(self) -> None:
        hub = self.hub
        hub.seen.append((self.path, self.headers.get("Range")))
        if hub.redirect is not None and not self.path.startswith("/cdn/"):
            self.send_response(302)
            self.send_header("Location", hub.redirect + self.path)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        content = hub.files.get(self.path.removeprefix("/cdn").removeprefix("/acme/tiny/resolve/abc/"))
        if hub.status is not None or content is None:
            self.send_response(hub.status or 404)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self._send(hub, content)

    def _send(self, hub: Hub, content: bytes) -> None:
        wanted = self.headers.get("Range")
        current = self.headers.get("If-Range") in (None, hub.tag)
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and current and not hub.ignore_range else 0
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("ETag", hub.tag)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        if hub.pause is not None:
            hub.pause.wait(20)
        if hub.cut_after is not None and hub.cuts > 0 and len(content) - start > hub.cut_after:
            hub.cuts -= 1
            self.wfile.write(content[start : start + hub.cut_after])
            self.close_connection = True
            return
        self.wfile.write(content[start:])

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture
def hub() -> Iterator[Hub]:
    served = Hub(files=dict(FILES))
    handler = type("Handler", (_Handler,), {"hub": served})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    served.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield served
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A catalogue of one model of two files."""
    return _catalogue(tmp_path / "catalogue.toml")


def _catalogue(path: Path, *, extra: str = "", sha256: str | None = None, size: int | None = None) -> Path:
    rows = [
        f'[[models.tiny.files]]\npath = "{name}"\nsize = {len(content) if size is None else size}\n'
        f'sha256 = "{sha256 or hashlib.sha256(content).hexdigest()}"\n'
        for name, content in FILES.items()
    ]
    head = (
        '[models.tiny]\ntitle = "Tiny"\nlicence = "MIT"\nsource = "https://example.org/tiny"\n'
        'repository = "acme/tiny"\nrevision = "abc"\nmanifest = \'task = "transcribe"\'\n'
        f'as_of = "2026-11-21"\npins = "made here"\n{extra}'
    )
    path.write_text(head + "\n".join(rows))
    return path


def _pull(hub: Hub, own: Path, folder: Path) -> Path:
    return store.pull("tiny", folder=folder, hub=hub.url, own=own)


def _parts(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.rglob("*.part"))


# --- pulling ----------------------------------------------------------------------------------------


def test_a_pull_brings_all_files_and_then_the_manifest(hub: Hub, own: Path, tmp_path: Path) -> None:
    folder = _pull(hub, own, tmp_path / "models")
    assert {name: (folder / name).read_bytes() for name in FILES} == FILES
    assert read_folder(folder).task is Task.TRANSCRIBE
    assert "Licence MIT, https://example.org/tiny, revision abc" in (folder / "model.toml").read_text()
    assert _parts(folder) == []
    assert [path for path, _ in hub.seen] == [f"/acme/tiny/resolve/abc/{name}" for name in FILES]


def test_progress_counts_the_bytes_of_the_whole_model_and_ends_at_all(hub: Hub, own: Path, tmp_path: Path) -> None:
    steps: list[store.Progress] = []
    store.pull("tiny", folder=tmp_path / "models", hub=hub.url, own=own, progress=steps.append)
    done = [step.done for step in steps]
    assert done == sorted(done)
    assert (steps[-1].done, steps[-1].total) == (len(WEIGHTS) + len(WORDS),) * 2
    assert {step.file for step in steps} == set(FILES)


def test_what_is_there_is_not_fetched_again(hub: Hub, own: Path, tmp_path: Path) -> None:
    _pull(hub, own, tmp_path / "models")
    hub.seen.clear()
    _pull(hub, own, tmp_path / "models")
    assert hub.seen == []


def test_a_file_that_was_changed_is_fetched_again(hub: Hub, own: Path, tmp_path: Path) -> None:
    folder = _pull(hub, own, tmp_path / "models")
    (folder / "vocab.txt").write_bytes(b"HELLO\nworld\n")
    _pull(hub, own, tmp_path / "models")
    assert (folder / "vocab.txt").read_bytes() == WORDS


def test_a_cut_connection_is_resumed_where_it_broke(hub: Hub, own: Path, tmp_path: Path) -> None:
    hub.cut_after, hub.cuts = 300_000, 2
    folder = _pull(hub, own, tmp_path / "models")
    assert (folder / "weights/model.onnx").read_bytes() == WEIGHTS
    starts = [wanted for path, wanted in hub.seen if path.endswith("model.onnx")]
    assert starts[0] is None
    assert [int(str(wanted).removeprefix("bytes=").rstrip("-")) for wanted in starts[1:]] == [300_000, 600_000]


def test_a_connection_that_stays_broken_keeps_what_came_for_the_next_pull(hub: Hub, own: Path, tmp_path: Path) -> None:
    hub.cut_after, hub.cuts = 1_000, 99
    with pytest.raises(ServiceError, match="run it again") as caught:
        _pull(hub, own, tmp_path / "models")
    assert caught.value.code is ErrorCode.UNAVAILABLE
    assert _parts(tmp_path / "models") == ["model.onnx.part"]
    assert store.installed(folder=tmp_path / "models")[0].problem == "not complete: pull it again"
    hub.cuts = 0
    hub.seen.clear()
    folder = _pull(hub, own, tmp_path / "models")
    assert (folder / "weights/model.onnx").read_bytes() == WEIGHTS
    assert hub.seen[0][1] == "bytes=4000-"


def test_a_server_that_ignores_the_range_gives_the_same_file(hub: Hub, own: Path, tmp_path: Path) -> None:
    hub.cut_after, hub.cuts, hub.ignore_range = 300_000, 1, True
    folder = _pull(hub, own, tmp_path / "models")
    assert (folder / "weights/model.onnx").read_bytes() == WEIGHTS


def test_a_file_that_changed_on_the_server_is_started_anew(hub: Hub, own: Path, tmp_path: Path) -> None:
    part = tmp_path / "models" / "tiny" / "weights" / "model.onnx.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"of another version")
    part.with_name(part.name + ".etag").write_text('"zero"')
    folder = _pull(hub, own, tmp_path / "models")
    assert (folder / "weights/model.onnx").read_bytes() == WEIGHTS


def test_a_part_that_is_longer_than_the_file_is_thrown_away(hub: Hub, own: Path, tmp_path: Path) -> None:
    part = tmp_path / "models" / "tiny" / "vocab.txt.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(WORDS + b"more")
    assert (_pull(hub, own, tmp_path / "models") / "vocab.txt").read_bytes() == WORDS


def test_a_server_that_is_not_well_for_a_moment_is_asked_again(hub: Hub, own: Path, tmp_path: Path) -> None:
    hub.status = 503
    timer = threading.Timer(0.15, lambda: setattr(hub, "status", None))
    timer.start()
    folder = _pull(hub, own, tmp_path / "models")
    timer.join()
    assert (folder / "vocab.txt").read_bytes() == WORDS


@pytest.mark.parametrize(
    "change",
    [{"sha256": "0" * 64}, {"size": 5}, {"size": 2_000_000}],
    ids=["another hash", "more bytes than pinned", "fewer bytes than pinned"],
)
def test_bytes_that_are_not_the_pinned_ones_are_never_kept(hub: Hub, tmp_path: Path, change: dict[str, object]) -> None:
    own = _catalogue(tmp_path / "wrong.toml", **change)  # type: ignore[arg-type]
    with pytest.raises(ServiceError) as caught:
        _pull(hub, own, tmp_path / "models")
    folder = tmp_path / "models" / "tiny"
    assert not (folder / "weights/model.onnx").exists()
    assert not (folder / "model.toml").exists()
    assert caught.value.code is ErrorCode.CONFLICT
    assert "not the pinned file" in str(caught.value)
    assert _parts(folder) == []
    assert model_folders(LocalSettings(provider="local", models=tmp_path / "models")) == ()


@pytest.mark.parametrize(
    ("status", "code"),
    [(404, ErrorCode.NOT_FOUND), (403, ErrorCode.PERMISSION_DENIED), (401, ErrorCode.PERMISSION_DENIED)],
)
def test_what_the_server_refuses_is_not_asked_again(
    hub: Hub, own: Path, tmp_path: Path, status: int, code: ErrorCode
) -> None:
    hub.status = status
    with pytest.raises(ServiceError, match=str(status)) as caught:
        _pull(hub, own, tmp_path / "models")
    assert caught.value.code is code
    assert len(hub.seen) == 1


def test_a_hub_that_is_not_there_is_unavailable(own: Path, tmp_path: Path) -> None:
    with pytest.raises(ServiceError) as caught:
        store.pull("tiny", folder=tmp_path / "models", hub="http://127.0.0.1:9", own=own)
    assert caught.value.code is ErrorCode.UNAVAILABLE


def test_a_redirect_to_another_host_is_followed(hub: Hub, own: Path, tmp_path: Path) -> None:
    hub.redirect = hub.url.replace("127.0.0.1", "localhost") + "/cdn"
    folder = _pull(hub, own, tmp_path / "models")
    assert (folder / "weights/model.onnx").read_bytes() == WEIGHTS


def test_a_redirect_to_plain_http_elsewhere_is_refused_before_it_is_followed(
    hub: Hub, own: Path, tmp_path: Path
) -> None:
    hub.redirect = "http://models.example"
    with pytest.raises(InvalidInput, match="https"):
        _pull(hub, own, tmp_path / "models")


@pytest.mark.parametrize(
    "url", ["http://example.org", "ftp://example.org", "http://127.0.0.1.example.org", "https://", "file:///etc"]
)
def test_a_hub_must_be_https_or_this_machine(url: str, own: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="https"):
        store.pull("tiny", folder=tmp_path / "models", hub=url, own=own)


def test_mirrors_on_https_and_loopback_are_fine() -> None:
    for url in ("https://mirror.example.org/hub", "http://127.0.0.1:80", "http://[::1]:80", "http://localhost"):
        require_safe(url)


def test_the_mirror_and_the_catalogue_may_come_from_the_environment(
    hub: Hub, own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLOUDAI_MODEL_HUB", hub.url)
    monkeypatch.setenv("CLOUDAI_MODEL_CATALOGUE", str(own))
    monkeypatch.setenv("CLOUDAI_CACHE", str(tmp_path))
    assert store.pull("tiny") == tmp_path / "models" / "tiny"


def test_two_pulls_at_once_do_not_write_over_each_other(hub: Hub, own: Path, tmp_path: Path) -> None:
    hub.pause = threading.Event()
    first = threading.Thread(target=_pull, args=(hub, own, tmp_path / "models"))
    first.start()
    while first.is_alive() and not hub.seen:
        first.join(0.01)
    with pytest.raises(ServiceError, match="another process") as caught:
        _pull(hub, own, tmp_path / "models")
    assert caught.value.code is ErrorCode.CONFLICT
    hub.pause.set()
    first.join()
    assert (tmp_path / "models" / "tiny" / "model.toml").exists()


def test_a_full_disk_is_said_before_anything_is_fetched(hub: Hub, tmp_path: Path) -> None:
    own = _catalogue(tmp_path / "huge.toml", size=10**18)
    with pytest.raises(ServiceError, match="MB are free") as caught:
        _pull(hub, own, tmp_path / "models")
    assert caught.value.code is ErrorCode.QUOTA_EXHAUSTED
    assert hub.seen == []


def test_a_disk_that_fills_up_meanwhile_keeps_what_came(hub: Hub, own: Path) -> None:
    full = Path("/dev/full")
    assert full.exists(), "Linux has it"
    from cloudai_local import download

    class Full(download.Pinned):
        @property
        def part(self) -> Path:
            return full

    content = FILES["weights/model.onnx"]
    pinned = Full(
        url=f"{hub.url}/acme/tiny/resolve/abc/weights/model.onnx",
        path=own.parent / "model.onnx",
        size=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
    )
    with download.open_client() as client, pytest.raises(ServiceError, match="no space left") as caught:
        download.fetch(client, pinned, arrived=lambda _: None)
    assert caught.value.code is ErrorCode.QUOTA_EXHAUSTED


# --- catalogues -------------------------------------------------------------------------------------


def test_an_unknown_name_lists_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="whisper-base") as caught:
        store.pull("whisper-gigantic", folder=tmp_path)
    assert caught.value.code is ErrorCode.NOT_FOUND


@pytest.mark.parametrize("name", ["../evil", "a/b", "", ".hidden", "a b", "x\0"])
def test_a_name_cannot_leave_the_cache(name: str, tmp_path: Path) -> None:
    for act in (lambda: store.pull(name, folder=tmp_path), lambda: store.remove(name, folder=tmp_path)):
        with pytest.raises(InvalidInput, match="no name"):
            act()


@pytest.mark.parametrize("path", ["../x", "/etc/x", "a/../../x", "model.toml", "", "a//../b", ".x"])
def test_a_file_of_a_catalogue_cannot_leave_its_folder(path: str, tmp_path: Path) -> None:
    own = _catalogue(tmp_path / "evil.toml")
    own.write_text(own.read_text().replace("vocab.txt", path))
    with pytest.raises(InvalidInput, match="no path inside"):
        catalogue(own)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[models.tiny]\ntitle = 1", "title"),
        ("models = 3", "no catalogue"),
        ("[nothing]", "no catalogue"),
        ("[models", "no catalogue"),
    ],
)
def test_a_broken_catalogue_names_the_file_and_the_key(text: str, said: str, tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text(text)
    with pytest.raises(InvalidInput, match=said) as caught:
        catalogue(own)
    assert str(own) in str(caught.value)


def test_every_shipped_model_has_pins_of_a_fixed_form_and_a_licence() -> None:
    shipped = catalogue()
    assert {"yunet", "whisper-base", "parakeet-tdt-v3"} <= set(shipped)
    for entry in shipped.values():
        assert entry.licence
        assert entry.source.startswith("https://")
        assert len({file.path for file in entry.files}) == len(entry.files)
        for file in entry.files:
            assert file.size > 0
            assert entry.url(store.HUB, file).startswith(f"https://huggingface.co/{entry.repository}/resolve/")


# --- adding, listing, removing ----------------------------------------------------------------------


def _model(path: Path, text: str = 'task = "classify"\n') -> Path:
    path.mkdir(parents=True)
    (path / "model.toml").write_text(text)
    (path / "model.onnx").write_bytes(b"12345")
    return path


def test_an_added_folder_is_found_by_the_driver_and_not_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOUDAI_CACHE", str(tmp_path / "cache"))
    mine = _model(tmp_path / "mine" / "flowers")
    store.add(mine)
    store.add(mine, "roses")
    found = model_folders(LocalSettings(provider="local"))
    assert [(folder.name, folder.task) for folder in found] == [("flowers", Task.CLASSIFY), ("roses", Task.CLASSIFY)]
    assert all(folder.path.resolve() == mine.resolve() for folder in found)


def test_adding_the_same_folder_twice_is_fine_but_not_another_of_its_name(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    assert store.add(_model(tmp_path / "a" / "x"), folder=cache) == store.add(tmp_path / "a" / "x", folder=cache)
    with pytest.raises(InvalidInput, match="already") as caught:
        store.add(_model(tmp_path / "b" / "x"), folder=cache)
    assert caught.value.code is ErrorCode.CONFLICT


@pytest.mark.parametrize("text", ["task = 'cook'", "task = ", ""])
def test_a_folder_without_a_sound_manifest_is_not_added(text: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"model\.toml"):
        store.add(_model(tmp_path / "x", text), folder=tmp_path / "cache")
    assert store.installed(folder=tmp_path / "cache") == ()


def test_the_list_says_what_is_there_and_what_is_wrong(hub: Hub, own: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    _pull(hub, own, cache)
    store.add(_model(tmp_path / "flowers"), folder=cache)
    gone = _model(tmp_path / "gone")
    store.add(gone, folder=cache)
    (gone / "model.toml").unlink()
    (gone / "model.onnx").unlink()
    gone.rmdir()
    flowers, lost, tiny = store.installed(folder=cache)
    assert (flowers.name, flowers.task, flowers.target, flowers.problem) == (
        "flowers",
        Task.CLASSIFY,
        (tmp_path / "flowers").resolve(),
        None,
    )
    assert (lost.name, lost.task) == ("gone", None)
    assert "is gone" in str(lost.problem)
    assert (tiny.task, tiny.target, tiny.problem) == (Task.TRANSCRIBE, None, None)
    assert tiny.size >= len(WEIGHTS) + len(WORDS)


def test_a_path_that_is_no_folder_is_not_added(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="nothing-here is no folder"):
        store.add(tmp_path / "nothing-here", folder=tmp_path / "cache")


def test_removing_an_added_folder_leaves_it_where_it_is(tmp_path: Path) -> None:
    mine = _model(tmp_path / "mine")
    store.add(mine, folder=tmp_path / "cache")
    store.remove("mine", folder=tmp_path / "cache")
    assert (mine / "model.onnx").exists()
    assert store.installed(folder=tmp_path / "cache") == ()


def test_removing_a_pulled_model_deletes_it(hub: Hub, own: Path, tmp_path: Path) -> None:
    folder = _pull(hub, own, tmp_path / "cache")
    store.remove("tiny", folder=tmp_path / "cache")
    assert not folder.exists()
    with pytest.raises(InvalidInput, match="there are: none") as caught:
        store.remove("tiny", folder=tmp_path / "cache")
    assert caught.value.code is ErrorCode.NOT_FOUND


def test_an_added_folder_is_not_overwritten_by_a_pull_of_its_name(hub: Hub, own: Path, tmp_path: Path) -> None:
    store.add(_model(tmp_path / "mine"), "tiny", folder=tmp_path / "cache")
    with pytest.raises(CloudAIError, match="was added") as caught:
        _pull(hub, own, tmp_path / "cache")
    assert caught.value.code is ErrorCode.CONFLICT
    assert hub.seen == []
