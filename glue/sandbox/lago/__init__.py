"""Lago's REST API as the open-source edition of 1.51.0 was seen to behave, on a clock that can be moved.

One organization, one API key. ``world`` holds the state, a module per subject holds its calls and what they show,
``jobs`` does what falls due by itself, ``delivery`` sends the webhooks, ``app`` speaks HTTP.
"""
