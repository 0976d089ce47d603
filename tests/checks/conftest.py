"""Fixtures of both transports and the emulator."""

from transport_fixtures import *  # noqa: F403
