"""`cloudai measure`: what a model of one's own does on this machine, as the price of running it oneself.

from cloudai.measure import measure

record = measure(Path("models/defects"), Path("samples.npz"))
record.best.samples_per_second
"""

from __future__ import annotations

from cloudai.measure.measuring import measure
from cloudai.measure.record import Record

__all__ = ["Record", "measure"]
