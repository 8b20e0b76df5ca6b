"""Text out of a photo, on this machine: no account, no key, no network.

pip install 'cloudai[local]'
python read_photo.py photo.jpg
"""

import sys

from cloudai import Client


def main(path: str) -> None:
    with Client() as client:
        result = client.vision.read_text(path)
    print(result.text)
    for word in (word for page in result.pages for line in page.lines for word in line.words):
        if word.region and word.confidence is not None:
            box = word.region.box
            print(f"  {word.confidence:.2f}  x {box.x:.2f}  y {box.y:.2f}  {word.text}", file=sys.stderr)


if __name__ == "__main__":
    main(sys.argv[1])
