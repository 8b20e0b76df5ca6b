"""What the strict server does in its own time: Textract's document jobs and Polly's speech tasks, through its S3."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aws_server import Answer, Params, StrictServer


class DocumentJobs:
    """Textract: a job runs, and is done at the third look; its blocks come in parts.

    The same token is the same job; the same token for another document is a mistake, as the documentation has it.
    """

    def __init__(self, server: StrictServer, text: Sequence[Any], analysis: Sequence[Any]) -> None:
        self.server = server
        self.blocks = {"DocumentTextDetection": list(text), "DocumentAnalysis": list(analysis)}
        self.states = ["IN_PROGRESS", "IN_PROGRESS", "SUCCEEDED"]
        self.jobs: dict[str, Params] = {}
        self.looks: dict[str, int] = {}
        self.part = 4
        """Blocks in one answer."""
        self.more: Params = {}
        """Members of the final answer: warnings, a reason."""

    def answer(self) -> DocumentJobs:
        """Takes over Textract's jobs."""
        for kind in self.blocks:
            self.server.answers[f"Start{kind}"] = self.start
            self.server.answers[f"Get{kind}"] = lambda params, kind=kind: self.get(kind, params)
        return self

    def start(self, params: Params) -> Answer:
        from aws_server import Failure

        place = params["DocumentLocation"]["S3Object"]
        token = params["ClientRequestToken"]
        if self.jobs.setdefault(token, params) != params:
            return Failure(code="IdempotentParameterMismatchException", message="another document has this token")
        if (place["Bucket"], place["Name"]) not in self.server.objects:
            return Failure(code="InvalidS3ObjectException", message="the object can't be read")
        self.looks.setdefault(f"job-{token}", 0)
        return {"JobId": f"job-{token}"}

    def get(self, kind: str, params: Params) -> Answer:
        from aws_server import Failure

        if params["JobId"] not in self.looks:
            return Failure(code="InvalidJobIdException", message="no such job")
        state = self.states[min(self.looks[params["JobId"]], len(self.states) - 1)]
        self.looks[params["JobId"]] += 1
        if state == "IN_PROGRESS":
            return {"JobStatus": state}
        if state == "FAILED":
            return {"JobStatus": state, **self.more}
        blocks, first = self.blocks[kind], int(params.get("NextToken", "at-0").removeprefix("at-"))
        pages = sum(1 for block in blocks if block["BlockType"] == "PAGE")
        answer: Params = {"JobStatus": state, "DocumentMetadata": {"Pages": pages}, **self.more}
        if first + self.part < len(blocks):
            answer["NextToken"] = f"at-{first + self.part}"
        return {**answer, "Blocks": blocks[first : first + self.part]}


class SpeechTasks:
    """Polly: a task is done at the third look; its audio is written into the bucket that was named."""

    def __init__(self, server: StrictServer) -> None:
        self.server = server
        self.states = ["scheduled", "inProgress", "completed"]
        self.tasks: dict[str, Params] = {}
        self.looks: dict[str, int] = {}
        self.audio = bytes(32000)
        self.marks = b""

    def answer(self) -> SpeechTasks:
        """Takes over Polly's tasks."""
        self.server.answers |= {"StartSpeechSynthesisTask": self.start, "GetSpeechSynthesisTask": self.get}
        return self

    def start(self, params: Params) -> Answer:
        name = f"task-{len(self.tasks)}"
        self.tasks[name], self.looks[name] = params, 0
        return {"SynthesisTask": self.task(name, "scheduled")}

    def get(self, params: Params) -> Answer:
        from aws_server import Failure

        name = params["TaskId"]
        if name not in self.tasks:
            return Failure(code="SynthesisTaskNotFoundException", message="no such task")
        state = self.states[min(self.looks[name], len(self.states) - 1)]
        self.looks[name] += 1
        if state == "completed":
            bucket, key = self.place(name)
            marks = self.tasks[name]["OutputFormat"] == "json"
            self.server.objects[bucket, key] = self.marks if marks else self.audio
        return {"SynthesisTask": self.task(name, state)}

    def place(self, name: str) -> tuple[str, str]:
        """The key is the prefix, a dot, the task and the format's suffix."""
        asked = self.tasks[name]
        suffix = {"pcm": "pcm", "mp3": "mp3", "json": "marks"}.get(asked["OutputFormat"], "ogg")
        return asked["OutputS3BucketName"], f"{asked.get('OutputS3KeyPrefix', '')}.{name}.{suffix}"

    def task(self, name: str, state: str) -> Params:
        asked, (bucket, key) = self.tasks[name], self.place(name)
        found = {
            "TaskId": name,
            "TaskStatus": state,
            "OutputUri": f"https://s3.us-east-1.amazonaws.com/{bucket}/{key}",
            "RequestCharacters": len(asked["Text"]),
            "OutputFormat": asked["OutputFormat"],
            "VoiceId": asked["VoiceId"],
        }
        return found | ({"TaskStatusReason": "the voice is hoarse"} if state == "failed" else {})
