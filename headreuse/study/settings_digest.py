"""What the checkpoints of a group depend on, as one short text: another text, other checkpoints."""

import hashlib
import json

from headreuse.study.config import Study
from headreuse.study.group import Group

SHORT = 16
NOT_TRAINED_ON = {"name", "kind", "source", "transfer_to", "evaluate_to", "model", "training", "heads"}
"""Of a group; its model and its training count as they are filled in, its heads where tasks are confined to some."""

NOT_IN_RESULTS = {"log_every", "report_to", "micro_batch", "gradient_checkpointing"}
"""Of training: what changes its log, its memory and its time alone."""


def training_digest(study: Study, group: Group) -> str:
    """Of the model, the training, the tasks and the data of a group that is trained here.

    Settings that have their default are left out, so that a setting which a later version adds changes nothing.
    """
    masks = {"heads": group.heads_by_task} if group.heads else {}
    model = study.model_of(group)
    learned = {"positions_to": study.positions_to(group)} if model.has_position_rows else {}
    settings = {
        "model": model.model_dump(mode="json", exclude_defaults=True) | learned,
        "training": group.training.model_dump(mode="json", exclude_defaults=True, exclude=NOT_IN_RESULTS),
        "group": group.model_dump(mode="json", exclude_defaults=True, exclude=NOT_TRAINED_ON) | masks,
        "twins": group.twins,
        "study": {name: getattr(study, name) for name in ("alphabet_size", "grid_size", "data_seed")},
        "files": {name: study.task_file(name) for name in group.task_names},
    }
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:SHORT]
