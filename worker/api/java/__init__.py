"""How Java writes and reads numbers, dates and header values: for plugins whose results must be those of Java's."""
