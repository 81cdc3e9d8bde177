"""A tree of files, local or on S3."""
