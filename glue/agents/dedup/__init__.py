"""Which conversations are the same: duplicate (nothing said more or less), near (one group, none to delete unseen), different."""

from glue.agents.dedup.candidates import Pair, find_related
from glue.agents.dedup.canonical import Conversation, read_conversation
from glue.agents.dedup.compare import DIFFERENT, DUPLICATE, NEAR, compare

__all__ = ["DIFFERENT", "DUPLICATE", "NEAR", "Conversation", "Pair", "compare", "find_related", "read_conversation"]
