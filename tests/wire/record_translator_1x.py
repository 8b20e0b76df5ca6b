"""Records what azure-ai-translation-text 1.x asks of Translator 3.0, and how it reads the answers.

That client and 2.x, which the tests hold version 2026-06-06 to, can't be installed side by side: so its requests are
kept in `fixtures/azure_translation_text_1x.json`, and `test_azure_translator_1x.py` holds the driver to them. Again:

    python -m venv one && one/bin/pip install 'azure-ai-translation-text<2'
    one/bin/python tests/wire/record_translator_1x.py
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from azure.ai.translation.text import TextTranslationClient
from azure.core.credentials import AzureKeyCredential
from azure.core.exceptions import HttpResponseError

KEPT = Path(__file__).parent / "fixtures" / "azure_translation_text_1x.json"
KEY, REGION = "recorded-key", "westeurope"
TEXTS = ["Hello", "Grüße 🌍 <b>&</b>"]
GERMAN = [{"translations": [{"text": f"[de] {text}", "to": "de"}]} for text in TEXTS]
DETECTED = [{"detectedLanguage": {"language": "pt-pt", "score": 0.87}, **item} for item in GERMAN]
LANGUAGES = {
    "translation": {
        "pt-pt": {"name": "Portuguese (Portugal)", "nativeName": "Português (Portugal)", "dir": "ltr"},
        "zh-Hans": {"name": "Chinese Simplified", "nativeName": "中文 (简体)", "dir": "ltr"},
    }
}
REFUSED = {"error": {"code": 400036, "message": "The target language is not valid."}}
CASES: Mapping[str, tuple[dict[str, Any], Any]] = {
    "plain": ({"from_language": "en", "text_type": "Plain"}, GERMAN),
    "detected": ({"text_type": "Plain"}, DETECTED),
    "html": ({"from_language": "en", "text_type": "Html"}, GERMAN),
    "masked": (
        {"from_language": "en", "text_type": "Plain", "profanity_action": "Marked", "profanity_marker": "Asterisk"},
        GERMAN,
    ),
    "tagged": (
        {"from_language": "en", "text_type": "Plain", "profanity_action": "Marked", "profanity_marker": "Tag"},
        GERMAN,
    ),
    "removed": ({"from_language": "en", "text_type": "Plain", "profanity_action": "Deleted"}, GERMAN),
    "custom": (
        {"from_language": "en", "text_type": "Plain", "category": "my-category", "allow_fallback": False},
        GERMAN,
    ),
    "refused": ({"from_language": "en", "text_type": "Plain"}, REFUSED),
}


class Recorder:
    """Answers what it is told to, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: dict[str, Any] = {}
        self.answer: Any = None
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        recorder = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                """Nothing."""

            def do_POST(self) -> None:
                parts = urlsplit(self.path)
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                named = ("ocp-apim-subscription-key", "ocp-apim-subscription-region", "accept-language", "content-type")
                recorder.asked = {
                    "method": self.command,
                    "path": parts.path,
                    "query": dict(parse_qsl(parts.query, keep_blank_values=True)),
                    "headers": {name: self.headers[name] for name in named if self.headers[name]},
                    "body": json.loads(body) if body else None,
                }
                refused = isinstance(recorder.answer, dict) and "error" in recorder.answer
                content = json.dumps(recorder.answer).encode()
                self.send_response(400 if refused else 200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST  # noqa: N815

        return Handler


def record(recorder: Recorder, answer: Any, call: Callable[[], Any]) -> dict[str, Any]:
    """One case: what was asked, what was answered, how the client read it."""
    recorder.answer = answer
    try:
        read = call()
    except HttpResponseError as error:
        told = json.loads(str(error.response and error.response.text()))["error"]
        read = {"status": error.status_code, "code": str(told["code"]), "message": told["message"]}
    return {"request": recorder.asked, "answer": answer, "read": read}


def translations(client: TextTranslationClient, **arguments: Any) -> list[dict[str, Any]]:
    """As the client reads them."""
    found = client.translate(body=TEXTS, to_language=["de"], **arguments)
    return [
        {
            "text": item.translations[0].text,
            "to": item.translations[0].to,
            "detected": item.detected_language and [item.detected_language.language, item.detected_language.score],
        }
        for item in found
    ]


def main() -> None:
    recorder = Recorder()
    url = f"http://127.0.0.1:{recorder.http.server_port}"
    client = TextTranslationClient(endpoint=url, credential=AzureKeyCredential(KEY), region=REGION, retry_total=0)
    cases = {
        name: record(recorder, answer, lambda arguments=arguments: translations(client, **arguments))
        for name, (arguments, answer) in CASES.items()
    }
    cases["languages"] = record(
        recorder,
        LANGUAGES,
        lambda: {
            code: each.name
            for code, each in client.get_supported_languages(
                scope="translation", accept_language="en"
            ).translation.items()
        },
    )
    kept = {
        "client": f"azure-ai-translation-text {version('azure-ai-translation-text')}",
        "recorded": datetime.now(UTC).date().isoformat(),
        "by": Path(__file__).name,
        "texts": TEXTS,
        "cases": cases,
    }
    KEPT.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    recorder.http.shutdown()


if __name__ == "__main__":
    main()
