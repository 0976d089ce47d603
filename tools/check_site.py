"""Check a built docs site without a network: ``python tools/check_site.py docs/_build``.

Every link within the site leads to a page and an anchor that exist, every picture, style and script is a file of the
site, no id stands twice on a page, and the search index knows every page. Links to other hosts are not opened.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

#: Tags that load a file, and the attribute that names it.
LOADING = {"img": "src", "script": "src", "link": "href", "source": "src", "iframe": "src", "video": "src"}
#: Pages without content of their own, which no search finds.
GENERATED = {"genindex", "search", "py-modindex"}


class Page(HTMLParser):
    """What one page links to, loads and offers as anchors."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.files: list[str] = []
        self.ids: Counter[str] = Counter()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect a tag's links and its id."""
        values = {name: value for name, value in attrs if value is not None}
        if "id" in values:
            self.ids[values["id"]] += 1
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        if (attribute := LOADING.get(tag)) and attribute in values:
            self.files.append(values[attribute])


def find_problems(site: Path) -> Iterator[str]:
    """Yield what is wrong, a sentence each."""
    pages = {path.resolve(): Page(path.read_text()) for path in sorted(site.rglob("*.html"))}
    if not pages:
        yield f"{site} has no page"
        return
    for path, page in pages.items():
        name = path.relative_to(site.resolve())
        for link in page.links:
            if reason := _find_fault_of_link(link, path, pages):
                yield f"{name}: {link} {reason}"
        for file in page.files:
            if urlsplit(file).scheme not in ("", "data"):
                yield f"{name}: {file} would be loaded from another host"
            elif urlsplit(file).scheme == "" and not (path.parent / unquote(urlsplit(file).path)).exists():
                yield f"{name}: {file} does not exist"
        for anchor, count in page.ids.items():
            if count > 1:
                yield f"{name}: the id {anchor!r} stands {count} times on the page"
    yield from _find_unindexed(site, {str(path.relative_to(site.resolve()).with_suffix("")) for path in pages})


def _find_fault_of_link(link: str, path: Path, pages: dict[Path, Page]) -> str | None:
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        return None if parts.scheme in ("https", "http", "mailto") else "has a scheme that no reader can follow"
    target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
    if not target.exists():
        return "leads to a page that does not exist"
    anchor = unquote(parts.fragment)
    if anchor and target in pages and anchor not in pages[target].ids:
        return "leads to an anchor that does not exist"
    return None


def _find_unindexed(site: Path, names: set[str]) -> Iterator[str]:
    index = site / "searchindex.js"
    if not index.exists():
        yield "the site has no search index"
        return
    found = re.search(r'"docnames":\s*\[(.*?)\]', index.read_text(), re.DOTALL)
    indexed = set(re.findall(r'"([^"]+)"', found[1])) if found else set()
    for name in sorted(names - indexed - GENERATED):
        if not name.startswith("_modules/"):
            yield f"{name}.html: the search does not know this page"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print every problem; return the exit code."""
    parser = argparse.ArgumentParser(description="Check the links, anchors and files of a built docs site.")
    parser.add_argument("site", type=Path, help="folder of the built site")
    site = parser.parse_args(arguments).site
    problems = list(find_problems(site))
    for problem in problems:
        print(problem)
    if not problems:
        print(f"{site}: {len(list(site.rglob('*.html')))} pages, all links and anchors lead somewhere")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
