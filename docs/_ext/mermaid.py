"""The ``mermaid`` block of the docs: drawn as SVG when the site is built."""

from __future__ import annotations

from typing import Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import Directive

from mermaid_to_svg import draw_svg, make_rows, parse_flowchart


class MermaidDirective(Directive):
    """A ``mermaid`` block, drawn."""

    has_content: ClassVar[bool] = True

    def run(self) -> list[nodes.Node]:
        """Return the drawing."""
        try:
            names, arrows = parse_flowchart("\n".join(self.content))
        except ValueError as problem:
            raise self.error(f"This block cannot be drawn: {problem}.") from None
        title = "; ".join(f"{source} to {target}" for source, target in arrows)
        svg = draw_svg(make_rows(names, arrows), arrows, f"Flowchart: {title}")
        return [nodes.raw("", f'<div class="drawing">{svg}</div>', format="html")]


def setup(app: Any) -> dict[str, Any]:
    """Add the directive to Sphinx."""
    app.add_directive("mermaid", MermaidDirective)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
