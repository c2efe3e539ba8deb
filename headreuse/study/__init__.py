"""What a study asks for: its file, checked, with its groups unfolded."""

from headreuse.study.config import Study
from headreuse.study.explaining import StudyError
from headreuse.study.group import Group
from headreuse.study.measure_spec import MeasureSpec
from headreuse.study.model_spec import ModelSpec
from headreuse.study.reading import parse_study, read_study
from headreuse.study.task_range import TaskRange
from headreuse.study.training_spec import CheckpointSchedule, TrainingSpec

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
