"""Decides which URLs a download may request: known hosts, and public https hosts that a redirect leads to."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from airflow_provider_runway.exceptions import BadConnectionError
from airflow_provider_runway.segmind.http import BaseUrls, parse_origin

#: (host, port) -> the IP addresses of the host. Raises OSError where it has none.
Resolve = Callable[[str, int], Iterable[str]]


def resolve_addresses(host: str, port: int) -> list[str]:
    """Return the IP addresses of a host."""
    return [str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


@dataclass(frozen=True, slots=True)
class DownloadAllowlist:
    """Where one job's outputs may be downloaded from.

    :param known_hosts: (host, port) of the connection's URLs, and of the job's outputs as the API returned them.
    :param connection_hosts: (host, port) of the connection's URLs alone.
    :param allows_http: plain http is fine, because the gateway itself is reached by it: an emulator, a test.
    """

    known_hosts: frozenset[tuple[str, int]]
    connection_hosts: frozenset[tuple[str, int]]
    allows_http: bool = False

    @classmethod
    def for_job(cls, base_urls: BaseUrls, output_urls: Iterable[str]) -> DownloadAllowlist:
        """Return the allowlist of a job: the hosts of its connection and of its outputs as the API returned them."""
        own = [parse_origin(url) for url in (base_urls.gateway, base_urls.storage, base_urls.history)]
        connection_hosts = frozenset((host, port) for _, host, port in own)
        output_hosts = set()
        for url in output_urls:
            try:
                _, host, port = parse_origin(url)
            except BadConnectionError:
                continue  # get_rejection_reason() refuses it when it is downloaded
            output_hosts.add((host, port))
        return cls(connection_hosts | output_hosts, connection_hosts, allows_http=own[0][0] == "http")

    def get_rejection_reason(
        self, url: str, redirected_from: str | None = None, resolve: Resolve = resolve_addresses
    ) -> str:
        """Return why a URL must not be requested, or "".

        The video is paid for, so a redirect to a host that is not known is followed. It must be https, and its
        addresses must be public, so that no redirect reaches into the network of the worker; unless the connection
        itself leads there. Between this check and the connection the name could change its address, but then the
        certificate would not match the name.

        :param redirected_from: the URL that redirects here; None for the output's own URL.
        :param resolve: looks up addresses; called for redirects to unknown hosts only.
        :raises OSError, UnicodeError: the name of such a host cannot be resolved.
        """
        try:
            scheme, host, port = parse_origin(url)
        except BadConnectionError:
            return "its address is no http(s) URL, or has a user part"
        if scheme == "http" and not self.allows_http:
            return f"its address at {host} is plain http, and the connection's gateway is https"
        if redirected_from is not None and scheme == "http" and redirected_from.startswith("https:"):
            return f"a redirect to {host} goes from https to http"
        if (host, port) in self.known_hosts or (port == 443 and host in {known for known, _ in self.known_hosts}):
            return ""
        if redirected_from is None:
            return f"it is at {host}:{port}, which neither the connection names nor the API returned for this job"
        if all(map(_is_public, resolve(host, port))):
            return "" if scheme == "https" else f"a redirect to {host} leads to another host by plain http"
        if any(_is_private_host(own, resolve) for own in self.connection_hosts):
            return ""
        return f"a redirect leads to {host}, which is in a private network, and the connection's own hosts are not"


def _is_private_host(host_and_port: tuple[str, int], resolve: Resolve) -> bool:
    try:
        return not all(map(_is_public, resolve(*host_and_port)))
    except (OSError, UnicodeError):
        return False


def _is_public(address: str) -> bool:
    """Is this an address of the internet, and not a private, loopback, link-local or reserved one?"""
    ip = ipaddress.ip_address(address.partition("%")[0])  # without the zone of a link-local address
    ip = getattr(ip, "ipv4_mapped", None) or ip
    return ip.is_global and not ip.is_multicast
