"""What the user sees of an error: one or two lines on stderr, and an exit code."""

from __future__ import annotations

import sys
import traceback

from cloudai.errors import CloudAIError, ConfigError, ErrorCode, InvalidInput

FAILED = 1
WRONG_INPUT = 2
OVER_BUDGET = 3

_MAX_LINE = 1000


def exit_code(error: Exception) -> int:
    """2: what was given is wrong; 3: over budget; 1: anything else."""
    if isinstance(error, CloudAIError) and error.code is ErrorCode.BUDGET_EXCEEDED:
        return OVER_BUDGET
    return WRONG_INPUT if isinstance(error, (ConfigError, InvalidInput)) or _is_plan_error(error) else FAILED


def describe(error: Exception) -> str:
    """The message; for an error of ours that nobody foresaw, its first line and how to see more."""
    if isinstance(error, CloudAIError) or _is_plan_error(error):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    first = str(error).partition("\n")[0][:_MAX_LINE]
    return f"internal error: {type(error).__name__}: {first}\nRun it again with --debug to see where."


def report(error: Exception, *, debug: bool = False, about: str | None = None) -> None:
    """Prints it to stderr; `about` is the input it happened with."""
    from cloudai.cli.terminal import complain

    if debug:
        traceback.print_exception(error, file=sys.stderr)
    message = describe(error)
    complain(f"{about}: {message}" if about and about not in message else message)


def _is_plan_error(error: Exception) -> bool:
    """Told by its module, so that the planner is not imported to ask."""
    errors = sys.modules.get("cloudai_pricing.errors")
    return errors is not None and isinstance(error, errors.PlanError)
