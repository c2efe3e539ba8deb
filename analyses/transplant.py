"""Does the gap close where the heads of one model are put into its twin? Two groups of a run folder, seed by seed.

python -m analyses.transplant RUN_FOLDER DONOR_GROUP RECEIVER_GROUP --out analyses/results/NAME

takes the last checkpoints of both groups, for example of a joint one and of its main task alone, and moves heads in
both directions: what they write (z), and their weights where those can be told apart. Which heads: main's top heads in
the donor group, those of them that are an auxiliary's too, and other sets with as many heads in each layer. All of it
on prompts of one length after the other, up to the end of the transfer range that both groups have. Writes
transplant.csv, and transplant.json with study, seeds, versions and command. Needs head scores in the folder.
"""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import product
from typing import get_args

import numpy as np
import pandas as pd

from analyses.runs import Model, last_models, parser_of, write_tables
from headreuse.errors import HeadreuseError
from headreuse.interventions.head_sets import name_of, other_sets_like
from headreuse.interventions.transplant import Transplants, What, transplant
from headreuse.models.masks import masked
from headreuse.records import Head, Prompts
from headreuse.store.folder import RunFolder
from headreuse.study import Group, Study
from headreuse.study.measure_spec import ranked_by
from headreuse.study.streams import Stream
from headreuse.tables.make import make_tables

HeadSet = frozenset[Head]
RANGE = (0.025, 0.975)
SHOWN = ["of_receiver", "of_donor", "with_heads", "gain", "random"]
"""What is printed, mean over seeds and over the lengths beyond main's own."""
COLUMNS = (
    *("seed", "donor", "receiver", "are_twins", "what", "moved", "heads", "length", "outcome", "n", "of_receiver"),
    *("of_donor", "with_heads", "gain", "closed", "n_sets", "random", "random_low", "random_high"),
)
"""`gain`: outcome of the receiver with the heads less without; `closed`: its share of donor less receiver; `random`:
mean gain with other sets of the donor's heads that have as many in each layer, and the range of 95 % of them."""


def sets_of(scores: pd.DataFrame, study: Study, group: Group, seed: int | str) -> dict[str, HeadSet]:
    """Main's top heads at the last step, and those that each auxiliary has among its own; without empty sets."""
    chosen = scores[(scores["group"] == group.name) & (scores["seed"].astype(str) == str(seed))]
    chosen = chosen[(chosen["method"] == ranked_by(study.measures)) & (chosen["outcome"] == "log_prob")]
    chosen = chosen[chosen["step"] == chosen["step"].max()]
    tops = {
        task: frozenset(
            Head(int(layer), int(head))
            for layer, head in rows.nlargest(study.measures.top_k, "effect")[["layer", "head"]].to_numpy()
        )
        for task, rows in chosen.groupby("task")
    }
    if group.main.task not in tops:
        raise HeadreuseError(f"{group.name} seed {seed}: no scores of {group.main.task}; finish `headreuse run` first")
    main = tops[group.main.task]
    sets = {"main": main} | {f"shared with {entry.task}": main & tops[entry.task] for entry in group.auxiliary}
    return {name: heads for name, heads in sets.items() if heads}


def others_like(study: Study, model: Model, name: str, heads: HeadSet) -> list[HeadSet]:
    """Other sets of the heads that main may use in a model, with as many in each layer."""
    generator = Stream.RANDOM_SETS.generator(study.data_seed, model.fingerprint, "transplant", name)
    among = model.group.heads_of(model.group.main.task) or int(model.decoder.config.num_attention_heads)
    return other_sets_like(heads, among, study.measures.functional_sets, generator)


def seed_rows(
    study: Study, donor: Model, receiver: Model, sets: Mapping[str, Sequence[HeadSet]]
) -> Iterator[tuple[object, ...]]:
    """Rows of one direction and seed, over lengths, ways and sets; each of `sets` is followed by others like it."""
    main, last = donor.group.main.task, min(donor.group.transfer_to, receiver.group.transfer_to)
    n = study.measures.n_score_examples
    every = [one for several in sets.values() for one in several]
    starts = np.cumsum([0, *(len(several) for several in sets.values())])
    for length, what in product(range(study.task(main).min_length, last + 1), get_args(What)):
        prompts, theirs = (model.prompts(study, main, length, n) for model in (receiver, donor))
        found = _moved(donor, receiver, prompts, theirs, every, what)
        if found is None:
            continue
        are_twins = _are_twins(donor, receiver, prompts, theirs)
        for (name, (heads, *_)), start, end in zip(sets.items(), starts, starts[1:], strict=False):
            place = (donor.group.name, receiver.group.name, are_twins, what, name, name_of(heads), length)
            yield from ((*place, *numbers) for numbers in _numbers(found, slice(start, end)))


def _moved(
    donor: Model, receiver: Model, prompts: Prompts, theirs: Prompts, sets: list[HeadSet], what: What
) -> Transplants | None:
    """None where heads have no weights of their own."""
    with ExitStack() as stack:
        for model in (donor, receiver):
            stack.enter_context(masked(model.decoder, model.group.heads_of(model.group.main.task)))
        try:
            return transplant(
                donor.decoder, receiver.decoder, prompts, sets, what=what, donor_prompts=theirs, are_twins=True
            )
        except HeadreuseError as error:
            if what == "z":
                raise
            warnings.warn(f"weights are left out: {error}", stacklevel=2)
            return None


def _numbers(found: Transplants, sets: slice) -> Iterator[tuple[object, ...]]:
    """By outcome: those of the first of these sets, beside those of the others."""
    for outcome, values in found.outcomes.items():
        own, *others = found.gain(outcome)[sets]
        means = [float(one[outcome].mean()) for one in (found.receiver, found.donor)]
        of_random = (np.mean(others), *np.quantile(others, RANGE)) if others else (np.nan,) * 3
        closed = float(found.closed(outcome)[sets.start])
        first = (outcome, values.shape[-1], *means, float(values[sets.start].mean()), float(own), closed)
        yield (*first, len(others), *map(float, of_random))


def _are_twins(donor: Model, receiver: Model, prompts: Prompts, theirs: Prompts) -> bool:
    """Whether both started from the same weights: one family and seed, and embeddings of one shape and meaning."""
    sizes = {int(model.decoder.config.vocab_size) for model in (donor, receiver)}
    return (
        donor.group.twins == receiver.group.twins and len(sizes) == 1 and np.array_equal(prompts.tokens, theirs.tokens)
    )


def run(folder: RunFolder, donor_group: str, receiver_group: str) -> pd.DataFrame:
    """Both directions of every seed that both groups have finished: columns `COLUMNS`."""
    study = folder.study.loaded()
    joint, other = (study.group(name) for name in (donor_group, receiver_group))
    if joint.main.task != other.main.task:
        raise HeadreuseError(f"{joint.name} and {other.name} have other main tasks; give two groups of one main task")
    scores, rows = make_tables(folder)["head_scores"], []
    models = last_models(folder, joint), last_models(folder, other)
    for seed in (seed for seed in models[0] if seed in models[1]):
        found = sets_of(scores, study, joint, seed)
        sets = {name: [heads, *others_like(study, models[0][seed], name, heads)] for name, heads in found.items()}
        for donor, receiver in (models, models[::-1]):
            rows += [(seed, *row) for row in seed_rows(study, donor[seed], receiver[seed], sets)]
    if not rows:
        raise HeadreuseError(f"{folder.root}: no seed of which {joint.name} and {other.name} are both finished")
    return pd.DataFrame(rows, columns=list(COLUMNS))


def main() -> None:
    """Measure, and write table and origin."""
    parser = parser_of(__doc__)
    parser.add_argument("groups", nargs=2, metavar=("DONOR_GROUP", "RECEIVER_GROUP"))
    arguments = parser.parse_args()
    try:
        folder = RunFolder.open(arguments.folder)
        table = run(folder, *arguments.groups)
    except (HeadreuseError, LookupError) as error:
        parser.error(str(error))
    write_tables(arguments.out, "transplant", {"transplant": table}, folder, arguments.groups)
    longest = folder.study.group(arguments.groups[0]).main.max_length
    beyond = table[(table["outcome"] == "exact_match") & (table["length"] > longest)]
    print(beyond.groupby(["donor", "receiver", "are_twins", "what", "moved"])[SHOWN].mean().round(3).to_string())


if __name__ == "__main__":
    main()
