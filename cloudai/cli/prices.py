"""`cloudai prices`: look into the price book, compare its views, and read newer prices from the providers."""

from __future__ import annotations

import argparse

from cloudai.cli.parser import completes_files

_VIEW = "book (as it came with this version), latest, a snapshot's id, or a file; @2026-03-01 after it: on that day"


def configure(parser: argparse.ArgumentParser) -> None:
    """`show`, `search`, `sources`, `diff`, `refresh`."""
    commands = parser.add_subparsers(metavar="VERB", title="verbs", required=True)
    _configure_looking(commands)
    _configure_diff(commands)
    _configure_refresh(commands)


def _configure_looking(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    shown = commands.add_parser(
        "show",
        help="entries of a provider, a SKU, a service or an operation",
        description="Entries with tiers, allowance, source, date and confidence.",
        epilog="examples:\n  cloudai prices show speech.transcribe --region us-east-1\n"
        '  cloudai prices show "Neural voices"',
    )
    shown.add_argument("what", metavar="WHAT", help="a provider, a service, a SKU or an operation")
    found = commands.add_parser(
        "search", help="entries that have all these words", description="Entries in which all the words stand."
    )
    found.add_argument("words", nargs="+", metavar="WORD", help="part of a name, region, note or source")
    sources = commands.add_parser(
        "sources",
        help="where the prices come from, and how old each reading is",
        description="Every source with date, confidence, age and how many entries rest on it; and your snapshots.",
    )
    for verb, sub in (("show", shown), ("search", found), ("sources", sources)):
        sub.add_argument("--provider", metavar="NAME", help="only of this provider")
        if verb != "sources":
            sub.add_argument("--region", metavar="R", help="only in this region of the provider's own, or global")
        sub.add_argument("--snapshot", default="book", metavar="NAME", help=f"{_VIEW} (default: book)")
        sub.add_argument("--as-of", metavar="DATE", help="prices in force on this day, as 2026-03-01")
        sub.add_argument("--json", action="store_true", help="as JSON")
        sub.set_defaults(verb=verb)


def _configure_diff(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    diff = commands.add_parser(
        "diff",
        help="what changed between two views of the prices",
        description="Prices that were added (+), removed (-) or changed (~) from A to B.",
        epilog="examples:\n  cloudai prices diff book latest --workload portal.toml\n"
        "  cloudai prices diff book@2026-03-01 book",
    )
    diff.add_argument("a", metavar="A", help=_VIEW)
    diff.add_argument("b", metavar="B", help="the same")
    workload = diff.add_argument("--workload", metavar="FILE", help="and what that does to the total of this workload")
    completes_files(workload)
    diff.add_argument("--all", action="store_true", help="list added prices one by one, too")
    diff.add_argument("--json", action="store_true", help="as JSON")
    diff.set_defaults(verb="diff")


def _configure_refresh(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    refresh = commands.add_parser(
        "refresh",
        help="read the providers' price feeds into a snapshot of your own",
        description="Reads AWS Price List, Google Cloud Billing Catalog and Azure Retail Prices, shows what changed,\n"
        "and writes a dated snapshot beside the price book, which stays as it is.",
        epilog="The snapshot goes to $CLOUDAI_PRICES, else the user's data folder. Google needs an API key\n"
        "($GOOGLE_API_KEY); without one it is left out unless asked for by --provider.\n"
        "exit codes: 0 read, 1 a feed failed or contradicts the book, 2 wrong input",
    )
    refresh.add_argument("--provider", action="append", choices=("aws", "azure", "gcp"), default=[],
                         help="only this one (repeatable)")  # fmt: skip
    refresh.add_argument("--service", action="append", default=[], metavar="WORD",
                         help="only services with this word in their name (repeatable)")  # fmt: skip
    refresh.add_argument("--region", action="append", default=[], metavar="R",
                         help="only this region of a provider's own (repeatable)")  # fmt: skip
    refresh.add_argument("--yes", action="store_true", help="write the snapshot without asking")
    refresh.add_argument("--trust-feed", action="store_true",
                         help="take a feed's price also where it is dated before the one that is there")  # fmt: skip
    workload = refresh.add_argument("--workload", metavar="FILE", help="say what the changes do to this workload")
    completes_files(workload)
    refresh.add_argument("--unmapped", action="store_true", help="list the prices that are no SKU of the book")
    refresh.add_argument("--all", action="store_true", help="list added prices one by one, too")
    mapping = refresh.add_argument("--mapping", action="append", default=[], metavar="FILE",
                                   help="more meters, in the form of cloudai/prices/mapping.toml")  # fmt: skip
    completes_files(mapping)
    refresh.add_argument("--google-api-key", metavar="KEY", help="default: $GOOGLE_API_KEY, which no one else sees")
    refresh.add_argument("--api", choices=("bulk", "query"), default="bulk",
                         help="AWS: offer files without credentials (default), or the query API by boto3,"
                         " which alone has EC2")  # fmt: skip
    for provider, name in (("aws", "AWS"), ("azure", "AZURE"), ("gcp", "GCP")):
        refresh.add_argument(f"--{provider}-url", metavar="URL",
                             help=f"another address of the feed (default: $CLOUDAI_{name}_PRICES_URL)")  # fmt: skip
    refresh.set_defaults(verb="refresh")


def run(args: argparse.Namespace) -> int:
    """Runs the chosen verb; its module is imported only now."""
    if args.verb == "refresh":
        from cloudai.cli.prices_refresh import run as refresh

        return refresh(args)
    if args.verb == "diff":
        from cloudai.cli.prices_diff import run as diff

        return diff(args)
    from cloudai.cli.prices_show import run as look

    return look(args)
