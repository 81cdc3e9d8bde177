"""Views as Parquet files, in a local folder or on S3."""
