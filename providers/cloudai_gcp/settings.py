"""What `[backends.NAME]` may hold for `provider = "gcp"`, and the options of one call."""

from __future__ import annotations

from pydantic import Field

from cloudai.http import HttpSettings
from cloudai.settings import ConfigPath, OptionsModel


class GcpSettings(HttpSettings):
    """With none of them: Application Default Credentials, their project, and Google's own addresses.

    With `api_key` the methods that take no key are not available: documents, and version 2 of Speech-to-Text and
    version 3 of Translation (their older versions are used). `endpoint_url` is one base for all services.
    """

    project: str | None = None
    """Project id or number; otherwise `GOOGLE_CLOUD_PROJECT`, otherwise that of the credentials."""
    location: str | None = Field(default=None, pattern=r"^[a-z0-9-]+$")
    """`global`, `us`, `eu`, `europe-west1`...; otherwise `region`, otherwise each service's own default."""
    credentials_file: ConfigPath | None = None
    """JSON of a service account, of a user, or of workload identity federation."""
    quota_project: str | None = None
    """The project whose quota is used and that is billed, where it is not the credentials' own."""
    staging_bucket: str | None = Field(default=None, pattern=r"^[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]$")
    """Cloud Storage: where audio is put for a transcription job, and deleted after it."""
    staging_prefix: str = "cloudai/"
    """What the names of those objects begin with."""
    recognizer: str = "_"
    """Speech-to-Text: a stored recognizer; `_` is none."""
    processor: str | None = None
    """Document AI: an Enterprise Document OCR processor, its id or `projects/P/locations/L/processors/ID`."""
    form_processor: str | None = None
    """Document AI: a Form Parser processor, for tables and forms."""
    layout_processor: str | None = None
    """Document AI: a Layout Parser processor, for headings, lists, headers and footers."""
    vertex_location: str | None = Field(default=None, pattern=r"^[a-z]+-[a-z]+[0-9]+$")
    """Vertex AI: the region of training jobs and endpoints; otherwise `region` or `location`, otherwise us-central1."""
    vertex_bucket: str | None = Field(default=None, pattern=r"^[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]$")
    """Cloud Storage: sources, inputs, artefacts and models of Vertex AI; otherwise `staging_bucket`."""
    vertex_service_account: str | None = None
    """The account that jobs and endpoints run as; otherwise Vertex AI's own."""
    training_image: str | None = None
    """The container of training jobs that name neither `image` nor `framework`."""
    serving_image: str | None = None
    """Triton in Artifact Registry; otherwise `LOCATION-docker.pkg.dev/PROJECT/cloudai/tritonserver:25.01-py3`."""


class VisionOptions(OptionsModel):
    """`options={"gcp": {...}}` of an image operation."""

    model: str | None = None
    """`builtin/stable`, `builtin/latest`; for text also `builtin/rc`."""


class TranscribeOptions(OptionsModel):
    """`options={"gcp": {...}}` of `speech.transcribe`."""

    model: str | None = None
    """`long` where it is not given (v1: the service's default); `short`, `telephony`, `chirp_2`, ..."""
    dynamic_batching: bool = False
    """Jobs only: an answer within 24 hours, at a lower price."""
