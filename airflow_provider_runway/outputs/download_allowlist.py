"""Where a download may go: to the hosts that the connection names or the API returned, and never less safely."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from airflow_provider_runway.exceptions import BadConnectionError
from airflow_provider_runway.segmind.http import BaseUrls, parse_origin


@dataclass(frozen=True, slots=True)
class DownloadAllowlist:
    """The hosts and ports that one job's outputs may be fetched from.

    :param plain: http will do, because the gateway itself is reached so: an emulator, a test.
    """

    places: frozenset[tuple[str, int]]
    plain: bool = False

    @classmethod
    def for_job(cls, base_urls: BaseUrls, output_urls: Iterable[str]) -> DownloadAllowlist:
        """Return the reach of a job: the connection's hosts, and those of its outputs as the API named them."""
        known = [parse_origin(url) for url in (base_urls.gateway, base_urls.storage, base_urls.history)]
        for url in output_urls:
            try:
                known.append(parse_origin(url))
            except BadConnectionError:
                continue  # which `objection` says, where that one is fetched
        return cls(frozenset((host, port) for _, host, port in known), plain=known[0][0] == "http")

    def rejection_reason(self, url: str, after: str | None = None) -> str:
        """Return why an address is not asked, or "".

        :param after: the address that redirects there; None for an output's own.
        """
        try:
            scheme, host, port = parse_origin(url)
        except BadConnectionError:
            return "its address is no http(s) address, or has a user part"
        if scheme == "http" and not self.plain:
            return f"its address at {host} is plain http, and the connection's gateway is https"
        if after is not None and scheme == "http" and after.startswith("https:"):
            return f"a redirect to {host} goes from https to http"
        at_home = (host, port) in self.places or (port == 443 and host in {known for known, _ in self.places})
        if not at_home:
            return f"it is at {host}:{port}, which neither the connection names nor the API returned for this job"
        return ""
