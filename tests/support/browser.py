"""Debian's Chromium, driven by playwright, for tests of pages."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, FrameLocator, Page, expect, sync_playwright

from local_airflow import LocalAirflow

#: A busy machine takes this long for a page of Airflow's.
PATIENCE_MS = 60_000
expect.set_options(timeout=PATIENCE_MS)


@contextmanager
def starting_browser() -> Iterator[Browser]:
    """Start a headless browser, or skip the test where there is none."""
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        pytest.skip("there is no Chromium, so no page was tested in a browser: `make browser` installs Debian's")
    with sync_playwright() as playwright:
        # as root there is no sandbox, as in a container
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


class Visitor:
    """A user of Airflow at a browser.

    :param login: name and password; None: nobody has logged in.
    :param options: of playwright's ``new_context``.
    """

    def __init__(self, browser: Browser, airflow: LocalAirflow, login: tuple[str, str] | None, **options: Any) -> None:
        self.airflow = airflow
        self.context: BrowserContext = browser.new_context(viewport={"width": 1500, "height": 900}, **options)
        self.context.set_default_timeout(PATIENCE_MS)
        if login is not None:
            body = dict(zip(("username", "password"), login, strict=True))
            token = self.context.request.post(f"{airflow.url}/auth/token", data=body).json()["access_token"]
            cookie = {"name": "_token", "value": token, "domain": "127.0.0.1", "path": "/"}
            self.context.add_cookies([cookie])  # type: ignore[list-item]
        self.page: Page = self.context.new_page()
        #: What the browser complained about: scripts that failed or that the policy of a page refused.
        self.errors: list[str] = []
        self.page.on("pageerror", lambda error: self._note_exception(str(error)))
        self.page.on("console", lambda message: self._note(message.type, message.text))

    def _note_exception(self, text: str) -> None:
        if text != "signal is aborted without reason":  # Airflow 3.2's own pages, when one of them is left
            self.errors.append(text)

    def _note(self, kind: str, text: str) -> None:
        if kind == "error" and ("Content Security Policy" in text or "Refused" in text):
            self.errors.append(text)

    def open(self, path: str) -> Page:
        """Open a page by its path below Airflow's address."""
        self.page.goto(f"{self.airflow.url}{path}")
        return self.page

    def open_tab(self, path: str) -> FrameLocator:
        """Open a page of Airflow's that shows a tab of ours, and return the frame in it."""
        self.open(path)
        return self.page.frame_locator("iframe")
