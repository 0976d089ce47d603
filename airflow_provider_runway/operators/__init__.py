"""What a DAG author puts into a DAG to make a video."""
