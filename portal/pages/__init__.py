"""A module per page: authorize, read, build the context, render."""
