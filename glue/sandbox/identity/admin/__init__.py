"""The admin REST API, a module per part of it."""
