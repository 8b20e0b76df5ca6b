"""`python -m cloudai`: the same as `cloudai`."""

import sys

from cloudai.cli import main

if __name__ == "__main__":
    sys.exit(main())
