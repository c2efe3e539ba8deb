"""What does each task lose without the heads that look most at, or behind, a symbol's own occurrence?

python -m analyses.removal RUN_FOLDER --out analyses/results/NAME [--heads K …]

takes the last checkpoint of every finished run and ranks the heads by `induction` and by `anti_induction` on each task
of its group. The K heads of the highest score are ablated together (by their mean, as the study's set ablations are),
and so are other sets that have as many heads in each layer and none of these. Each task of the group is measured, at
the length of the head scores and with the study's prompts. Writes removal.csv, and removal.json with study, seeds,
versions and command.
"""

from collections.abc import Iterator, Sequence
from itertools import product

import numpy as np
import pandas as pd

from analyses.runs import Model, last_models, parser_of, write_tables
from headreuse.errors import HeadreuseError
from headreuse.interventions.head_sets import name_of, other_sets_like, set_ablation
from headreuse.models.masks import masked
from headreuse.records import ATTENTION, Head, HeadScores, Prompts
from headreuse.scores import SCORES
from headreuse.store.folder import RunFolder
from headreuse.study import Study
from headreuse.study.measure_spec import PATTERN_SCORES
from headreuse.study.streams import Stream

MOST_SETS = 1000
"""So many others are drawn to find sets without a top head; of these `measures.functional_sets` are taken."""
OUTCOMES = ("exact_match", "log_prob")
COLUMNS = (
    *(
        "group",
        "seed",
        "n_heads",
        "kind",
        "source",
        "heads",
        "score",
        "baseline_score",
        "target",
        "length",
        "n",
        "outcome",
    ),
    *("untouched", "without", "n_sets", "without_others", "least", "most"),
)
"""`score`: the mean attention of the top heads, on the source task; `baseline_score`: that of a head which looks at all
positions alike; `without`: the target's outcome without the top heads; `without_others`: without other sets, the mean
over these, the least and the most."""


def others_like(study: Study, model: Model, task: str, top: frozenset[Head]) -> list[frozenset[Head]]:
    """Sets with as many heads in each layer as the top one, and none of its heads."""
    generator = Stream.RANDOM_SETS.generator(study.data_seed, model.fingerprint, "removal", task)
    among = model.group.heads_of(task) or int(model.decoder.config.num_attention_heads)
    found = other_sets_like(top, among, MOST_SETS, generator)
    return [one for one in found if not one & top][: study.measures.functional_sets]


def pattern_scores(model: Model, kind: str, prompts: Prompts) -> HeadScores:
    """Where the heads that a task may use look."""
    heads = model.group.heads_of(prompts.task)
    with masked(model.decoder, heads):
        return SCORES[kind](model.decoder, prompts).confined_to(heads)


def model_rows(study: Study, model: Model, counts: Sequence[int]) -> Iterator[tuple[object, ...]]:
    """Rows of one model: each kind and source task, each number of heads, target task and outcome."""
    length, n = study.score_length(model.group), study.measures.n_score_examples
    prompts = {task: model.prompts(study, task, length, n) for task in model.group.task_names}
    for kind, source in product(PATTERN_SCORES, prompts):
        scores = pattern_scores(model, kind, prompts[source])
        even = float(scores.baseline[ATTENTION].mean())
        for n_heads in counts:
            top = scores.top(n_heads, ATTENTION)
            score = float(np.mean([scores.effect(ATTENTION)[head.layer, head.head_index] for head in top]))
            sets = [top, *others_like(study, model, source, top)]
            place = (n_heads, kind, source, name_of(top), score, even)
            yield from ((*place, *row) for target in prompts for row in set_rows(model, prompts[target], sets))


def set_rows(model: Model, prompts: Prompts, sets: Sequence[frozenset[Head]]) -> Iterator[tuple[object, ...]]:
    """What a task loses without the first set, beside what it loses without the others; by outcome."""
    with masked(model.decoder, model.group.heads_of(prompts.task)):
        found = set_ablation(model.decoder, prompts, sets, position=prompts.position)
    for outcome in OUTCOMES:
        untouched = float(found.baseline[outcome].mean())
        without, *others = untouched - found.effect(outcome)
        of_others = (np.mean(others), min(others), max(others)) if others else (np.nan,) * 3
        numbers = (untouched, float(without), len(others), *map(float, of_others))
        yield (prompts.task, found.length, len(prompts), outcome, *numbers)


def run(folder: RunFolder, *counts: int) -> pd.DataFrame:
    """Every finished run of a folder, with each number of heads: columns `COLUMNS`."""
    if min(counts) < 1:
        raise HeadreuseError(f"--heads {min(counts)}: give at least 1")
    study, rows = folder.study.loaded(), []
    for group in study.groups:
        for seed, model in last_models(folder, group).items():
            rows += [(group.name, seed, *row) for row in model_rows(study, model, counts)]
    if not rows:
        raise HeadreuseError(f"{folder.root}: no run is finished; go on with `headreuse run {folder.root}`")
    return pd.DataFrame(rows, columns=list(COLUMNS))


def main() -> None:
    """Measure, and write table and origin."""
    parser = parser_of(__doc__)
    parser.add_argument("--heads", type=int, nargs="+", default=[1], metavar="K")
    arguments = parser.parse_args()
    try:
        folder = RunFolder.open(arguments.folder)
        table = run(folder, *arguments.heads)
    except HeadreuseError as error:
        parser.error(str(error))
    write_tables(arguments.out, "removal", {"removal": table}, folder, ["--heads", *map(str, arguments.heads)])
    shown = table[table["outcome"] == "exact_match"].groupby(["n_heads", "group", "kind", "source", "target"])
    print(shown[["score", "untouched", "without", "without_others"]].mean().round(3).to_string())


if __name__ == "__main__":
    main()
