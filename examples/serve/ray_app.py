"""The same model folder on many machines: `cloudai serve`'s endpoint in Ray Serve, which keeps replicas and balances.

    pip install 'cloudai[serve]' 'ray[serve]'
    CLOUDAI_MODELS=/models CLOUDAI_SERVE_KEY=... serve run examples.serve.ray_app:app

The folder has to be there on every machine of the cluster: a network file system, or part of the image. Each replica
joins its own requests into batches; Ray adds replicas while more than `target_ongoing_requests` are in progress.
"""

from __future__ import annotations

import os
from pathlib import Path

from ray import serve

from cloudai.serving.asgi import endpoint
from cloudai.serving.settings import ServeSettings

SETTINGS = ServeSettings(
    folder=Path(os.environ.get("CLOUDAI_MODELS", "/models")),
    key=os.environ.get("CLOUDAI_SERVE_KEY"),
    threads=1,
    reload=0,  # a new version of a model is a new deployment: replicas change one after the other
)


@serve.deployment(
    ray_actor_options={"num_cpus": 1},
    max_ongoing_requests=64,
    max_queued_requests=256,
    autoscaling_config={"min_replicas": 1, "max_replicas": 8, "target_ongoing_requests": 16},
    graceful_shutdown_timeout_s=30,
)
@serve.ingress(endpoint(SETTINGS))
class Models:
    """Nothing of its own: the endpoint has all routes."""


app = Models.bind()
