"""The same program over any backend: only the config file differs.

CLOUDAI_CONFIG=local.toml python read_sign.py sign.png
CLOUDAI_CONFIG=fake.toml python read_sign.py sign.png
CLOUDAI_CONFIG=tesseract.toml python read_sign.py sign.png      # after: pip install ../04_third_party_provider
"""

import sys

from cloudai import Client


def main(path: str) -> None:
    with Client() as client:
        result = client.vision.read_text(path)
    for line in (line for page in result.pages for line in page.lines):
        print(line.text)
    words = [word for page in result.pages for line in page.lines for word in line.words]
    left = min(word.region.box.x for word in words if word.region)
    cost = result.cost or "not known"
    used = ", ".join(f"{item.quantity} {item.unit}" for item in result.usage)
    print(
        f"{result.backend}: {len(words)} words from {left:.0%} of the width; used {used}; cost {cost}", file=sys.stderr
    )


if __name__ == "__main__":
    main(sys.argv[1])
