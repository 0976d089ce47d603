"""Tells Airflow's assets and OpenLineage what a task read, what it wrote, and what that cost."""
