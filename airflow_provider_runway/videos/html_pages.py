"""Renders the pages: tiles as HTML, and the headers that say what a page may load."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined

from airflow_provider_runway.videos import URL_PREFIX
from airflow_provider_runway.videos.media_roots import MediaRoots
from airflow_provider_runway.videos.page_scope import PageScope
from airflow_provider_runway.videos.tile_listing import TileFilter, TilePage, Totals
from airflow_provider_runway.videos.tiles import FAILED, SUBMITTED, SUCCESS, WAITING, TaskKey, Tile, find_origin

#: The words of the page for the states of a tile.
STATE_WORDS = {SUCCESS: "Success", WAITING: "Waiting", FAILED: "Failed", SUBMITTED: "Submitted"}
_STATE_LINKS = (("", "All"), *((state, STATE_WORDS[state]) for state in (SUCCESS, WAITING, FAILED)))

_JINJA = Environment(
    loader=PackageLoader(__package__), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)


@dataclass(frozen=True, slots=True)
class Source:
    """Where one output can be loaded from: the stored file first, then its public URL."""

    urls: tuple[str, ...]
    download_url: str | None
    path: str | None
    is_image: bool


@dataclass(frozen=True, slots=True)
class Addresses:
    """The addresses of one Airflow, for links.

    :param base: the path of Airflow's own address, "" or like "/team".
    """

    base: str

    @property
    def root(self) -> str:
        """The address of the pages."""
        return self.base + URL_PREFIX

    def page(self, scope: PageScope, wanted: TileFilter | None = None, **changes: Any) -> str:
        """Return the address of a page, with a filter and changes of it."""
        query = {"state": wanted.state, "q": wanted.text, "offset": wanted.offset} if wanted else {}
        query = {name: value for name, value in (query | changes).items() if value}
        return f"{self.root}{scope.path}" + (f"?{urlencode(query)}" if query else "")

    def airflow(self, scope: PageScope) -> str:
        """Return the address of Airflow's own page."""
        return self.base + scope.find_airflow_path()

    def output(self, key: TaskKey, index: int) -> str:
        """Return the address of a stored output."""
        task = PageScope(key.dag_id, key.run_id, key.task_id, key.map_index)
        row = "" if key.row is None else f"?row={key.row}"
        return f"{self.root}/media{task.path}/{index}{row}"

    def reason(self, tile: Tile) -> str:
        """Return the address of why a tile's task failed."""
        key = tile.key
        return (
            f"{self.root}/reason{PageScope(key.dag_id, key.run_id, key.task_id, key.map_index).path}/{tile.try_number}"
        )


def render_page(
    addresses: Addresses, scope: PageScope, wanted: TileFilter, page: TilePage, roots: MediaRoots, now: float
) -> tuple[str, frozenset[str]]:
    """Return a page, and the origins of the public URLs in it."""
    sources = {tile.key: find_sources(tile, addresses, roots, now) for tile in page.tiles}
    origins = frozenset(
        find_origin(url) for parts in sources.values() for part in parts for url in part.urls if url.startswith("http")
    )
    batch_tile = page.batch_tile
    is_complete = batch_tile is None and not wanted.offset and page.next_offset is None and not wanted.text
    totals = Totals.of((batch_tile,)) if batch_tile else Totals.of(page.tiles) if is_complete else None
    html = _JINJA.get_template("videos.html").render(
        addresses=addresses,
        scope=scope,
        wanted=wanted,
        page=page,
        tiles=[(tile, sources[tile.key]) for tile in page.tiles],
        totals=totals if not wanted.state else None,
        totals_url=f"{addresses.root}/totals{scope.path}" if batch_tile is None else "",
        state_links=_STATE_LINKS,
        state_words=STATE_WORDS,
        now=now,
        iso=format_iso,
        clock=format_clock,
        money=format_money,
        PageScope=PageScope,
        why_not_shown=lambda tile: explain_missing_preview(tile, has_roots=bool(roots.roots)),
    )
    return html, origins


def find_sources(tile: Tile, addresses: Addresses, roots: MediaRoots, now: float) -> list[Source]:
    """Return where the outputs of a tile can be loaded from."""
    found = []
    for index, output in enumerate(tile.outputs):
        is_readable = output.path is not None and roots.find_file(output.path, tile.key.dag_id) is not None
        stored_url = addresses.output(tile.key, index) if is_readable else None
        public_url = output.url if tile.are_urls_alive(now) else None
        urls = tuple(url for url in (stored_url, public_url) if url is not None)
        name = (output.path or output.url or "").partition("?")[0].lower()
        is_image = name.endswith((".png", ".jpg", ".jpeg", ".webp", ".gif", ".avif"))
        download_url = (
            public_url if stored_url is None else f"{stored_url}{'&' if '?' in stored_url else '?'}download=1"
        )
        found.append(Source(urls, download_url, output.path, is_image))
    return found


def explain_missing_preview(tile: Tile, *, has_roots: bool) -> str:
    """Return why an output that exists cannot be shown."""
    gone = "Its public URL has expired" if any(output.url for output in tile.outputs) else "It has no public URL"
    if not any(output.path for output in tile.outputs):
        return f"{gone}."
    where = "The stored file is outside of [runway] videos_roots" if has_roots else "[runway] videos_roots is not set"
    return f"{where}. {gone}."


def render_problem(addresses: Addresses, title: str, text: str, login_url: str = "") -> str:
    """Return a page that says why there is nothing to see."""
    return _JINJA.get_template("problem.html").render(addresses=addresses, title=title, text=text, login_url=login_url)


def render_totals(totals: Totals) -> str:
    """Return the head line's text as an HTML fragment."""
    return _JINJA.get_template("totals.html").render(totals=totals, money=format_money)


def build_headers(origins: Iterable[str] = ()) -> dict[str, str]:
    """Return the headers of a page, which may load its own files, and media of some origins.

    It may stand in a frame of Airflow only, and nothing of it is stored: it is for one person.
    """
    media = " ".join(["'self'", *sorted(origins)])
    return {
        "Content-Security-Policy": (
            "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
            f"img-src {media}; media-src {media}; form-action 'self'; frame-ancestors 'self'; base-uri 'none'"
        ),
        "Cache-Control": "no-store",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }


def format_iso(seconds: float) -> str:
    """Return a time as ISO 8601, for a program."""
    return _to_datetime(seconds).isoformat(timespec="seconds")


def format_clock(seconds: float) -> str:
    """Return a time for a person whose browser does not say it in their own zone."""
    return _to_datetime(seconds).strftime("%Y-%m-%d %H:%M UTC")


def format_money(dollars: float) -> str:
    """Return an amount in USD."""
    return f"${dollars:,.2f}"


def _to_datetime(seconds: float) -> datetime:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):  # a hostile timestamp
        return datetime.fromtimestamp(0, UTC)
