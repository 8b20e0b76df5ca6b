"""`python -m cloudai.cli`: the same as `cloudai`."""

from __future__ import annotations

import sys

from cloudai.cli import main

sys.exit(main())
