"""Actions: what a person may ask for. Each writes an intent and marks the tenant; convergence does the rest. May import doors, converge, meter and below."""
