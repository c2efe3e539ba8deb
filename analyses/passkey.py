"""How far past its training is a passkey found, and do heads choose its chunk? Over all models of a run folder.

python -m analyses.passkey RUN_FOLDER --out analyses/results/systems/passkey [--times 1 2 4 8] [--examples 64]

takes the last checkpoint of every finished run and, at so many times the longest training length, measures the accuracy
of each task (passkey.csv) and, where the model attends to chunks, how often each head chooses the chunk that holds the
key, and how alike its choices are for two tasks on the same noise and keys (choices.csv); passkey.json has study,
seeds, versions and command.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int
from transformers import PreTrainedModel

from analyses.runs import last_models, parser_of, write_tables
from headreuse.errors import HeadreuseError
from headreuse.evaluation import evaluate
from headreuse.models.hsa import HsaForCausalLM, choices_alike, hit_rate
from headreuse.prompts import Vocabulary
from headreuse.records import Prompts
from headreuse.store.folder import RunFolder
from headreuse.study import Study
from headreuse.study.streams import Stream
from headreuse.tasks.passkey import MARK

MICRO_BATCH = 16
"""Prompts at once: patterns grow with the square of their length."""
ACCURACY = ("group", "seed", "step", "task", "length", "n", "accuracy")
CHOICES = ("group", "seed", "step", "task", "other_task", "length", "n", "layer", "head", "hit_rate", "choices_alike")


@dataclass(frozen=True)
class Asked:
    """One model, with the prompts of every task at one length: the same noise and keys for each."""

    run: tuple[str, int | str, int]
    model: PreTrainedModel
    prompts: dict[str, Prompts]
    needles: Bool[np.ndarray, "prompt pos"]
    length: int

    def accuracies(self) -> Iterator[tuple[object, ...]]:
        """Rows of `ACCURACY`."""
        for task, prompts in self.prompts.items():
            exact = evaluate(self.model, prompts, micro_batch=MICRO_BATCH).outcomes["exact_match"]
            yield (*self.run, task, self.length, len(exact), float(exact.mean()))

    def choices(self) -> Iterator[tuple[object, ...]]:
        """Rows of `CHOICES`: of a task its hits, of two tasks how alike they choose."""
        if not isinstance(self.model, HsaForCausalLM):
            return
        for task, prompts in self.prompts.items():
            for place, hits in _of_heads(hit_rate(self.model, prompts, self.needles)):
                yield (*self.run, task, "", self.length, len(prompts), *place, hits, np.nan)
        for (task, prompts), (other, others) in combinations(self.prompts.items(), 2):
            for place, alike in _of_heads(choices_alike(self.model, prompts, others)):
                yield (*self.run, task, other, self.length, len(prompts), *place, np.nan, alike)


def _of_heads(table: Float[np.ndarray, "layer head"]) -> Iterator[tuple[tuple[int, int], float]]:
    """By layer and head; heads that attend to windows are left out."""
    return ((place, float(value)) for place, value in np.ndenumerate(table) if not np.isnan(value))


def asked(folder: RunFolder, times: list[int], n: int) -> Iterator[Asked]:
    """Every finished model at every length."""
    study = folder.study.loaded()
    for group in study.groups:
        for seed, model in last_models(folder, group).items():
            encoder = model.encoder
            assert isinstance(encoder, Vocabulary), "this package trained it"
            for length in (factor * group.main.max_length for factor in times):
                prompts = {name: _prompts(study, name, encoder, np.full(n, length)) for name in group.task_names}
                needles = _needles(next(iter(prompts.values())), encoder)
                yield Asked((group.name, seed, model.step), model.decoder, prompts, needles, length)


def _prompts(study: Study, name: str, encoder: Vocabulary, lengths: Int[np.ndarray, "prompt"]) -> Prompts:
    """Drawn without regard to what training met: of so much noise no two draws are the same."""
    task, generator = study.task(name), Stream.EVALUATION.generator(study.data_seed, int(lengths[0]))
    return encoder.encode(task, task.generate(lengths, generator), lengths, study.form(name))


def _needles(prompts: Prompts, encoder: Vocabulary) -> Bool[np.ndarray, "prompt pos"]:
    """The key's letters: what stands between the two marks."""
    is_mark = prompts.tokens == encoder.id(MARK)
    return (is_mark.cumsum(axis=1) == 1) & ~is_mark


def main() -> None:
    """Measure, and write tables and origin."""
    parser = parser_of(__doc__)
    parser.add_argument("--times", type=int, nargs="+", default=[1, 2, 4, 8], help="multiples of the training length")
    parser.add_argument("--examples", type=int, default=64, help="prompts of each task and length (default: 64)")
    arguments = parser.parse_args()
    found = list[tuple[object, ...]](), list[tuple[object, ...]]()
    try:
        folder = RunFolder.open(arguments.folder)
        for one in asked(folder, arguments.times, arguments.examples):
            found[0].extend(one.accuracies())
            found[1].extend(one.choices())
    except HeadreuseError as error:
        parser.error(str(error))
    table, choices = (
        pd.DataFrame(rows, columns=list(columns)) for rows, columns in zip(found, (ACCURACY, CHOICES), strict=True)
    )
    given = ["--times", *map(str, arguments.times), "--examples", str(arguments.examples)]
    write_tables(arguments.out, "passkey", {"passkey": table, "choices": choices}, folder, given)
    print(table.pivot_table("accuracy", ["group", "task", "seed"], "length").round(3).to_string())


if __name__ == "__main__":
    main()
