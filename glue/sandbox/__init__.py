"""Sandboxes: Lago, Keygen and an identity provider as real HTTP servers on one virtual clock.

They imitate what the real systems were seen to do and share no code with the rest of glue, so that our
adapters and our imitations cannot share a mistake. May import nothing of glue outside this package.
"""
