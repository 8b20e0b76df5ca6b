from pathlib import Path
from typing import Annotated

import typer
from google.cloud import texttospeech

app = typer.Typer()
VOICES = {"de": "de-DE-Standard-A", "fr": "fr-FR-Wavenet-C"}


@app.command()
def say(text: str, out: Annotated[Path, typer.Option()] = Path("out.mp3"), language: str = "de"):
    client = texttospeech.TextToSpeechClient()
    request = texttospeech.SynthesizeSpeechRequest(
        {
            "input": {"text": text},
            "voice": {"language_code": language, "name": VOICES[language]},
            "audio_config": {"audio_encoding": "MP3"},
        }
    )
    out.write_bytes(client.synthesize_speech(request).audio_content)


if __name__ == "__main__":
    app()
