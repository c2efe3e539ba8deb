"""How much do coupled models attend over distances that training never had in one prompt?

python -m analyses.out_of_reach RUN_FOLDER --out analyses/results/NAME

takes the last checkpoint of every finished run with coupled positions. A distance is the id of the token that is looked
at, less the id of the token that looks; it is out of reach where no prompt of main's longest training length has it
between an answer's token and what that can see. Writes out_of_reach.csv: for each length beyond main's, the attention
of answer tokens to tokens out of reach, mean over heads, prompts and those answer tokens that see any; and what
attending to all tokens alike would give them. Also writes out_of_reach.json with study, seeds, versions and command.
"""

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Int

from analyses.runs import Model, last_models, parser_of, write_tables
from headreuse.attention import attention_to
from headreuse.errors import HeadreuseError
from headreuse.models.positions.coupled import Rule, coupled_ids
from headreuse.records import Prompts
from headreuse.store.folder import RunFolder
from headreuse.study import Study
from headreuse.study.specs import COUPLED_POSITIONS

COLUMNS = ("group", "seed", "length", "n", "attention", "even")


def distances(
    prompts: Prompts, rules: list[Rule]
) -> tuple[Int[np.ndarray, "prompt query key"], Bool[np.ndarray, "prompt query key"]]:
    """Of every token from every token, and where they are between an answer's token and one that it sees.

    A token is an answer's if what is predicted from it is scored; what has no id of its own (BOS, EOS) is left out.
    """
    ids = coupled_ids(torch.as_tensor(prompts.tokens), rules).numpy()
    looks = np.roll(prompts.scored, -1, axis=1) & (ids > 0)
    is_seen = np.tril(np.ones((ids.shape[1],) * 2, dtype=bool)) & (ids > 0)[:, None, :]
    return ids[:, None, :] - ids[:, :, None], looks[:, :, None] & is_seen


def out_of_reach(prompts: Prompts, trained: Prompts, rules: list[Rule]) -> Bool[np.ndarray, "prompt query key"]:
    """Where the distances of prompts are none of the trained ones."""
    between, are_seen = distances(trained, rules)
    found, can_be_seen = distances(prompts, rules)
    return can_be_seen & ~np.isin(found, np.unique(between[are_seen]))


def rows_of(study: Study, model: Model) -> list[tuple[int, int, float, float]]:
    """Length, number of prompts, attention and its even share, for each length beyond main's."""
    group, n = model.group, study.measures.n_score_examples
    rules = model.decoder.config.coupling
    trained = model.prompts(study, group.main.task, group.main.max_length, n)
    rows = []
    for length in range(group.main.max_length + 1, group.transfer_to + 1):
        prompts = model.prompts(study, group.main.task, length, n)
        targets = out_of_reach(prompts, trained, rules)
        if not targets.any(axis=(1, 2)).all():
            continue
        looks = targets.any(axis=2)
        even = targets.sum(axis=2)[looks] / (1 + np.nonzero(looks)[1])
        found = attention_to(model.decoder, prompts, targets)
        rows.append((length, len(prompts), float(found.mean()), float(even.mean())))
    return rows


def run(folder: RunFolder) -> pd.DataFrame:
    """Every finished run with coupled positions: columns `COLUMNS`."""
    study, rows = folder.study.loaded(), []
    for group in study.groups:
        if study.model_of(group).position in COUPLED_POSITIONS:
            for seed, model in last_models(folder, group).items():
                rows += [(group.name, seed, *row) for row in rows_of(study, model)]
    if not rows:
        raise HeadreuseError(f"{folder.root}: no run with coupled positions is finished, or main transfers nowhere")
    return pd.DataFrame(rows, columns=list(COLUMNS))


def main() -> None:
    """Measure, and write table and origin."""
    parser = parser_of(__doc__)
    arguments = parser.parse_args()
    try:
        folder = RunFolder.open(arguments.folder)
        table = run(folder)
    except HeadreuseError as error:
        parser.error(str(error))
    write_tables(arguments.out, "out_of_reach", {"out_of_reach": table}, folder)
    print(table.pivot_table(["attention", "even"], "length", ["group", "seed"]).round(3).to_string())


if __name__ == "__main__":
    main()
