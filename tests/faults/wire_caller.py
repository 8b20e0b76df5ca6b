"""A process of 16 threads that all call at once within a budget, with the real client over HTTP. For the tests.

Arguments: address of the fault server, threads, limit in micro-USD. Each line on stdin is the path of a ledger: a
client of its own then makes one call per thread; printed are how many were answered, refused by the budget, failed.
"""

from __future__ import annotations

import sys
import threading
from collections import Counter
from dataclasses import replace
from pathlib import Path

from cloudai import Client
from cloudai.config import BackendConfig, Config, Origin
from cloudai.errors import BudgetExceeded, CloudAIError
from cloudai.ledger import BudgetSettings, Limit
from cloudai.ledger.periods import Every
from cloudai.testing import faults
from cloudai.testing.faults.wire_plain import PlainProvider
from cloudai.testing.samples import picture

PROVIDER, REGION = "gcp", "us-central1"


def config_of(url: str, ledger: str, limit: int) -> Config:
    """One priced backend at the server, one budget."""
    values = {"provider": PROVIDER, "endpoint_url": url, "api_key": "fault-server-key", "region": REGION}
    backend = BackendConfig(name="priced", provider=PROVIDER, values=values, origin=Origin(place="test"))
    budget = BudgetSettings(limits=(Limit(every=Every.MONTH, amount=limit),), ledger=ledger)
    return replace(faults.config(backend, backoff=0.001, max_backoff=0.002), budget=budget)


def calls(url: str, ledger: str, threads: int, limit: int) -> Counter[str]:
    """What became of one call per thread."""
    ended, image, gate = list[str](), picture(), threading.Barrier(threads)
    with Client(config_of(url, ledger, limit), providers=(PlainProvider(name=PROVIDER),)) as client:

        def call() -> None:
            gate.wait()
            try:
                client.vision.detect_labels(image)
            except BudgetExceeded:
                ended.append("refused")
            except CloudAIError:
                ended.append("failed")
            else:
                ended.append("answered")

        callers = [threading.Thread(target=call) for _ in range(threads)]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join()
    return Counter(ended)


def main(url: str, threads: int, limit: int) -> None:
    """Until stdin ends."""
    print("ready", flush=True)
    for line in sys.stdin:
        ended = calls(url, str(Path(line.strip())), threads, limit)
        print(ended["answered"], ended["refused"], ended["failed"], flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
