"""The Segmind API as values: no clock, no randomness, no I/O, no logging and no Airflow in here."""
