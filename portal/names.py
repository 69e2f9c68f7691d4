"""What things of a plan are called in running text. Templates and pages say them in the reader's language."""

METERS = {"api_calls": "API calls", "agent_credits": "agent credits", "agent_tokens": "agent tokens", "seats": "seats"}
FEATURES = {"exports": "Exports", "own_models": "Own models", "priority_support": "Priority support"}
