"""`custom.deploy` on this machine: an endpoint is a folder and a `cloudai serve` that outlives the one that deployed.

All versions of an endpoint are served by one process; which one answers a request is drawn here, by the traffic. A
request without a version that comes by plain HTTP gets the latest of them: name the version in its path.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING
from urllib.parse import quote

import platformdirs

from cloudai.errors import CloudAIError, ErrorCode, InvalidInput, MissingDependency, ServiceError, Unsupported
from cloudai.serving.client import HEADER_LENGTH, decode, encode, error_of, infer_path, length_of
from cloudai.types.custom import (
    DeployPlan,
    DeployRequest,
    DeployResult,
    EndpointRef,
    EndpointStatus,
    EndpointVersion,
    PredictRequest,
    PredictResult,
)
from cloudai.types.results import Money, Notice, Usage
from cloudai.types.speech import JobState
from cloudai.wirejson import Malformed
from cloudai_local.endpoint_folder import VARIABLE, Damaged, EndpointFolder, Version, Wanted, changing
from cloudai_local.onnx.choice import SERVER_INSTALL, gap_of_server
from cloudai_local.run_folder import utc
from cloudai_local.this_machine import MACHINE, device_of, must_have_gpus

if TYPE_CHECKING:
    from cloudai.driver import Call
    from cloudai.http import Transport, WireReply
    from cloudai.serving.packaging import Package
    from cloudai_local.settings import LocalSettings

OPERATION = "custom.deploy"
STATE_VARIABLE = "CLOUDAI_STATE"
MARK = "endpoint:"
"""Before an endpoint's name where a model folder's could stand as well."""
_ONE = Decimal(1)


class LocalEndpoints:
    """The endpoints of one backend: those below its folder."""

    def __init__(self, settings: LocalSettings, *, backend: str) -> None:
        self._backend = backend
        self._hourly = None if settings.hourly_price is None else Money(amount=settings.hourly_price)
        self._root = settings.endpoints or default_endpoints()
        self._lock = threading.Lock()
        self._transport: Transport | None = None

    # --- deploying -----------------------------------------------------------------------------------

    def plan(self, request: DeployRequest, call: Call) -> DeployPlan:
        """What would be started. Nothing is."""
        return self._plan(request, _package(request))

    def deploy(self, request: DeployRequest, call: Call) -> DeployResult:
        """Returns when it answers. The same model again finds it, and starts its server where that has gone."""
        ends = time.monotonic() + call.timeout
        package = _package(request)
        plan = self._plan(request, package)
        with changing(self._root, request.name):
            self._sweep(request.name)
            folder = EndpointFolder(self._root / request.name)
            new = not folder.exists()
            if new:
                self._make(folder, request, plan.version, package)
            try:
                self._serve(folder, request, plan.version, package, ends)
            except BaseException:  # Ctrl+C too
                if new:
                    self._remove(folder)
                raise
        return DeployResult(
            endpoint=self._ref(folder),
            version=plan.version,
            state=JobState.SUCCEEDED,
            plan=plan,
            warnings=plan.warnings,
            model=MACHINE,
        )

    def _plan(self, request: DeployRequest, package: Package) -> DeployPlan:
        version = request.version or package.version
        if not version or version.startswith(".") or "/" in version or "\\" in version:
            raise InvalidInput(f"version {version!r} is no folder's name")
        _shares(request, version)
        folder = EndpointFolder(self._root / request.name)
        return DeployPlan(
            backend=self._backend,
            provider="local",
            name=request.name,
            version=version,
            instance=MACHINE,
            hourly=self._hourly,
            requests=(
                {"call": "serve", "body": {"folder": str(folder.models), "device": device_of(request.accelerator)}},
            ),
            uploads=((request.model, str(folder.version(version))),),
            warnings=_notices(request),
        )

    def _make(self, folder: EndpointFolder, request: DeployRequest, version: str, package: Package) -> None:
        """The folder appears under its name as a whole, or not at all."""
        staging = EndpointFolder(Path(mkdtemp(prefix=".making-", dir=self._root)) / request.name)
        try:
            _copy(request.model, staging.version(version))
            versions = {version: Version(traffic=100, sha256=package.sha256)}
            staging.write(
                Wanted(name=request.name, created=utc(), device=device_of(request.accelerator), versions=versions)
            )
            shutil.rmtree(folder.path, ignore_errors=True)
            staging.path.rename(folder.path)
        finally:
            shutil.rmtree(staging.path.parent, ignore_errors=True)

    def _serve(
        self, folder: EndpointFolder, request: DeployRequest, version: str, package: Package, ends: float
    ) -> None:
        wanted = folder.wanted()
        self._prune(folder, wanted)
        here = wanted.versions.get(version)
        if here is not None and here.sha256 != package.sha256:
            raise InvalidInput(f"{request.name} has another model as version {version}: give yours another name")
        if here is None:
            self._add(folder, request.model, version, ends)
        before = dict(wanted.versions)
        shares = _shares(request, version)
        if unknown := set(shares) - {*before, version}:
            raise InvalidInput(f"{request.name} has no version {', '.join(sorted(unknown))}", code=ErrorCode.NOT_FOUND)
        added = {**before, version: Version(traffic=0, sha256=package.sha256)}
        kept = {name: one for name, one in added.items() if name in shares or one.traffic}  # one can be taken back
        folder.write(replace(wanted, versions=kept).with_traffic(shares))
        self._start(folder, ends)
        for gone in set(before) - set(kept):
            shutil.rmtree(folder.version(gone), ignore_errors=True)
        if set(before) - set(kept):
            self._reload(folder)

    def _add(self, folder: EndpointFolder, model: str, version: str, ends: float) -> None:
        """Another version beside those that stand. One that the server does not take is taken out again."""
        staging = Path(mkdtemp(prefix=".making-", dir=folder.path))
        try:
            _copy(model, staging / version)
            shutil.rmtree(folder.version(version), ignore_errors=True)
            (staging / version).rename(folder.version(version))
        finally:
            shutil.rmtree(staging, ignore_errors=True)
        try:
            self._start(folder, ends)
            self._reload(folder)
        except BaseException:  # Ctrl+C too
            shutil.rmtree(folder.version(version), ignore_errors=True)
            raise

    def _prune(self, folder: EndpointFolder, wanted: Wanted) -> None:
        """Takes out versions that nobody wants: a deployment was killed before it wrote its own down."""
        strays = [each for each in folder.version("").glob("*") if each.name not in wanted.versions]
        for each in strays:
            shutil.rmtree(each, ignore_errors=True)
        if strays and self._answers(folder):
            self._reload(folder)

    def _start(self, folder: EndpointFolder, ends: float) -> None:
        """Its server, unless it lives. Waits until it answers."""
        process = None
        if not folder.alive():
            with (folder.path / "log.txt").open("ab") as log:
                process = subprocess.Popen(
                    [sys.executable, "-m", "cloudai_local.endpoint_process", str(folder.path)],
                    stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, cwd=folder.path,
                    env={**os.environ, VARIABLE: str(folder.path)}, start_new_session=True,
                )  # fmt: skip
            threading.Thread(target=process.wait, daemon=True, name="cloudai-endpoint").start()
        while not self._answers(folder):
            if process is not None and process.poll() not in (None, 75):
                raise ServiceError(f"cloudai serve ended: {folder.last_words()}", code=ErrorCode.INVALID_INPUT)
            if time.monotonic() > ends:
                raise ServiceError(
                    f"{folder.path.name} does not answer yet: {folder.last_words()}", code=ErrorCode.DEADLINE_EXCEEDED
                )
            time.sleep(0.02)

    def _reload(self, folder: EndpointFolder) -> None:
        """Has the server look at its folder now."""
        reply = self._send("POST", f"{folder.address()}/v2/repository/models/{quote(folder.path.name)}/load", b"{}")
        if reply.status != 200:
            raise InvalidInput(f"cloudai serve does not take it: {error_of(reply.body) or reply.status}")

    def _answers(self, folder: EndpointFolder) -> bool:
        address = folder.address()
        if address is None or not folder.alive():
            return False
        try:
            return self._send("GET", f"{address}/v2/health/ready", b"").status == 200
        except CloudAIError:
            return False

    # --- what stands ---------------------------------------------------------------------------------

    def status(self, endpoint: EndpointRef, call: Call) -> EndpointStatus:
        return self._status(self._folder(endpoint))

    def list(self, call: Call) -> Sequence[EndpointStatus]:
        return tuple(self._status(EndpointFolder(self._root / name)) for name in self.names())

    def names(self) -> Sequence[str]:
        """Of all that stand, answering or not."""
        return sorted(path.parent.name for path in self._root.glob("[!.]*/endpoint.json"))

    def _status(self, folder: EndpointFolder) -> EndpointStatus:
        try:
            wanted, alive = folder.wanted(), folder.alive()
        except Damaged as error:
            return EndpointStatus(ref=self._ref(folder), state=JobState.FAILED, message=str(error), hourly=self._hourly)
        if not alive:
            state, message = JobState.FAILED, f"its process is gone ({folder.last_words()}): deploy it again"
        elif self._answers(folder):
            state, message = JobState.SUCCEEDED, None
        else:
            state, message = JobState.QUEUED, folder.last_words()
        return EndpointStatus(
            ref=self._ref(folder),
            state=state,
            message=message,
            versions=tuple(
                EndpointVersion(version=name, traffic=one.traffic, instance=MACHINE, replicas=int(alive))
                for name, one in sorted(wanted.versions.items())
            ),
            hourly=self._hourly,
            created=wanted.created,
        )

    def set_traffic(self, endpoint: EndpointRef, traffic: Mapping[str, int], call: Call) -> None:
        with changing(self._root, Path(endpoint.name).name):
            folder = self._folder(endpoint)
            wanted = folder.wanted()
            if unknown := set(traffic) - set(wanted.versions):
                known = ", ".join(sorted(wanted.versions))
                raise InvalidInput(
                    f"{endpoint.name} has no version {', '.join(sorted(unknown))}, but {known}",
                    code=ErrorCode.NOT_FOUND,
                )
            folder.write(wanted.with_traffic(dict(traffic)))

    def delete(self, endpoint: EndpointRef, call: Call) -> None:
        name = Path(endpoint.name).name
        with changing(self._root, name):
            self._sweep(name)
            self._remove(EndpointFolder(self._root / name))

    def _remove(self, folder: EndpointFolder) -> None:
        """Renamed first: a server that is just starting does not find it any more."""
        if not folder.path.exists():
            return
        gone = EndpointFolder(Path(mkdtemp(prefix=".deleting-", dir=self._root)) / folder.path.name)
        folder.path.rename(gone.path)
        gone.stop(marked=folder.path)
        shutil.rmtree(gone.path.parent, ignore_errors=True)

    def _sweep(self, name: str) -> None:
        """What a deployment or deletion left that was killed: nobody else is at this endpoint, we have its lock."""
        for left in (*self._root.glob(f".making-*/{name}"), *self._root.glob(f".deleting-*/{name}")):
            EndpointFolder(left).stop()
            shutil.rmtree(left.parent, ignore_errors=True)

    # --- predictions ---------------------------------------------------------------------------------

    def has(self, model: str) -> bool:
        """Whether an endpoint is meant: by its mark, or by a name that one has."""
        return model.startswith(MARK) or EndpointFolder(self._root / Path(model).name).exists()

    def predict(self, request: PredictRequest, call: Call) -> PredictResult:
        """Of the version asked for, else of one drawn by the traffic."""
        name = Path(request.model.removeprefix(MARK)).name
        folder = EndpointFolder(self._root / name)
        if not folder.exists():
            raise InvalidInput(f"no endpoint {name!r} on this machine", code=ErrorCode.NOT_FOUND)
        if request.images:
            raise InvalidInput(
                "an endpoint takes tensors, not images: name the model folder that reads them, as manifest"
            )
        version = request.version or _drawn(folder.wanted())
        body = encode(request.tensors, outputs=request.outputs)
        address = folder.address()
        if address is None or not folder.alive():
            raise ServiceError(f"endpoint {name} does not run: deploy it again", code=ErrorCode.UNAVAILABLE)
        reply = self._send(
            "POST", address + infer_path(name, version), body.content, headers=body.headers(), timeout=call.timeout
        )
        if reply.status != 200:
            raise _refusal(reply)
        try:
            found = decode(reply.body, length_of(reply.headers.get(HEADER_LENGTH.lower())))
        except Malformed as error:
            raise ServiceError(f"endpoint {name}: {error}", code=ErrorCode.INTERNAL) from error
        return PredictResult(
            outputs=found.outputs,
            version=found.version,
            usage=(Usage(meter="custom.predict", unit="request", quantity=_ONE),),
            model=name,
        )

    def _send(
        self, method: str, url: str, body: bytes, *, headers: Mapping[str, str] | None = None, timeout: float = 5.0
    ) -> WireReply:
        from cloudai.http import WireRequest, transport_fault

        request = WireRequest(method=method, url=url, headers=dict(headers or {}), body=body)
        try:
            return self._opened().send(request, timeout=timeout)
        except Exception as error:
            fault = transport_fault(error)
            if fault is None:
                raise
            raise ServiceError(f"the endpoint's server: {fault.message or error}", code=fault.code) from error

    def _opened(self) -> Transport:
        from cloudai.http import HttpSettings, Transport

        with self._lock:
            if self._transport is None:
                self._transport = Transport(HttpSettings(provider="local"))
            return self._transport

    def close(self) -> None:
        """Connections; the servers go on."""
        with self._lock:
            transport, self._transport = self._transport, None
        if transport is not None:
            transport.close()

    # --- looking -------------------------------------------------------------------------------------

    def _folder(self, endpoint: EndpointRef) -> EndpointFolder:
        """By its name: a handle names an endpoint of this backend, never a path."""
        folder = EndpointFolder(self._root / Path(endpoint.name).name)
        if not folder.exists():
            raise CloudAIError(f"no endpoint {endpoint.name} on this machine", code=ErrorCode.NOT_FOUND)
        return folder

    def _ref(self, folder: EndpointFolder) -> EndpointRef:
        name, address = folder.path.name, folder.address()
        url = f"{address}/v2/models/{quote(name)}" if address is not None and folder.alive() else None
        return EndpointRef(backend=self._backend, id=f"{MARK}{name}", name=name, url=url)


def folder_of_endpoint(settings: LocalSettings, name: str, version: str | None) -> Path | None:
    """The model folder of an endpoint's version, or of the one with most of the traffic; `None`: no such endpoint.

    Raises `InvalidInput` for a version that it does not have.
    """
    folder = EndpointFolder((settings.endpoints or default_endpoints()) / Path(name.removeprefix(MARK)).name)
    if not folder.exists():
        return None
    versions = folder.wanted().versions
    chosen = version or max(versions, key=lambda one: versions[one].traffic)
    if chosen not in versions:
        known = ", ".join(sorted(versions))
        raise InvalidInput(f"{name} has no version {chosen}, but {known}", code=ErrorCode.NOT_FOUND)
    return folder.version(chosen)


def default_endpoints() -> Path:
    """`endpoints` in the user's state folder, or in that of `CLOUDAI_STATE`."""
    named = os.environ.get(STATE_VARIABLE)
    return (Path(named) if named else platformdirs.user_state_path("cloudai")) / "endpoints"


def _package(request: DeployRequest) -> Package:
    """The model, loaded once to see that it can be. Raises before anything is made."""
    if (absent := gap_of_server()) is not None:
        raise MissingDependency(absent.partition(":")[0], install=SERVER_INSTALL)
    if request.image is not None:
        raise Unsupported("local serves with cloudai serve, not with containers: leave image out", operation=OPERATION)
    if request.serverless:
        raise Unsupported("local keeps a process running: leave serverless out", operation=OPERATION)
    if "://" in request.model:
        raise Unsupported(f"local serves folders of this machine: download {request.model} first", operation=OPERATION)
    from cloudai.serving.packaging import package_model

    must_have_gpus(request.accelerator, operation=OPERATION)
    if device_of(request.accelerator) == "cuda":
        from cloudai_local.onnx.serving import OnnxFolders

        OnnxFolders(Path(request.model), device="cuda", threads=None)  # or it says what is missing
    return package_model(request.model, name=request.name)


def _notices(request: DeployRequest) -> tuple[Notice, ...]:
    found = []
    if request.min_replicas != 1 or request.max_replicas != 1:
        found.append("min_replicas, max_replicas: local runs one process")
    if request.accelerator.instance is not None:
        found.append(f"instance {request.accelerator.instance}: local runs on this machine")
    return tuple(Notice(code="option_ignored", message=message) for message in found)


def _shares(request: DeployRequest, version: str) -> dict[str, int]:
    """Version -> percent: all of it for the new one, where nothing is said."""
    if not request.traffic:
        return {version: 100}
    shares = dict(request.traffic)
    if sum(shares.values()) != 100 or any(not 0 <= share <= 100 for share in shares.values()):
        raise InvalidInput(f"traffic is percent by version and adds up to 100, not {shares}")
    if version not in shares:
        raise InvalidInput(f"traffic names no version {version}, which is the one to deploy: {shares}")
    return shares


def _drawn(wanted: Wanted) -> str:
    names = list(wanted.versions)
    return random.choices(names, [wanted.versions[name].traffic for name in names])[0]  # noqa: S311  # no secret


def _copy(model: str, target: Path) -> None:
    """Links are followed only inside: packaging has refused others."""
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(model, target)


def _refusal(reply: WireReply) -> CloudAIError:
    words = (error_of(reply.body) or f"status {reply.status}")[:500]
    if reply.status in (400, 406, 415, 422):
        return InvalidInput(words)
    if reply.status in (404, 413):
        return InvalidInput(words, code=ErrorCode.NOT_FOUND if reply.status == 404 else ErrorCode.TOO_LARGE)
    codes = {503: ErrorCode.UNAVAILABLE, 504: ErrorCode.DEADLINE_EXCEEDED}
    return ServiceError(words, code=codes.get(reply.status, ErrorCode.INTERNAL))
