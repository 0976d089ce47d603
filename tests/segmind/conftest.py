"""Handmade responses, and a driver for exchanges."""

from exchange_fixtures import *  # noqa: F403
