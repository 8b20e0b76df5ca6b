"""`cloudai local models`: fetch, register, list and remove the model folders of the local backend.

cloudai finds it through the entry-point group `cloudai.commands`. What it does is `cloudai_local.store`'s.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from cloudai.cli.terminal import Grid, note, show

if TYPE_CHECKING:
    from cloudai_local.store import Entry, Installed, Progress


class LocalCommand:
    """`cloudai local`."""

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """`models pull|add|list|remove`."""
        things = parser.add_subparsers(metavar="WHAT", title="what", required=True)
        models = things.add_parser("models", help="model folders", description="Model folders of the local backend.")
        verbs = models.add_subparsers(metavar="VERB", title="verbs", required=True)
        pull = verbs.add_parser("pull", help="fetch a model by name: pinned, verified, resumed where it broke off")
        pull.add_argument("name", metavar="NAME", help="see: cloudai local models list --all")
        pull.set_defaults(verb=_pull)
        add = verbs.add_parser("add", help="register a folder of your own; it is linked, not copied")
        add.add_argument("path", type=Path, metavar="PATH", help="a folder with a model.toml")
        add.add_argument("--name", metavar="NAME", help="default: the folder's name")
        add.set_defaults(verb=_add)
        listed = verbs.add_parser("list", help="what is there")
        listed.add_argument("--all", action="store_true", help="also what can be pulled")
        listed.add_argument("--json", action="store_true", help="as JSON")
        listed.set_defaults(verb=_list)
        remove = verbs.add_parser("remove", help="delete a pulled model; a folder that was added is only forgotten")
        remove.add_argument("name", metavar="NAME", help="see: cloudai local models list")
        remove.set_defaults(verb=_remove)

    def run(self, args: argparse.Namespace) -> int:
        """Runs the chosen one."""
        status: int = args.verb(args)
        return status


COMMAND = LocalCommand()


def _pull(args: argparse.Namespace) -> int:
    from cloudai_local import store

    with _bar() as progress:
        path = store.pull(args.name, progress=progress)
    note(f"{args.name} is in {path}")
    return 0


def _add(args: argparse.Namespace) -> int:
    from cloudai_local import store

    link = store.add(args.path, args.name)
    note(f"{link.name} is {args.path}")
    return 0


def _remove(args: argparse.Namespace) -> int:
    from cloudai_local import store

    store.remove(args.name)
    note(f"{args.name} is removed")
    return 0


def _list(args: argparse.Namespace) -> int:
    from cloudai_local import store

    models = store.installed()
    there = {model.name for model in models}
    more = {name: entry for name, entry in store.catalogue().items() if args.all and name not in there}
    if args.json:
        show([json.dumps([*map(_installed_json, models), *(_entry_json(*item) for item in more.items())], indent=2)])
        return 0
    rows = [
        (m.name, m.task or "-", _size(m.size), m.problem or (f"added: {m.target}" if m.target else "ok"))
        for m in models
    ]
    rows += [
        (name, "-", _size(entry.size), f"can be pulled: {entry.title}, {entry.licence}") for name, entry in more.items()
    ]
    empty = "no models; see: cloudai local models list --all"
    show([Grid(("model", "task", "size", "state"), tuple(rows), empty=empty)])
    return 0


def _installed_json(model: Installed) -> dict[str, object]:
    return {
        "name": model.name,
        "installed": True,
        "task": model.task,
        "path": str(model.path),
        "bytes": model.size,
        "target": None if model.target is None else str(model.target),
        "problem": model.problem,
    }


def _entry_json(name: str, entry: Entry) -> dict[str, object]:
    facts = {"title": entry.title, "licence": entry.licence, "source": entry.source}
    return {"name": name, "installed": False, "bytes": entry.size, **facts}


def _size(count: int) -> str:
    """In megabytes, as hubs count them."""
    return f"{count / 1e6:,.1f} MB"


@contextmanager
def _bar() -> Iterator[Callable[[Progress], None]]:
    """Bytes of the whole model on stderr; nothing where that is not a terminal."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda now: bar.update(task, description=now.file, completed=now.done, total=now.total)
