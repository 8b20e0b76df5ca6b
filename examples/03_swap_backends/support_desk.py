"""A support desk's morning, on any provider: read a sign, tell a language, translate, speak.

    CLOUDAI_CONFIG=aws.toml python support_desk.py sign.png answer.wav

Only the config file says who does it.
"""

import sys
from pathlib import Path

from cloudai import Client


def main(picture: str, answer: str) -> None:
    with Client() as client:
        sign = client.vision.read_text(picture)
        language = client.translation.detect_language("Good morning, where is the station?")
        translated = client.translation.translate(["Good morning.", "Thank you."], source="en", target="es")
        spoken = client.speech.synthesize("Good morning.", language="en-US", format="wav")
    Path(answer).write_bytes(spoken.audio)
    for result in (sign, language, translated, spoken):
        used = ", ".join(f"{item.quantity:f} {item.unit}" for item in result.usage)
        print(f"{result.operation}: {result.provider}, {used}, cost {result.cost or 'not known'}")
    print(len(sign.text) > 0, language.language, len(translated.translations), spoken.sample_rate)


if __name__ == "__main__":
    main(*sys.argv[1:3])
