"""`cloudai completion SHELL`: a script that completes commands, verbs, flags, choices and file names.

Made from the parser of every command by shtab; the shell then needs no Python to complete.
"""

from __future__ import annotations

import argparse

from cloudai.cli.terminal import show

SHELLS = ("bash", "zsh", "fish")

_EPILOG = """\
bash:  cloudai completion bash > ~/.local/share/bash-completion/completions/cloudai
zsh:   cloudai completion zsh > ~/.zfunc/_cloudai        (with ~/.zfunc in $fpath)
fish:  cloudai completion fish > ~/.config/fish/completions/cloudai.fish
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """The shell."""
    parser.epilog = _EPILOG
    parser.add_argument("shell", choices=SHELLS, metavar="SHELL", help=", ".join(SHELLS))


def run(args: argparse.Namespace) -> int:
    """Prints the script."""
    from cloudai.cli.commands import full_parser
    from cloudai.errors import MissingDependency

    try:
        import shtab
    except ImportError as error:
        raise MissingDependency("completion scripts are made by shtab", install="pip install shtab") from error
    show([shtab.complete(full_parser(), shell=args.shell)])
    return 0
