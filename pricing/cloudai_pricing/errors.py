"""The one error of the planner: something the user wrote is wrong. It says where, and what to do."""

from __future__ import annotations

from collections.abc import Iterable


class PlanError(ValueError):
    """A workload, an overlay, a price entry or a flag is wrong.

    `str()` is one line, `FILE:LINE: what is wrong. What to do.`; `file` and `line` are None where there is none.
    `path` is the key that is wrong, for whoever knows on which line it stands.
    """

    def __init__(
        self,
        message: str,
        *,
        fix: str | None = None,
        file: str | None = None,
        line: int | None = None,
        path: tuple[str | int, ...] = (),
    ) -> None:
        self.message = message
        self.fix = fix
        self.file = file
        self.line = line
        self.path = path
        super().__init__(self._text())

    def at(self, file: str, line: int | None) -> PlanError:
        """The same error with its place, unless it has one already."""
        if self.file is not None:
            return self
        return PlanError(self.message, fix=self.fix, file=file, line=line, path=self.path)

    def about(self, *path: str | int) -> PlanError:
        """The same error, said of a key; a key it has already is inside this one."""
        return PlanError(self.message, fix=self.fix, file=self.file, line=self.line, path=(*path, *self.path))

    def _text(self) -> str:
        place = self.file or ""
        if place and self.line is not None:
            place = f"{place}:{self.line}"
        text = f"{place}: {self.message}" if place else self.message
        return f"{text}{'' if text.endswith('?') else '.'} {self.fix}" if self.fix else text


def nearest(word: str, known: Iterable[str]) -> str:
    """`Did you mean 'x'?`, or the known words where none is near: the fix of an unknown name."""
    import difflib  # 10 ms that only a mistake should cost

    names = sorted(set(known))
    close = difflib.get_close_matches(word.lower(), names, n=5, cutoff=0.6)
    if close:
        swapped = [name for name in close if sorted(name) == sorted(word.lower())]  # letters in the wrong order
        return f"Did you mean {(swapped or close)[0]!r}?"
    shown = ", ".join(names[:12])
    more = f" and {len(names) - 12} more" if len(names) > 12 else ""
    return f"Known: {shown}{more}" if names else "There is none to choose from"
