"""What a DAG author puts into a DAG to wait for a video."""
