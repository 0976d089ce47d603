"""Both transports, and small servers on loopback for what no gateway does."""

from transport_fixtures import *  # noqa: F403
