"""`custom.batch_predict` on this machine: a job is a folder and a process that outlives the one that submitted it."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING

from cloudai.errors import CloudAIError, ErrorCode, InvalidInput, Unsupported
from cloudai.serving.batches import PreparedBatch, is_folder, prepare_batch
from cloudai.training.machines import cost_of_seconds, refuse_above
from cloudai.training.package import digest, is_remote, listing
from cloudai.training.register import state_folder
from cloudai.types.custom import (
    BatchFailure,
    BatchPlan,
    BatchPredictRequest,
    BatchPredictResult,
    BatchRef,
    BatchStatus,
)
from cloudai.types.results import Money, Notice
from cloudai.types.speech import JobState
from cloudai_local.batch_folder import BatchFolder, BatchOrder, BatchState, Input
from cloudai_local.run_folder import CANCELLED, ENDED, SUCCEEDED, utc
from cloudai_local.this_machine import MACHINE, device_of, must_have_gpus
from cloudai_local.training import MAKING, start_process, sweep_out

if TYPE_CHECKING:
    from cloudai.driver import Call
    from cloudai_local.settings import LocalSettings

OPERATION = "custom.batch_predict"


class LocalBatches:
    """The batch jobs of one backend: those below its `batches` folder."""

    def __init__(self, settings: LocalSettings, *, backend: str) -> None:
        self._backend = backend
        self._settings = settings
        self._hourly = None if settings.hourly_price is None else Money(amount=settings.hourly_price)
        self._root = settings.batches or state_folder() / "batches"

    def submit(self, request: BatchPredictRequest, call: Call) -> BatchPredictResult:
        """Finds the job of the same request, or makes it; one whose process was killed goes on where it was, and one
        whose results were taken away is done again."""
        model = self._model(request)
        prepared = prepare_batch(request, model=_identity(model))
        plan = self._plan(prepared, model)
        refuse_above(request, plan.at_limit)
        folder = BatchFolder(self._root / prepared.name)
        if folder.exists() and _lost(folder):
            shutil.rmtree(folder.path, ignore_errors=True)
        found = folder.exists() or not self._make(folder, prepared, model)
        if folder.state().state not in ENDED:
            start_process("cloudai_local.batch_process", folder.path)
        return BatchPredictResult(
            batch=self._ref(folder),
            state=JobState(folder.now().state),
            plan=plan,
            found=found,
            output=folder.order().output,
            warnings=plan.warnings,
            model=MACHINE,
        )

    def plan(self, request: BatchPredictRequest, call: Call) -> BatchPlan:
        """What would be started. Nothing is."""
        model = self._model(request)
        return self._plan(prepare_batch(request, model=_identity(model)), model)

    def status(self, batch: BatchRef, call: Call) -> BatchStatus:
        folder = self._folder(batch)
        now = folder.now()
        known = now.total is not None
        return BatchStatus(
            state=JobState(now.state),
            message=now.message,
            started=now.started,
            ended=now.ended,
            billed_seconds=round(now.seconds, 3) if now.started is not None else None,
            total=now.total,
            succeeded=now.done - now.failed if known else None,
            failed=now.failed if known else None,
            failures=tuple(BatchFailure(file=file, line=line, message=text) for file, line, text in now.failures),
            output=folder.order().output,
            hourly=self._hourly,
        )

    def cancel(self, batch: BatchRef, call: Call) -> None:
        """Returns when its process is gone, or after the attempt's time."""
        folder = self._folder(batch)
        if folder.state().state in ENDED:
            return
        (folder.path / "cancel").touch()
        ends = time.monotonic() + min(call.timeout, 30.0)
        while folder.held.supervised():
            if time.monotonic() > ends:
                return
            time.sleep(0.05)
        with folder.held.supervising() as mine:
            state = folder.state()
            if mine and state.state not in ENDED:
                folder.write(replace(state, state=CANCELLED, message="cancelled", ended=utc()))

    def fetch(self, batch: BatchRef, target: Path, call: Call) -> None:
        """Copies the results, which are in the request's own folder."""
        folder = self._folder(batch)
        state, output = folder.now(), Path(folder.order().output)
        if state.state != SUCCEEDED:
            raise CloudAIError(
                f"batch job {batch.name} has no results: its state is {state.state}", code=ErrorCode.CONFLICT,
                operation=OPERATION,
            )  # fmt: skip
        if _lost(folder):
            raise CloudAIError(
                f"the results of {batch.name} are no longer in {output}: submit the same request again",
                code=ErrorCode.NOT_FOUND, operation=OPERATION,
            )  # fmt: skip
        for name in state.written:
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(output / name, target / name)

    def list(self, call: Call) -> Sequence[BatchRef]:
        found = [BatchFolder(path.parent) for path in self._root.glob("*/batch.json")]
        shown = [folder for folder in found if not folder.path.name.startswith(".")]
        return tuple(self._ref(folder) for folder in sorted(shown, key=lambda one: one.order().submitted, reverse=True))

    # --- making one ---------------------------------------------------------------------------------------

    def _model(self, request: BatchPredictRequest) -> Path:
        """The model's folder: the request's own, one of the backend's by name, or an endpoint's version."""
        _possible(request)
        if is_folder(request.model):
            return Path(request.model)
        from cloudai_local.endpoints import folder_of_endpoint
        from cloudai_local.folders import find_model

        found = folder_of_endpoint(self._settings, request.model, request.version)
        if found is not None:
            return found
        folder = find_model(self._settings, request.model)
        stated = str(folder.manifest.get("version", "1"))
        if request.version not in (None, stated):
            raise InvalidInput(f"{request.model} is here in version {stated}", code=ErrorCode.NOT_FOUND)
        return folder.path

    def _plan(self, prepared: PreparedBatch, model: Path) -> BatchPlan:
        order = self._order(prepared)
        shown = {**asdict(order), "files": [file.path for file in order.files], "model": str(model)}
        return BatchPlan(
            backend=self._backend,
            provider="local",
            name=prepared.name,
            instance=MACHINE,
            hourly=self._hourly,
            at_limit=cost_of_seconds(self._hourly, prepared.request.max_seconds),
            requests=({"call": "start", "body": shown},),
            uploads=((str(model), str(self._root / prepared.name / "model")),),
            warnings=_notices(prepared.request),
        )

    def _order(self, prepared: PreparedBatch) -> BatchOrder:
        request = prepared.request
        return BatchOrder(
            name=prepared.name,
            images=request.content == "images",
            files=tuple(Input.of(file.name, file.path) for file in prepared.given),
            output=str(Path(request.output).absolute()),
            device=device_of(request.accelerator),
            threads=self._settings.threads,
            batch_size=request.batch_size,
            max_seconds=float(request.max_seconds),
            max_failed=request.max_failed,
            submitted=utc(),
        )

    def _make(self, folder: BatchFolder, prepared: PreparedBatch, model: Path) -> bool:
        """The folder appears under its name as a whole, or not at all; `False`: somebody else's is there."""
        self._root.mkdir(parents=True, exist_ok=True)
        sweep_out(self._root)
        staging = Path(mkdtemp(prefix=f"{MAKING}{os.getpid()}-", dir=self._root))
        try:
            shutil.copytree(model, staging / "model")
            manifest = prepared.request.manifest
            if manifest is not None and prepared.request.content == "images":
                shutil.copytree(manifest, staging / "manifest")
            _must_load(staging, self._order(prepared), named=model)
            BatchFolder(staging).write_order(self._order(prepared))
            try:
                staging.rename(folder.path)
            except OSError:
                if not folder.exists():
                    raise
                return False
            return True
        finally:
            shutil.rmtree(staging, ignore_errors=True)

    def _ref(self, folder: BatchFolder) -> BatchRef:
        order = folder.order()
        return BatchRef(backend=self._backend, id=str(folder.path), name=order.name, submitted=order.submitted)

    def _folder(self, batch: BatchRef) -> BatchFolder:
        """By its name: a handle names a job of this backend, never a path."""
        folder = BatchFolder(self._root / Path(batch.name).name)
        if not folder.exists():
            raise CloudAIError(
                f"no batch job {batch.name} on this machine", code=ErrorCode.NOT_FOUND, operation=OPERATION
            )
        return folder


def _identity(model: Path) -> str:
    return digest((file.name, file.hash) for file in listing("model", str(model)))


def _lost(folder: BatchFolder) -> bool:
    """Whether a job that has succeeded has its results no longer."""
    state: BatchState = folder.state()
    output = Path(folder.order().output)
    return state.state == SUCCEEDED and not all((output / name).is_file() for name in state.written)


def _must_load(staging: Path, order: BatchOrder, *, named: Path) -> None:
    """Raises what a model that can't be opened, or images that nobody says how to read, would end the job with."""
    from cloudai_local.batch_process import open_model
    from cloudai_local.onnx.choice import require_runtime

    require_runtime()
    try:
        open_model(staging, order)
    except CloudAIError as error:
        error.message = error.message.replace(str(staging / "model"), str(named))
        raise


def _possible(request: BatchPredictRequest) -> None:
    if request.image is not None:
        raise Unsupported("local runs models on ONNX Runtime, not in containers: leave image out", operation=OPERATION)
    for what, place in (("inputs", request.places[0] if request.places else ""), ("output", request.output),
                        ("model", request.model)):  # fmt: skip
        if is_remote(place):
            raise Unsupported(f"{what} = {place}: local reads and writes folders of this machine", operation=OPERATION)
    must_have_gpus(request.accelerator, operation=OPERATION)


def _notices(request: BatchPredictRequest) -> tuple[Notice, ...]:
    found = []
    if request.instances != 1:
        found.append(f"instances = {request.instances}: local runs one process")
    if request.accelerator.instance is not None:
        found.append(f"instance {request.accelerator.instance}: local runs on this machine")
    return tuple(Notice(code="option_ignored", message=message) for message in found)
