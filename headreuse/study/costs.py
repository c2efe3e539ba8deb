"""What a study needs at the least, in bytes and seconds, so that what no machine can do is refused before it begins.

Every number is a lower bound, worked out from the study alone, on a machine faster and larger than any there is
(`limits.py`). Nothing is measured. P is the number of parameters in the blocks of a model, embeddings left out:

- memory of a model: 16 P bytes for weights, gradients and Adam's two moments in 32 bits;
- memory of a batch: in each layer 6 d_model + 3 d_mlp numbers of 2 bytes for each token, kept for the way back;
- training: 6 P operations for each token (Kaplan et al. 2020, arXiv 2001.08361, section 2.1), and the batches drawn;
- evaluation at a checkpoint: 2 P operations for each token of each example at each length;
- head scores: 4 outcomes of 4 bytes for each head and example.

A prompt with its answer is taken to have 2 tokens for each unit of length, and 4 more.
"""

from dataclasses import dataclass

from headreuse.study import limits
from headreuse.study.config import Study
from headreuse.study.group import Group
from headreuse.study.model_spec import ModelSpec

BYTES_A_PARAMETER = 16
BYTES_A_SCORE = 16


@dataclass(frozen=True)
class Costs:
    """Of one model of a group: bytes of memory, and seconds on a very fast machine."""

    state_bytes: float
    """The model while it is trained."""
    batch_bytes: float
    score_bytes: float
    train_seconds: float
    evaluate_seconds: float
    """At all checkpoints together."""

    @property
    def seconds(self) -> float:
        """Training and measuring."""
        return self.train_seconds + self.evaluate_seconds


def n_parameters(model: ModelSpec) -> int:
    """Of a model's blocks: query, key, value and output of attention, and the three matrices of a gated MLP."""
    d_kv = model.d_model * (model.n_key_value_heads or model.n_heads) // model.n_heads
    attention = 2 * model.d_model * (model.d_model + d_kv)
    return model.n_layers * (attention + 3 * model.d_model * _d_mlp(model))


def costs_of(study: Study, group: Group) -> Costs:
    """What one model of a group needs at the least."""
    model, spec, measures = study.model_of(group), group.training, study.measures
    parameters = n_parameters(model)
    batch_tokens = spec.batch_size * _n_tokens(group.trained_to)
    n_drawn = float(spec.steps) * spec.batch_size
    mean_length = sum(entry.min_length + entry.max_length for entry in group.tasks) / (2 * len(group.tasks))
    operations = 6.0 * parameters * n_drawn * _n_tokens(mean_length)
    n_checkpoints = spec.checkpoints.n_steps(spec.steps)
    return Costs(
        state_bytes=float(BYTES_A_PARAMETER) * parameters,
        batch_bytes=2.0 * batch_tokens * model.n_layers * (6 * model.d_model + 3 * _d_mlp(model)),
        score_bytes=float(BYTES_A_SCORE) * measures.n_score_examples * model.n_layers * model.n_heads,
        train_seconds=max(
            operations / limits.FLOPS,
            n_drawn / limits.EXAMPLES_PER_SECOND,
            spec.steps / limits.STEPS_PER_SECOND,
        ),
        evaluate_seconds=2.0 * parameters * n_checkpoints * _evaluated_tokens(study, group) / limits.FLOPS,
    )


def _evaluated_tokens(study: Study, group: Group) -> float:
    """At one checkpoint, of all examples of all tasks at the lengths of their curves."""
    last, step = study.evaluated_to(group), study.measures.length_step
    per_task = (
        ((last - entry.min_length) / step + 1) * _n_tokens((entry.min_length + last) / 2) for entry in group.tasks
    )
    return study.measures.n_examples * sum(per_task)


def _n_tokens(length: float) -> float:
    return 2 * length + 4


def _d_mlp(model: ModelSpec) -> int:
    return model.d_mlp or 4 * model.d_model
