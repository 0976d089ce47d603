"""Both transports, small servers on loopback, and task instances."""

from task_fixtures import gateway, has_state_store, lineage_collector, logged, quick, ti  # noqa: F401
from transport_fixtures import *  # noqa: F403
