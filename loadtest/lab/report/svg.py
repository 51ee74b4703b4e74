"""Drawing in SVG. Colours are CSS variables of the page, so that a plot follows the colour
scheme."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

COLOURS = 6
"""of Okabe and Ito's palette without black, yellow and the reference's: see report.css"""
MARKERS = ("circle", "square", "triangle", "diamond", "down")
DASHES = ("", "6 3", "2 3")
Points = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Look:
    """How a series is told apart: by colour, by marker and by dashes, each of which is enough for
    some eyes."""

    css: str
    marker: str
    dash: str


REFERENCE = Look("ref", "circle", "")


def looks(names: Sequence[str], reference: str) -> dict[str, Look]:
    """A look for each name, the same in every plot of a report; no two are alike up to 30 names."""
    others = [name for name in names if name != reference]
    styles = {
        name: Look(
            f"s{at % COLOURS}", MARKERS[at % len(MARKERS)], DASHES[at // COLOURS % len(DASHES)]
        )
        for at, name in enumerate(others)
    }
    return styles | {reference: REFERENCE}


def tag(name: str, *inside: str, **attributes: object) -> str:
    """An element; `css` becomes `class`, underscores become hyphens, None and "" are left out."""
    pairs = {
        "class" if key == "css" else key.replace("_", "-"): value
        for key, value in attributes.items()
    }
    text = "".join(
        f' {key}="{escape(str(value))}"' for key, value in pairs.items() if value not in (None, "")
    )
    return f"<{name}{text}>{''.join(inside)}</{name}>"


def text(x: float, y: float, words: str, css: str = "", anchor: str = "") -> str:
    """Words with their baseline at y."""
    return tag("text", escape(words), x=x, y=y, css=css, text_anchor=anchor)


def line(x1: float, y1: float, x2: float, y2: float, css: str) -> str:
    """A straight line as SVG; coordinates in pixels."""
    return tag("line", x1=x1, y1=y1, x2=x2, y2=y2, css=css)


def bar(x: float, y: float, width: float, height: float, css: str, title: str = "") -> str:
    """A rectangle with a tooltip; place and size in pixels."""
    inside = tag("title", escape(title)) if title else ""
    return tag("rect", inside, x=x, y=y, width=round(max(width, 0), 1), height=height, css=css)


def whisker(low: float, high: float, y: float, css: str = "whisker") -> str:
    """An interval from low to high (pixels) with end caps."""
    path = f"M{low} {y - 4}V{y + 4}M{low} {y}H{high}M{high} {y - 4}V{y + 4}"
    return tag("path", d=path, css=css)


def polyline(points: Points, look: Look, css: str = "") -> str:
    """A series as a line; points in pixels."""
    path = " ".join(f"{x},{y}" for x, y in points)
    return tag(
        "polyline", points=path, css=f"series {look.css} {css}".strip(), stroke_dasharray=look.dash
    )


def marker(x: float, y: float, look: Look, title: str = "") -> str:
    """One point of a series, with a tooltip; place in pixels."""
    size = 4.2
    offsets = {
        "square": ((-1, -1), (1, -1), (1, 1), (-1, 1)),
        "triangle": ((0, -1.2), (1.15, 0.9), (-1.15, 0.9)),
        "diamond": ((0, -1.3), (1.3, 0), (0, 1.3), (-1.3, 0)),
        "down": ((0, 1.2), (1.15, -0.9), (-1.15, -0.9)),
    }.get(look.marker)
    inside = tag("title", escape(title)) if title else ""
    if offsets is None:
        return tag("circle", inside, cx=x, cy=y, r=size, css=f"point {look.css}")
    corners = " ".join(f"{x + dx * size * 0.9:.1f},{y + dy * size * 0.9:.1f}" for dx, dy in offsets)
    return tag("polygon", inside, points=corners, css=f"point {look.css}")


def cross(x: float, y: float, look: Look, title: str) -> str:
    """A point that does not count."""
    path = f"M{x - 4} {y - 4}l8 8m0 -8l-8 8"
    return tag("path", tag("title", escape(title)), d=path, css=f"cross {look.css}")


def picture(width: float, height: float, name: str, *inside: str) -> str:
    """A whole plot; `name` is what a screen reader says of it."""
    size = f"0 0 {width:g} {height:g}"
    return tag(
        "svg",
        *inside,
        viewBox=size,
        role="img",
        aria_label=name,
        xmlns="http://www.w3.org/2000/svg",
    )


def swatch(look: Look) -> str:
    """A short piece of a series, for a legend."""
    return picture(30, 14, "", polyline([(1, 7), (29, 7)], look), marker(15, 7, look)).replace(
        'role="img"', 'aria-hidden="true"'
    )
