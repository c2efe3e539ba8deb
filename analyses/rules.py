"""Does a rule inherit the length of others, and by the heads that decide whether a loop is entered?

python -m analyses.rules RUN_FOLDER --out analyses/results/systems/rules

takes the finished models of a study of rules, lets each answer on its own, token by token, and writes

- generated.csv: by group, seed, task and length the share of whole answers that are right (trace and result), of right
  results, of traces with a wrong number of loops, and how many loops more than right they have;
- reach.csv: the longest length at which 90 % of whole answers are right, and the accuracy at the longest of all;
- loop_heads.csv: the cosine of main's and each auxiliary's head maps by mean ablation (log probability), of the whole
  answer and of loop tests alone, at the length at which the study scores heads;
- rules.json: study, seeds, versions, command.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd

from analyses.runs import Model, last_models, parser_of, write_tables
from headreuse.errors import HeadreuseError
from headreuse.models.generation import generate_answers
from headreuse.models.masks import masked
from headreuse.overlap import map_metrics
from headreuse.prompts import PAD, SPECIALS, Vocabulary
from headreuse.records import Prompts, Role
from headreuse.scores import mean_ablation
from headreuse.store.folder import RunFolder
from headreuse.study import Study
from headreuse.tables.reach import accuracy_at, max_len_at
from headreuse.tasks.rules import RuleTask, loop_count_difference, loop_count_error, replay

LEVEL = 0.9
ROOM = 2
"""Answers may be so many times as long as the longest right one, so that further loops are seen."""
GENERATED = (
    *("group", "seed", "task", "role", "length", "n", "accuracy", "result_accuracy"),
    *("loop_count_error", "loop_count_difference"),
)
LOOP_HEADS = ("group", "seed", "task", "length", "scored", "cosine")


def texts(tokens: np.ndarray, encoder: Vocabulary) -> list[str]:
    """Rows of tokens as text, without the special ones."""
    return ["".join(encoder.tokens[token] for token in row if token >= len(SPECIALS)) for row in tokens]


def generated_row(study: Study, model: Model, name: str, length: int) -> tuple[object, ...]:
    """What one model answers on its own to one task at one length."""
    task, encoder = study.task(name), model.encoder
    if not (isinstance(task, RuleTask) and isinstance(encoder, Vocabulary)):
        raise HeadreuseError(f"{model.group.name}: {name} is no rule; give a run folder of rules alone")
    n = study.measures.n_examples
    prompts = model.prompts(study, name, length, n)
    of_answer = prompts.roles == Role.ANSWER
    right = texts(np.where(of_answer, prompts.tokens, PAD), encoder)
    of_prompt = (prompts.roles == Role.INPUT) | (prompts.roles == Role.SEPARATOR)
    inputs = [task.inputs(text) for text in texts(np.where(of_prompt, prompts.tokens, PAD), encoder)]
    with masked(model.decoder, model.group.heads_of(name)):
        longest = int(of_answer.sum(axis=1).max())
        answers = texts(generate_answers(model.decoder, prompts, max_tokens=ROOM * longest), encoder)
    results = [replay(answer, given).result for answer, given in zip(answers, inputs, strict=True)]
    right_results = [replay(answer, given).result for answer, given in zip(right, inputs, strict=True)]
    loops = loop_count_error(answers, right), loop_count_difference(answers, right)
    place = (name, model.group.role(name), length, n)
    return (*place, float(np.equal(answers, right).mean()), float(np.equal(results, right_results).mean()), *loops)


def at_loop_tests(prompts: Prompts, encoder: Vocabulary) -> Prompts:
    """The same prompts, of whose answers only what loop tests show is scored: whether a loop is entered."""
    is_test = np.array([token.startswith("[while") for token in encoder.tokens])
    after_test = np.zeros_like(prompts.scored)
    after_test[:, 1:] = is_test[prompts.tokens[:, :-1]]
    return replace(prompts, scored=prompts.scored & after_test)


def head_map(model: Model, name: str, prompts: Prompts) -> np.ndarray:
    """How much each head matters, by mean ablation, to the log probability of what is scored."""
    heads = model.group.heads_of(name)
    with masked(model.decoder, heads):
        return mean_ablation(model.decoder, prompts, position=prompts.position).confined_to(heads).effect("log_prob")


def loop_head_rows(study: Study, model: Model) -> Iterator[tuple[object, ...]]:
    """How alike main's and each auxiliary's heads are, for whole answers and for loop tests."""
    length, encoder = study.score_length(model.group), model.encoder
    assert isinstance(encoder, Vocabulary)
    maps: dict[str, list[np.ndarray]] = {"answer": [], "loop tests": []}
    for name in model.group.task_names:
        prompts = model.prompts(study, name, length, study.measures.n_score_examples)
        maps["answer"].append(head_map(model, name, prompts))
        maps["loop tests"].append(head_map(model, name, at_loop_tests(prompts, encoder)))
    cosine, k = map_metrics()["cosine"], study.measures.top_k
    for scored, (main, *others) in maps.items():
        for entry, other in zip(model.group.auxiliary, others, strict=True):
            yield entry.task, length, scored, float(cosine(main, other, k=k))


def run(folder: RunFolder) -> dict[str, pd.DataFrame]:
    """The tables of a run folder's finished models, by name."""
    study = folder.study
    generated, loop_heads = [], []
    for group in study.groups:
        for seed, model in last_models(folder, group).items():
            lengths = [(name, length) for name in group.task_names for length in study.eval_lengths(group, name)]
            generated += [(group.name, seed, *generated_row(study, model, *place)) for place in lengths]
            loop_heads += [(group.name, seed, *row) for row in loop_head_rows(study, model)]
    if not generated:
        raise HeadreuseError(f"{folder.root}: no model is finished; run `headreuse train` first")
    table = pd.DataFrame(generated, columns=list(GENERATED))
    heads = pd.DataFrame(loop_heads, columns=list(LOOP_HEADS))
    return {"generated": table, "reach": reach(table), "loop_heads": heads}


def reach(generated: pd.DataFrame) -> pd.DataFrame:
    """By group, seed and task: the longest length that is answered, and the accuracy at the longest of all."""
    rows = []
    for place, of_task in generated.groupby(["group", "seed", "task", "role"], sort=False):
        curve = of_task.set_index("length")["accuracy"]
        rows.append((*place, max_len_at(curve, LEVEL), curve.index.max(), accuracy_at(curve, curve.index.max())))
    return pd.DataFrame(rows, columns=["group", "seed", "task", "role", "max_len", "longest", "accuracy_at_longest"])


def main() -> None:
    """Measure, and write tables and origin."""
    parser = parser_of(__doc__)
    arguments = parser.parse_args()
    try:
        folder = RunFolder.open(arguments.folder)
        tables = run(folder)
    except HeadreuseError as error:
        parser.error(str(error))
    write_tables(arguments.out, "rules", tables, folder)
    print(tables["reach"].to_string(index=False))


if __name__ == "__main__":
    main()
