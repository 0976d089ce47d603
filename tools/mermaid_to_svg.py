"""Draws flowcharts as SVG. The docs use it for ``mermaid`` blocks, so that a page needs no script.

It knows one form of Mermaid, a ``flowchart TD`` of plain names and arrows: each line is ``a --> b``, or a name alone.
GitHub draws the same block in the file's own page.
"""

from __future__ import annotations

import re
from html import escape

BOX_HEIGHT, ROW_HEIGHT, GAP, CHARACTER_WIDTH = 30, 74, 18, 8.2
_ARROW = re.compile(r"^(\w+)\s*-->\s*(\w+)$")

Arrow = tuple[str, str]


def parse_flowchart(text: str) -> tuple[list[str], list[Arrow]]:
    """Return the names in the order of their first mention, and the arrows.

    :raises ValueError: a line is not of the form above.
    """
    names: dict[str, None] = {}
    arrows = []
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if lines[:1] != ["flowchart TD"]:
        raise ValueError("the first line is not `flowchart TD`")
    for line in lines[1:]:
        if match := _ARROW.match(line):
            arrows.append((match[1], match[2]))
            names.update(dict.fromkeys(match.groups()))
        elif re.fullmatch(r"\w+", line):
            names[line] = None
        else:
            raise ValueError(f"{line!r} is not `a --> b`")
    return list(names), arrows


def make_rows(names: list[str], arrows: list[Arrow]) -> list[list[str]]:
    """Return the names in rows, each name above all that its arrows lead to, with few crossings."""
    depth: dict[str, int] = {}

    def depth_of(name: str) -> int:
        if name not in depth:
            depth[name] = 1 + max((depth_of(target) for source, target in arrows if source == name), default=-1)
        return depth[name]

    rows: list[list[str]] = [[] for _ in range(1 + max(map(depth_of, names)))]
    for name in names:
        rows[len(rows) - 1 - depth[name]].append(name)
    for _ in range(4):  # place each name near the middle of its neighbours
        places = {name: (number + 0.5) / len(row) for row in rows for number, name in enumerate(row)}
        for row in rows:
            row.sort(key=lambda name: _mean_place(name, arrows, places))
    return rows


def _mean_place(name: str, arrows: list[Arrow], places: dict[str, float]) -> float:
    neighbours = [places[a if b == name else b] for a, b in arrows if name in (a, b)]
    return sum(neighbours) / len(neighbours) if neighbours else 1.0


def draw_svg(rows: list[list[str]], arrows: list[Arrow], title: str) -> str:
    """Return the drawing. Its colours are those of the page, also in dark mode."""
    widths = {name: len(name) * CHARACTER_WIDTH + 20 for row in rows for name in row}
    row_widths = [sum(widths[name] + GAP for name in row) - GAP for row in rows]
    total = max(row_widths) + 4
    boxes: dict[str, tuple[float, float]] = {}
    for number, row in enumerate(rows):
        spare = (total - row_widths[number]) / (len(row) + 1)
        x = spare
        for name in row:
            boxes[name] = (x, number * ROW_HEIGHT + 2)
            x += widths[name] + GAP + spare
        _keep_inside(row, boxes, widths, total)
    parts = []
    for source, target in arrows:
        x1, y1 = boxes[source][0] + widths[source] / 2, boxes[source][1] + BOX_HEIGHT
        x2, y2 = boxes[target][0] + widths[target] / 2, boxes[target][1]
        bend = (y2 - y1) / 2
        parts.append(
            f'<path d="M{x1:.0f} {y1:.0f}C{x1:.0f} {y1 + bend:.0f} {x2:.0f} {y2 - bend:.0f} {x2:.0f} {y2:.0f}"/>'
        )
    for name, (x, y) in boxes.items():
        parts.append(f'<rect x="{x:.0f}" y="{y:.0f}" width="{widths[name]:.0f}" height="{BOX_HEIGHT}" rx="5"/>')
        parts.append(f'<text x="{x + widths[name] / 2:.0f}" y="{y + 20:.0f}">{escape(name)}</text>')
    height = (len(rows) - 1) * ROW_HEIGHT + BOX_HEIGHT + 4
    return (
        f'<svg class="flowchart" role="img" aria-label="{escape(title)}" viewBox="0 0 {total:.0f} {height}" '
        f'style="min-width: {min(total, 640):.0f}px; max-width: {total * 1.15:.0f}px">{"".join(parts)}</svg>'
    )


def _keep_inside(row: list[str], boxes: dict[str, tuple[float, float]], widths: dict[str, float], total: float) -> None:
    """Move a row to the left where the spare room made it too wide."""
    excess = max(boxes[row[-1]][0] + widths[row[-1]] - total + 2, 0.0)
    for number, name in enumerate(row):
        x, y = boxes[name]
        boxes[name] = (x - excess * (number + 1) / len(row), y)
