"""The fault server: a provider on the loopback that misbehaves on script, counts requests and "bills" them.

    from cloudai.testing import faults
    from cloudai.testing.faults import First, Hang, Status

    with faults.serve("aws", script=[Status(503), Status(429, retry_after=1)]) as server:
        with server.client() as client:
            client.vision.detect_labels(png)          # answered by the third request
        assert server.count("vision.detect_labels") == 3
        assert server.bill.requests == 1

It speaks `aws`, `gcp`, `azure` (labels, text in pictures, translation, speech both ways) and `plain`, a tiny wire that
needs no vendor's package. A primary with a fallback:

    with faults.serve("plain", script=First(50, Hang())) as first, faults.serve("plain") as second:
        config = faults.config(first.backend("first"), second.backend("second"), timeout=0.5)
        with first.client(config) as client: ...

From the command line: `cloudai faults serve --provider aws --script script.toml`. docs/faults.md is the guide.
"""

from cloudai.testing.faults.bill import Bill, Line
from cloudai.testing.faults.script import (
    Always,
    Close,
    Cycle,
    First,
    Flapping,
    Garbage,
    Hang,
    Html,
    Ok,
    Redirect,
    ResetAfterHeaders,
    ResetBefore,
    Share,
    Slow,
    Status,
    Then,
    Truncated,
)
from cloudai.testing.faults.scriptfile import Loaded, load_script
from cloudai.testing.faults.server import Arrival, FaultServer, config, serve

__all__ = [
    "Always",
    "Arrival",
    "Bill",
    "Close",
    "Cycle",
    "FaultServer",
    "First",
    "Flapping",
    "Garbage",
    "Hang",
    "Html",
    "Line",
    "Loaded",
    "Ok",
    "Redirect",
    "ResetAfterHeaders",
    "ResetBefore",
    "Share",
    "Slow",
    "Status",
    "Then",
    "Truncated",
    "config",
    "load_script",
    "serve",
]
