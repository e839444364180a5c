"""Where the names of points go: beside them, without covering each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product

Point = tuple[float, float]
Box = tuple[float, float, float, float]  # left, bottom, right, top
RINGS = (1.0, 2.2, 3.6, 5.2)


def place(points: Sequence[Point], sizes: Sequence[Point], area: Box, gap: float) -> list[Box]:
    """A box for every point's label, all in the same unit, y upwards: the nearest free place around the point.

    ``sizes`` are (width, height) of the labels, ``gap`` the room around a marker. Where nothing is free, the place that
    covers least is taken, so that no point stays unnamed.
    """
    markers = [(x - gap / 2, y - gap / 2, x + gap / 2, y + gap / 2) for x, y in points]
    placed: list[Box] = []
    for number, (point, size) in enumerate(zip(points, sizes, strict=True)):
        others = [*placed, *markers[:number], *markers[number + 1 :]]
        best, least = (0.0, 0.0, 0.0, 0.0), float("inf")
        for box in places(point, size, gap):
            covered = sum(overlap(box, other) for other in others) + 4 * (size[0] * size[1] - overlap(box, area))
            if covered < least - 1e-9:
                best, least = box, covered
            if least <= 1e-9:
                break
        placed.append(best)
    return placed


def places(point: Point, size: Point, gap: float) -> Iterator[Box]:
    """Boxes around a point, nearest first: the corners, away from error bars, then the sides; then further out."""
    (x, y), (width, height) = point, size
    sides = sorted(product((1, -1, 0), (0, 1, -1)), key=lambda side: (-abs(side[0]) - abs(side[1]), -side[0], -side[1]))
    for ring in RINGS:
        for across, up in sides:
            if (across, up) == (0, 0):
                continue
            middle_x = x + across * (gap * ring * 0.8 + width / 2)
            middle_y = y + up * (gap * ring * 0.8 + height / 2)
            yield (middle_x - width / 2, middle_y - height / 2, middle_x + width / 2, middle_y + height / 2)


def overlap(first: Box, second: Box) -> float:
    """The area that two boxes share."""
    width = min(first[2], second[2]) - max(first[0], second[0])
    height = min(first[3], second[3]) - max(first[1], second[1])
    return width * height if width > 0 and height > 0 else 0.0


def spread(wanted: Sequence[float], apart: float, low: float, high: float) -> list[float]:
    """Heights near ``wanted``, at least ``apart`` from each other where there is room between ``low`` and ``high``."""
    if not wanted:
        return []
    apart = min(apart, (high - low) / max(1, len(wanted) - 1))
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    result = [0.0] * len(wanted)
    floor = low
    for i in order:
        floor = result[i] = max(wanted[i], floor)
        floor += apart
    ceiling = high
    for i in reversed(order):
        ceiling = result[i] = min(result[i], ceiling)
        ceiling -= apart
    return result
