"""The fault server: one thread with an event loop, one script, and a count of everything that arrived.

HTTP is parsed by h11 (which httpx brings); what is sent back may be no HTTP at all.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from cloudai.errors import InvalidInput
from cloudai.testing.faults.bill import Bill, bill_of
from cloudai.testing.faults.connection import Connection
from cloudai.testing.faults.script import OK, Behaviour, Ok, Script, Slow, Step, Truncated, pick, whole
from cloudai.testing.faults.wire import Asked, Wanted, Wire, wire_of

if TYPE_CHECKING:
    from cloudai.client import AsyncClient, Client
    from cloudai.config import BackendConfig, Config
    from cloudai.driver import Provider

Scripts = Script | Mapping[str, Script] | str | Path
"""For all requests; or by operation (`speech.transcribe`), by the provider's own call (`StartTranscriptionJob`) and
`*` for the rest; or the path of a TOML file."""
_REST = "*"


class Arrival(NamedTuple):
    """One request that came in whole."""

    at: float
    """`time.monotonic()` when its first bytes had come."""
    operation: str
    """cloudai's name; empty for a request that belongs to none."""
    call: str
    """The provider's own name of it."""
    behaviour: Behaviour
    billed: bool
    unit: str
    quantity: Decimal
    variant: str | None
    asked: Asked | None
    """The request itself, where the server was asked to `keep` it."""


class _Playing:
    """Scripts and where they are; one counter for each."""

    def __init__(self, scripts: Mapping[str, Step]) -> None:
        self.scripts = scripts
        self.started = time.monotonic()
        self.numbers: Counter[str] = Counter()

    def next(self, wanted: Wanted, now: float) -> Behaviour:
        name = next((each for each in (wanted.call, wanted.operation, _REST) if each in self.scripts), None)
        if name is None:
            return OK
        number = self.numbers[name]
        self.numbers[name] += 1
        return pick(self.scripts[name], number, now - self.started)


class FaultServer:
    """A provider on the loopback that misbehaves on script. Use it in a `with` block; `serve` makes one.

    Everything may be asked from any thread while it runs.
    """

    def __init__(
        self,
        provider: str | Wire = "plain",
        script: Scripts = (),
        *,
        latency: float = 0.0,
        clock_skew: float = 0.0,
        prices: Mapping[str, Decimal | str] | None = None,
        keep: bool = False,
        port: int = 0,
    ) -> None:
        """`latency`: seconds before every answer. `clock_skew`: seconds that its `Date` and its dates are ahead.
        `prices`: operation -> USD per unit, instead of the price book. `keep`: keep the requests themselves.
        Raises `InvalidInput` for a provider that it does not speak, `ConfigError` for a script file that is wrong."""
        self.wire = wire_of(provider) if isinstance(provider, str) else provider
        self.latency = latency
        self.clock_skew = clock_skew
        self.keep = keep
        self.connections = 0
        """Opened so far."""
        self.abandoned = 0
        """Requests whose client went away before they were answered."""
        self.in_flight = 0
        self.peak = 0
        """The most requests at once."""
        self._prices = prices
        self._arrivals: list[Arrival] = []
        self._playing = _Playing(_scripts(script))
        self._arrived = threading.Condition()
        self._port = port
        self._open: set[Connection] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    # --- its life --------------------------------------------------------------------------------

    def start(self) -> Self:
        """Listens, in a thread of its own. Raises `InvalidInput` for a port that is taken."""
        ready: list[BaseException | None] = []
        listening = threading.Event()

        def run() -> None:
            with asyncio.Runner() as runner:
                runner.run(self._serve(ready, listening))

        self._thread = threading.Thread(target=run, name="cloudai-fault-server", daemon=True)
        self._thread.start()
        listening.wait()
        if ready and isinstance(ready[0], OSError):
            raise InvalidInput(f"port {self._port} can't be opened: {ready[0].strerror}") from ready[0]
        return self

    async def _serve(self, ready: list[BaseException | None], listening: threading.Event) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        try:
            server = await self._loop.create_server(
                lambda: Connection(self), "127.0.0.1", self._port, backlog=1024, reuse_address=True
            )
        except OSError as error:
            ready.append(error)
            return
        finally:
            if ready:
                listening.set()
        self._port = server.sockets[0].getsockname()[1]
        listening.set()
        async with server:
            await self._stopping.wait()
            server.close()
            for connection in tuple(self._open):
                connection.abort()
            await asyncio.sleep(0)

    def stop(self) -> None:
        """Closes the port and all connections. Counts can still be asked for. Stopping twice is stopping once."""
        if self._thread is None or self._loop is None:
            return
        with suppress(RuntimeError):  # its loop is over
            self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()
        self._thread = None

    def __enter__(self) -> Self:
        return self if self._thread is not None else self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # --- what it does ----------------------------------------------------------------------------

    def play(self, script: Scripts) -> None:
        """Another script, from its beginning: the counts stay."""
        self._playing = _Playing(_scripts(script))

    def forget(self) -> None:
        """Starts all counts anew; the script goes on."""
        with self._arrived:
            self._arrivals = []
            self.connections, self.abandoned, self.peak = len(self._open), 0, self.in_flight

    def arrived(self, asked: Asked, at: float) -> tuple[Wanted, Behaviour]:
        """Called by a connection for each whole request."""
        wanted = self.wire.read(asked)
        behaviour = self._playing.next(wanted, at)
        billed = bool(wanted.quantity) and _billed(behaviour)
        arrival = Arrival(
            at,
            wanted.operation,
            wanted.call,
            behaviour,
            billed,
            wanted.unit,
            wanted.quantity,
            wanted.variant,
            asked if self.keep else None,
        )
        with self._arrived:
            self._arrivals.append(arrival)
            self._arrived.notify_all()
        return wanted, behaviour

    def opened(self, connection: Connection) -> None:
        """Called by a connection."""
        self.connections += 1
        self._open.add(connection)

    def closed(self, connection: Connection) -> None:
        """Called by a connection."""
        self._open.discard(connection)

    # --- what it saw -----------------------------------------------------------------------------

    @property
    def url(self) -> str:
        """`http://127.0.0.1:PORT`."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def port(self) -> int:
        """Where it listens, also after it has stopped."""
        return self._port

    @property
    def requests(self) -> Sequence[Arrival]:
        """All that arrived, in order."""
        with self._arrived:
            return tuple(self._arrivals)

    def count(self, what: str | None = None) -> int:
        """How many requests of an operation (`vision.detect_labels`) or call (`DetectLabels`); `None`: of all."""
        with self._arrived:
            if what is None:
                return len(self._arrivals)
            return sum(what in (each.operation, each.call) for each in self._arrivals)

    @property
    def counts(self) -> Mapping[str, int]:
        """The provider's calls and how often each came."""
        return Counter(each.call for each in self.requests)

    def wait_for(self, count: int, *, timeout: float = 10.0) -> None:
        """Until so many requests have arrived. Raises `TimeoutError`."""
        with self._arrived:
            if not self._arrived.wait_for(lambda: len(self._arrivals) >= count, timeout):
                raise TimeoutError(f"{len(self._arrivals)} requests arrived within {timeout:g} s, not {count}")

    @property
    def bill(self) -> Bill:
        """What the provider would ask for: answered requests by their units, unknown prices as such."""
        region = self.wire.settings(self.url).get("region")
        return bill_of(self.requests, self.wire.provider, None if region is None else str(region), self._prices)

    # --- how it is asked -------------------------------------------------------------------------

    def backend(self, name: str | None = None, **values: object) -> BackendConfig:
        """`[backends.NAME]` for this server; `values` go before its own, one that is `None` is left out."""
        from cloudai.config import BackendConfig, Origin

        given = {**self.wire.settings(self.url), **values}
        kept: dict[str, Any] = {key: value for key, value in given.items() if value is not None}
        provider = str(kept["provider"])
        return BackendConfig(
            name=name or provider, provider=provider, values=kept, origin=Origin(place="the fault server")
        )

    def config(self, **policy: float) -> Config:
        """Every operation routed here; `policy` as in `faults.config`, the default one without."""
        return config(self.backend(), **policy)

    @property
    def providers(self) -> tuple[Provider, ...]:
        """What `Client(providers=...)` needs besides: the plain provider, which is not an installed one."""
        from cloudai.testing.faults.wire_plain import PlainProvider, PlainWire

        return (PlainProvider(name=self.wire.provider),) if isinstance(self.wire, PlainWire) else ()

    def client(self, config: Config | None = None) -> Client:
        """A client whose every operation comes here, or as `config` routes it."""
        from cloudai.client import Client

        return Client(config or self.config(), providers=self.providers)

    def async_client(self, config: Config | None = None) -> AsyncClient:
        """The same for asyncio."""
        from cloudai.client import AsyncClient

        return AsyncClient(config or self.config(), providers=self.providers)


def config(*backends: BackendConfig, **policy: float) -> Config:
    """Every operation routed to these, the first one first. `policy`: `timeout`, `deadline`, `max_attempts`, ..."""
    from cloudai.config import Config, Origin, Policy, Route

    made: dict[str, Any] = dict(policy)
    return Config(
        source=None,
        backends={each.name: each for each in backends},
        routes=(
            Route(pattern="*", backends=tuple(each.name for each in backends), origin=Origin(place="the fault server")),
        ),
        policy=Policy(**made),
    )


def serve(
    provider: str | Wire = "plain",
    script: Scripts = (),
    *,
    latency: float = 0.0,
    clock_skew: float = 0.0,
    prices: Mapping[str, Decimal | str] | None = None,
    keep: bool = False,
    port: int = 0,
) -> FaultServer:
    """A server that listens already: `with faults.serve("aws", script=[Status(503)]) as server: ...`."""
    return FaultServer(
        provider, script, latency=latency, clock_skew=clock_skew, prices=prices, keep=keep, port=port
    ).start()


def _scripts(script: Scripts) -> Mapping[str, Step]:
    if isinstance(script, str | Path):
        from cloudai.testing.faults.scriptfile import load_script

        script = load_script(script).scripts
    if isinstance(script, Mapping):
        return {name: whole(each) for name, each in script.items()}
    return {_REST: whole(script)}


def _billed(behaviour: Behaviour) -> bool:
    """Whether the provider did the work."""
    if isinstance(behaviour, Ok | Slow | Truncated):
        return True
    return bool(getattr(behaviour, "billed", False))
