"""What every room uses: files, HDF5, tables, logs, provenance."""
