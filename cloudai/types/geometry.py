"""Where something is on an image or page: fractions of width and height, origin top left."""

from __future__ import annotations

from collections.abc import Sequence

from cloudai.types.results import Model


class Point(Model):
    """A point; `x` and `y` are fractions of the image's width and height, 0..1 inside the image."""

    x: float
    y: float


class Box(Model):
    """An upright box: top left corner, width and height, as fractions. May reach outside 0..1 at an edge."""

    x: float
    y: float
    w: float
    h: float

    @classmethod
    def around(cls, points: Sequence[Point]) -> Box:
        """The smallest upright box that holds all points."""
        xs, ys = [p.x for p in points], [p.y for p in points]
        return cls(x=min(xs), y=min(ys), w=max(xs) - min(xs), h=max(ys) - min(ys))

    @classmethod
    def from_pixels(cls, x: float, y: float, w: float, h: float, *, width: int, height: int) -> Box:
        """From a box in pixels of an image of `width` x `height`."""
        return cls(x=x / width, y=y / height, w=w / width, h=h / height)

    def to_pixels(self, width: int, height: int) -> tuple[float, float, float, float]:
        """`(x, y, w, h)` in pixels of an image of `width` x `height`."""
        return self.x * width, self.y * height, self.w * width, self.h * height


class Polygon(Model):
    """The outline as the vendor gave it, in fractions, in the vendor's order (mostly clockwise from top left)."""

    points: tuple[Point, ...]

    @classmethod
    def from_pixels(cls, points: Sequence[tuple[float, float]], *, width: int, height: int) -> Polygon:
        """From vertices in pixels of an image of `width` x `height`."""
        return cls(points=tuple(Point(x=x / width, y=y / height) for x, y in points))

    @property
    def box(self) -> Box:
        """The smallest upright box around it."""
        return Box.around(self.points)


class Region(Model):
    """A box and, where the vendor gave one, the outline it was made from."""

    box: Box
    polygon: Polygon | None = None

    @classmethod
    def of(cls, polygon: Polygon) -> Region:
        """A region whose box is the one around `polygon`."""
        return cls(box=polygon.box, polygon=polygon)
