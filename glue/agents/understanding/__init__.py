"""From plain text to what is asked for: task type, complexity, extras, details, evidence. Offline and deterministic."""

from glue.agents.understanding.analysis import Analysis, Complexity, Evidence, TaskType, analyse
from glue.agents.understanding.details import Details

__all__ = ["Analysis", "Complexity", "Details", "Evidence", "TaskType", "analyse"]
