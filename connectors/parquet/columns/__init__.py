"""Connect's schemas and values as Arrow's, and back to a form that can be compared."""
