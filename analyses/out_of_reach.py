"""Where do coupled models look over distances that training never had in one prompt?

python -m analyses.out_of_reach RUN_FOLDER --out analyses/results/NAME

takes the last checkpoint of every finished run with coupled positions and main's longest prompts of the transfer range.
A distance is the id of the token that is looked at, less the id of the token that looks. Writes out_of_reach.csv: for
each head and distance the attention from the tokens of answers, mean over prompts and those of these tokens that see
anything at it; and whether main's longest prompts in training have the distance. Also writes out_of_reach.json with
study, seeds, versions and command.
"""

from collections.abc import Iterator

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Int

from analyses.runs import Model, last_models, parser_of, write_tables
from headreuse.attention import mean_pattern
from headreuse.errors import HeadreuseError
from headreuse.models.positions.coupled import Rule, coupled_ids
from headreuse.records import Prompts
from headreuse.store.folder import RunFolder
from headreuse.study import Study
from headreuse.study.model_spec import COUPLED_POSITIONS

COLUMNS = ("group", "seed", "length", "n", "layer", "head", "distance", "trained", "attention")


def distances(
    prompts: Prompts, rules: list[Rule]
) -> tuple[Int[np.ndarray, "query key"], Bool[np.ndarray, "query key"]]:
    """Of each token from each other, and where they are from an answer's token to one that it sees.

    A token is an answer's if what is predicted from it is scored; what has no id of its own (BOS, EOS) is left out.
    """
    of_prompts = coupled_ids(torch.as_tensor(prompts.tokens), rules).numpy()
    ids = of_prompts[0]
    if (of_prompts != ids).any():
        raise HeadreuseError(f"{prompts.task}: ids differ between prompts of length {prompts.lengths[0]}")
    looks = np.roll(prompts.scored[0], -1) & (ids > 0)
    is_seen = np.tril(np.ones((len(ids), len(ids)), dtype=bool)) & (ids > 0)
    return ids - ids[:, None], looks[:, None] & is_seen


def rows_of(study: Study, model: Model) -> Iterator[tuple[object, ...]]:
    """Rows of one model: each head and distance."""
    group, rules, n = model.group, model.decoder.config.coupling, study.measures.n_score_examples
    short, prompts = (
        model.prompts(study, group.main.task, length, n) for length in (group.main.max_length, group.transfer_to)
    )
    of_short, in_short = distances(short, rules)
    of_prompts, in_prompts = distances(prompts, rules)
    patterns = mean_pattern(model.decoder, prompts).pattern
    for distance in np.unique(of_prompts[in_prompts]):
        here = in_prompts & (of_prompts == distance)
        attention = (patterns * here).sum(axis=(2, 3)) / here.any(axis=1).sum()
        trained = bool((of_short[in_short] == distance).any())
        for (layer, head), share in np.ndenumerate(attention):
            yield group.transfer_to, len(prompts), layer, head, int(distance), trained, float(share)


def run(folder: RunFolder) -> pd.DataFrame:
    """Every finished run with coupled positions: columns `COLUMNS`."""
    study, rows = folder.study.loaded(), []
    for group in study.groups:
        if study.model_of(group).position in COUPLED_POSITIONS:
            for seed, model in last_models(folder, group).items():
                rows += [(group.name, seed, *row) for row in rows_of(study, model)]
    if not rows:
        raise HeadreuseError(f"{folder.root}: no run with coupled positions is finished")
    return pd.DataFrame(rows, columns=list(COLUMNS))


def main() -> None:
    """Measure, and write table and origin; print the head of each model that looks most at the next significance."""
    parser = parser_of(__doc__)
    arguments = parser.parse_args()
    try:
        folder = RunFolder.open(arguments.folder)
        table = run(folder)
    except HeadreuseError as error:
        parser.error(str(error))
    write_tables(arguments.out, "out_of_reach", {"out_of_reach": table}, folder)
    by_distance = table.pivot_table("attention", ["group", "seed", "layer", "head"], "distance")
    print(by_distance.loc[by_distance[1].groupby(level=["group", "seed"]).idxmax()].round(2).to_string())


if __name__ == "__main__":
    main()
