"""Fixtures of both transports, and small servers on loopback."""

from transport_fixtures import *  # noqa: F403
