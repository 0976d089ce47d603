"""The fixtures that every folder with tasks shares."""

from link_xcoms import xcom_reads
from task_fixtures import gateway, has_state_store, logged, quick, ti

__all__ = ["gateway", "has_state_store", "logged", "quick", "ti", "xcom_reads"]
