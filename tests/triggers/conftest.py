"""The fixtures that every folder with tasks shares."""

from task_fixtures import gateway, has_state_store, logged, quick, ti

__all__ = ["gateway", "has_state_store", "logged", "quick", "ti"]
