"""What a study asks for: its file, checked, with its groups unfolded."""

from headreuse.study.config import Group, Study
from headreuse.study.explaining import StudyError
from headreuse.study.reading import parse_study, read_study
from headreuse.study.specs import CheckpointSchedule, MeasureSpec, ModelSpec, TaskRange, TrainingSpec

__all__ = [
    "CheckpointSchedule",
    "Group",
    "MeasureSpec",
    "ModelSpec",
    "Study",
    "StudyError",
    "TaskRange",
    "TrainingSpec",
    "parse_study",
    "read_study",
]
