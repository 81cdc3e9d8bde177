"""A source and a sink that need no server: installed for the runtime's tests by putting this folder on the path."""
