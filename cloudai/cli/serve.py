"""`cloudai serve MODEL_DIR`: models over HTTP in the Open Inference Protocol v2."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from cloudai.cli.parser import completes_files
from cloudai.errors import ConfigError, InvalidInput, MissingDependency

if TYPE_CHECKING:
    from cloudai.serving.settings import ServeSettings

KEY = "CLOUDAI_SERVE_KEY"
INSTALL = "pip install 'cloudai[serve]'"
_NEEDED = ("uvicorn", "httptools", "starlette", "orjson", "prometheus_client", "numpy")


def configure(parser: argparse.ArgumentParser) -> None:
    """Its arguments."""
    folder = parser.add_argument("folder", type=Path, metavar="MODEL_DIR", help="a model folder, or a folder of them")
    completes_files(folder)
    add = parser.add_argument
    add("--host", default="127.0.0.1", help=f"address to listen on; others than this machine's own need a key ({KEY})")
    add("--port", type=_port, default=8080, help="0: any free one (default: 8080)")
    completes_files(add("--key-file", type=Path, metavar="FILE", help=f"the API key is in it, instead of in {KEY}"))
    add("--device", choices=("auto", "cpu", "cuda"), default="auto", help="cuda: or nothing (default: auto)")
    add("--threads", type=_positive, metavar="N", help="inside one run (default: the engine's choice)")
    add("--reload", type=_seconds, default=2.0, metavar="S", help="look for changes so often; 0: never (default: 2)")
    add("--drain-delay", type=_seconds, default=0.0, metavar="S", help="keep answering so long after SIGTERM")
    add("--drain-timeout", type=_seconds, default=30.0, metavar="S", help="then finish requests within (default: 30)")
    add("--max-request", type=_positive, default=128, metavar="MIB", help="largest request (default: 128)")
    add("--max-json", type=_positive, default=32, metavar="MIB", help="largest JSON of a request (default: 32)")
    add("--max-requests", type=_positive, default=1024, metavar="N", help="answered at a time (default: 1024)")
    add("--provider", default="local", metavar="NAME", help="whose engine runs the models (default: local)")
    add("--access-log", action="store_true", help="a line for each request")


def run(args: argparse.Namespace) -> int:
    """Serves until SIGTERM or Ctrl+C."""
    absent = [name for name in _NEEDED if find_spec(name) is None]
    if absent:
        raise MissingDependency(f"{', '.join(absent)} not installed", install=INSTALL)
    settings = _settings(args)
    from cloudai.serving.guard import check_settings

    check_settings(settings)
    from cloudai.serving.sources import open_source

    source = open_source(settings)
    _log(access=settings.access_log)
    from cloudai.serving import server

    server.run(settings, source, opened=_opened)
    return 0


def _settings(args: argparse.Namespace) -> ServeSettings:
    from cloudai.serving.settings import MIB, ServeSettings

    return ServeSettings(
        folder=args.folder,
        provider=args.provider,
        device=args.device,
        threads=args.threads,
        host=args.host,
        port=args.port,
        key=_key(args.key_file),
        max_request=args.max_request * MIB,
        max_json=args.max_json * MIB,
        max_requests=args.max_requests,
        reload=args.reload,
        drain_delay=args.drain_delay,
        drain_timeout=args.drain_timeout,
        access_log=args.access_log,
    )


def _key(file: Path | None) -> str | None:
    if file is None:
        return os.environ.get(KEY) or None
    key = file.read_text(encoding="utf-8").strip()
    if not key:
        raise ConfigError(f"{file} is empty: it should hold the API key")
    return key


def _opened(address: str) -> None:
    print(f"serving on {address}", flush=True)


def _log(*, access: bool) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    for name in ("cloudai.serve", "uvicorn.error", *(("uvicorn.access",) if access else ())):
        logger = logging.getLogger(name)
        logger.addHandler(handler)
        logger.setLevel(logging.WARNING if name == "uvicorn.error" else logging.INFO)


def _port(text: str) -> int:
    if not text.isdigit() or int(text) > 65535:
        raise InvalidInput(f"--port {text}: a number from 0 to 65535")
    return int(text)


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise InvalidInput(f"{text!r} is no number of 1 or more")
    return int(text)


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < 86_400:
        raise InvalidInput(f"{text!r} is no number of seconds")
    return value
