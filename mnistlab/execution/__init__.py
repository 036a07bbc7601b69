"""The same work in processes here or on a Dask cluster."""
