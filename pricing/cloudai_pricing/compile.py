"""`python -m cloudai_pricing.compile`: writes the fast form of the price book after `book/*.toml` was edited."""

from __future__ import annotations

import sys

from cloudai_pricing.book import COMPILED, FOLDER, compiled_text
from cloudai_pricing.errors import PlanError


def main() -> int:
    """Compiles; 0 when done, 2 when an entry is wrong (said on stderr)."""
    try:
        text = compiled_text(FOLDER)
    except PlanError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    COMPILED.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
