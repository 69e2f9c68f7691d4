"""What a customer's program imports: check, consume, hold, usage, license files. Imports nothing of glue."""
