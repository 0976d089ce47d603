"""The videos of a DAG, a run and a task, as pages inside Airflow's UI (Airflow 3.1.1 and later)."""

#: Where the pages are mounted, below Airflow's own address.
URL_PREFIX = "/runway-videos"
