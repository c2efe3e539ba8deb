"""What scripts about the trained models of a run folder share: models, prompts, and tables with their origin."""

import json
import shlex
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from transformers import PreTrainedModel

from headreuse.models.checkpoints import load_model
from headreuse.prompts import Encoder, encoder_of, make_prompts
from headreuse.records import Prompts
from headreuse.store.folder import RunFolder
from headreuse.store.versions import versions
from headreuse.store.writing import write_json, written_whole
from headreuse.study import Group, Study
from headreuse.study.streams import Stream
from headreuse.work.progress import progress

DECIMALS = 5


@dataclass(frozen=True)
class Model:
    """A model at the end of training, with how it reads."""

    group: Group
    decoder: PreTrainedModel
    encoder: Encoder
    fingerprint: str
    step: int

    def prompts(self, study: Study, task: str, length: int, n: int) -> Prompts:
        """The fixed prompts of a task at one length, as in the study's measurements."""
        generator = Stream.EVALUATION.generator(study.data_seed, length)
        return make_prompts(study.task(task), np.full(n, length), generator, self.encoder, study.form(task))


def last_models(folder: RunFolder, group: Group) -> dict[int | str, Model]:
    """The finished models of a group by seed."""
    found = {}
    for entry in progress(folder):
        if entry.run.group == group and entry.checkpoints and not entry.run.missing:
            at = entry.checkpoints[-1].checkpoint
            model = Model(group, load_model(at.path), encoder_of(at.path), at.fingerprint, at.step)
            found[entry.run.label] = model
    return found


def parser_of(doc: str | None) -> ArgumentParser:
    """Arguments that every such script takes; its docstring is its help."""
    parser = ArgumentParser(description=doc, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="RUN_FOLDER")
    parser.add_argument("--out", type=Path, required=True)
    return parser


def write_tables(
    out: Path, name: str, tables: Mapping[str, pd.DataFrame], folder: RunFolder, arguments: Sequence[str] = ()
) -> None:
    """Write each table as CSV, and NAME.json with the command of `analyses.NAME`, the seeds, versions and study."""
    for table, frame in tables.items():
        with written_whole(out / f"{table}.csv") as draft:
            frame.round(DECIMALS).to_csv(draft, index=False)
    seeds = next(iter(tables.values()))["seed"].unique().tolist()
    command = shlex.join(["python", "-m", f"analyses.{name}", folder.root.name, *arguments])
    origin = {"command": command, "seeds": seeds, "versions": versions()}
    write_json(out / f"{name}.json", origin | {"study": json.loads(folder.study.model_dump_json())})
