"""The API: FastAPI beside the hot path, one table from errors to HTTP, health and metrics. May import wiring and below."""
