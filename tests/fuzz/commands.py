"""Command lines of nonsense: every command with arguments and options from a pool of hostile values, from a seed."""

import random
import shutil
from pathlib import Path

WORK = ("--workers", "--engine", "--shard", "--trust-tasks")
COMMANDS = {
    "run": (1, ("--out", *WORK)),
    "train": (1, ("--out", *WORK)),
    "score": (1, WORK),
    "overlap": (2, ()),
    "correlate": (2, ("--out",)),
    "report": (1, ()),
    "status": (1, ()),
    "verify": (1, ("--json",)),
    "tasks": (1, ("--length", "--show", "--seed", "--alphabet-size", "--grid-size", "--from")),
    "checkpoints": (1, ("--known", "--allow-pickles", "--json")),
    "check": (1, ("--out", "--workers", "--json")),
    "plan": (1, ("--effect", "--power", "--workers", "--json")),
    "export": (1, ("--out", "--netcdf")),
}
"""How many arguments each takes, two for any number, and its options."""
FLAGS = ("--trust-tasks", "--json", "--netcdf", "--known", "--allow-pickles", "--help", "--version", "-h", "--", "-")
WRONG = ("--help", "--version", "-h", "--", "-", "--ou", "--worker", "-x", "--out=", "--shard=1/2", "--show")
"""Options that most commands do not have, and what is none."""
NUMBERS = ("0", "1", "2", "3", "7", "-1", "0.5", "1e9", "nan", "0x10", "٣", "10000000000000", 5000 * "9", "", " ")
SHARDS = ("1/1", "2/4", "0/0", "5/4", "a/b", "1/", "/1", "1/4/2", "-1/2", "1/0", "²/³", "1/" + 5000 * "9")
NAMES = (
    "copy",
    "reverse",
    "mqar",
    "shortest_path",
    "revers",
    "ray",
    "procesess",
    "é" * 300,
    "\x1b[2J\x07",
    "%s%n",
    "$(id)",
)
PLACES = (
    *("finished", "finished", "finished", "finished", "finished/study.json", "finished/checkpoints", "finished/tables"),
    *(
        "file",
        "binary",
        "empty.toml",
        "good.toml",
        "bad.toml",
        "folder",
        "folder/",
        "unreadable/x",
        "dangling",
        "circle",
    ),
    *("file/below", "file/below/deeper", "nowhere", "nowhere/deeper", "study_only", "series", "series/checkpoint-5"),
    *(".", "..", "/", "/dev/null", "/dev/full", "/proc/self/mem", "/proc/nowhere", "own.py", "broken.py", "a b\n"),
    *("caf\udce9.toml", "ü.toml", "\U0001f600", 300 * "x", 5000 * "x", 2000 * "x/", "~", "*", "-", "--"),
)
VALUES = {"--out": PLACES, "--from": PLACES, "--shard": SHARDS, "--engine": NAMES}
"""What an option takes, mostly; others take numbers."""


def scratch(folder: Path, finished: Path | None = None) -> None:
    """Lay out what the places lead to; `finished` is a run folder to copy, or there is none that can be worked on."""
    if finished:
        shutil.copytree(finished, folder / "finished")
    (folder / "file").write_text("text")
    (folder / "binary").write_bytes(bytes(range(256)) * 16)
    (folder / "empty.toml").touch()
    (folder / "bad.toml").write_text('name = "bad"\nseeds = [0,')
    (folder / "good.toml").write_text('name = "good"\n[[groups]]\nname = "g"\nmain = { task = "nothing" }\n')
    (folder / "folder").mkdir()
    (folder / "dangling").symlink_to("nowhere")
    (folder / "circle").symlink_to("circle")
    (folder / "study_only").mkdir()
    (folder / "study_only" / "study.json").write_text("{}")
    (folder / "series" / "checkpoint-5").mkdir(parents=True)
    (folder / "series" / "checkpoint-5" / "config.json").write_text("[]")
    (folder / "own.py").write_text("x = 1\n")
    (folder / "broken.py").write_text("def (\n")


def command_line(seed: int) -> list[str]:
    """One command line; some have too few or too many arguments, or options of other commands."""
    draw = random.Random(seed)
    command = draw.choice([*COMMANDS, *COMMANDS, *COMMANDS, "rn", "", "\x1b[2J"])
    n_arguments, options = COMMANDS.get(command, (1, ()))
    named = NAMES if command == "tasks" else PLACES
    n_arguments += draw.choice((-1, 0, 0, 0, 0, 0, 0, 0, 0, 1))
    line = [draw.choice(named if draw.random() < 0.9 else NUMBERS) for _ in range(n_arguments)]
    for _ in range(draw.choice((0, 1, 1, 2)) if options else draw.choice((0, 0, 0, 1))):
        option = draw.choice(options if options and draw.random() < 0.9 else WRONG)
        line += [option] if option in FLAGS else [option, _value(option, draw)]
    return [command, *line]


def _value(option: str, draw: random.Random) -> str:
    """Mostly one of the kind that the option takes."""
    kind = VALUES.get(option, NUMBERS) if draw.random() < 0.9 else PLACES
    return draw.choice(kind)
