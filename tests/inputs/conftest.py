"""The fixtures that every folder with tasks shares."""

from task_fixtures import gateway, logged, newest_airflow, quick, said, ti

__all__ = ["gateway", "logged", "newest_airflow", "quick", "said", "ti"]
