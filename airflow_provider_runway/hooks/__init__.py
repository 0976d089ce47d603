"""From an Airflow connection to the API: for workers (``requests``) and for event loops (``aiohttp``)."""
