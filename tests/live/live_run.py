"""What a run against real accounts is asked to do: by environment variables, read before any test starts.

- `CLOUDAI_LIVE`: providers, as `aws,gcp`; without it no live test is collected.
- `CLOUDAI_LIVE_CONFIG`: a `cloudai.toml` with one backend of each of them.
- `CLOUDAI_LIVE_BUDGET`: the run is refused when its estimate is above; default 0.50 USD.
- `CLOUDAI_LIVE_UNPRICED=allow`: go on although a price is unknown.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from cost_guard import DEFAULT_BUDGET, KITS, Budget, Plan, Refused, limit_of, plan

from cloudai.config import BackendConfig, Config, load_config
from cloudai.errors import ConfigError
from cloudai.registry import Registry

ENVIRON: Mapping[str, str] = dict(os.environ)
"""As the run was started: the suite's conftest hides most of it from each test."""
_OF_THE_SUITE = ("CLOUDAI_CONFIG", "CLOUDAI_ROUTES", "CLOUDAI_CACHE")


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A run as asked for. `providers` empty: none."""

    providers: tuple[str, ...]
    config: str | None
    budget: Budget
    allow_unpriced: bool


def asked(environ: Mapping[str, str] = ENVIRON) -> Asked:
    """Raises `Refused` for what is misspelt or missing: a run that costs money is not guessed."""
    names = tuple(name.strip() for name in environ.get("CLOUDAI_LIVE", "").split(",") if name.strip())
    for name in names:
        if name not in KITS:
            raise Refused(f"CLOUDAI_LIVE names {name!r}; known: {', '.join(KITS)}")
    unpriced = environ.get("CLOUDAI_LIVE_UNPRICED", "")
    if unpriced not in ("", "allow"):
        raise Refused(f"CLOUDAI_LIVE_UNPRICED={unpriced!r}: leave it out, or say allow")
    if names and not environ.get("CLOUDAI_LIVE_CONFIG"):
        raise Refused("CLOUDAI_LIVE_CONFIG must name a cloudai.toml with a backend of each provider")
    return Asked(
        providers=names,
        config=environ.get("CLOUDAI_LIVE_CONFIG"),
        budget=limit_of(environ.get("CLOUDAI_LIVE_BUDGET", DEFAULT_BUDGET)),
        allow_unpriced=unpriced == "allow",
    )


def backend_of(provider: str, environ: Mapping[str, str] = ENVIRON) -> BackendConfig:
    """The one backend of a provider in the live run's file. Raises `Refused`."""
    try:
        config = load_config(asked(environ).config, environ={})
    except ConfigError as error:
        raise Refused(str(error)) from error
    found = [backend for backend in config.backends.values() if backend.provider == provider]
    if len(found) != 1:
        raise Refused(f"{config.source}: a live run on {provider} needs one backend of it, there are {len(found)}")
    return found[0]


def plan_of(provider: str) -> Plan:
    """What the whole kit costs on a provider, in its backend's region. Raises `Refused`."""
    entry = Registry.installed().get(provider)
    try:
        region = entry.settings(backend_of(provider)).region
    except ConfigError as error:
        raise Refused(str(error)) from error
    return plan(provider, sorted(entry.provider.implements), region=region)


def live_config(provider: str, offline: Config, more: Mapping[str, Any]) -> Config:
    """The kit's config with the account's backend in the place of its own."""
    (name,) = offline.backends
    own = backend_of(provider)
    return replace(offline, backends={name: replace(own, name=name, values={**own.values, **more})})


def hidden() -> Mapping[str, str]:
    """What a live test must see again: the home with the vendor's files, and all that a credentials chain may read."""
    return {name: value for name, value in ENVIRON.items() if name not in _OF_THE_SUITE}
