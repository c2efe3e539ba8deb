"""What the names of checkpoints say of their place in training: step, tokens seen and stage, of folders and revisions.

Known forms are `checkpoint-500`, `step143000`, `step-160000`, `ckpt_12000`, `iter_0001000`, `step1000-tokens4B`,
`step-480k-token-1007B`, `stage1-step-40000`, `epoch-3`, and a number alone.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

_NUMBER = r"(?P<number>\d{1,12}(?:\.\d{1,3})?)(?P<unit>[kmbt]?)(?![a-z0-9])"
_START = r"(?:^|(?<=[^a-z0-9]))"
_STEP = re.compile(rf"{_START}(?:checkpoint|ckpt|step|iter|iteration|update)s?[-_=.]?{_NUMBER}")
_EPOCH = re.compile(rf"{_START}epochs?[-_=.]?{_NUMBER}")
_STAGE = re.compile(rf"{_START}(?:stage|phase)[-_=.]?(\d{{1,6}})(?!\d)")
_TOKENS = re.compile(rf"{_START}(?:token|tok)s?[-_=.]?{_NUMBER}")
_TOKENS_ALONE = re.compile(r"^[-_](?P<number>\d{1,12}(?:\.\d{1,3})?)(?P<unit>[bt])(?:[-_]?tokens?)?$")
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "b": 10**9, "t": 10**12}


@dataclass(frozen=True)
class Named:
    """What one name says."""

    step: int
    tokens: int | None
    """Tokens seen in training."""
    stage: int
    """Of a training in stages, from 1 on; 0 where the name has none."""
    line: str
    """What else the name says: equal for the checkpoints of one line of training."""
    counts_epochs: bool = False
    """Whether `step` is a number of epochs."""


@dataclass(frozen=True)
class Progress:
    """Where a checkpoint stands in the training that several names tell of."""

    step: int
    """Counted from the first stage on."""
    tokens: int | None
    problem: str = ""
    """Why it has no place among the others."""


def parse_name(name: str) -> Named | None:
    """The step, tokens and stage in the name of a folder or a revision; None where it says no step, as in `main`."""
    stage, rest = _taken(_STAGE, name.lower(), mark="")
    step, rest = _taken(_STEP, rest, mark="\0")
    epoch, rest = _taken(_EPOCH, rest, mark="" if step else "\0")
    place = step or epoch
    if place is None:
        return Named(int(name), None, 0, "") if re.fullmatch(r"[0-9]{1,12}", name) else None
    tokens, rest = _taken(_TOKENS, rest, mark="")
    before, _, after = rest.partition("\0")
    if tokens is None and (tokens := _TOKENS_ALONE.match(after)):
        after = ""
    # Numbers after the step may be a loss or a date: they differ within one line of training.
    line = f"{before} {re.sub(r'[0-9.]+', '', after)}".strip(" -_=.")
    return Named(_value(place), _value(tokens) if tokens else None, int(stage[1]) if stage else 0, line, step is None)


def in_order(names: Iterable[str]) -> dict[str, Progress]:
    """The names that say a step in the order of training, each with its place in it.

    Where a stage counts its steps or tokens from the start again, they count on from the last of the stage before.
    Names beside the main line of training, and those of a step that is there already, have a `problem`.
    """
    parsed = {name: found for name in sorted(names) if (found := parse_name(name))}
    beside = _beside_the_line(parsed)
    main = sorted((name for name in parsed if name not in beside), key=lambda name: _key(parsed[name]))
    return _counted_on({name: parsed[name] for name in main}) | {
        name: Progress(parsed[name].step, parsed[name].tokens, problem) for name, problem in beside.items()
    }


def _taken(pattern: re.Pattern[str], text: str, *, mark: str) -> tuple[re.Match[str] | None, str]:
    """What a pattern finds, and the text with a mark in its place."""
    found = pattern.search(text)
    return found, text if found is None else f"{text[: found.start()]}{mark}{text[found.end() :]}"


def _value(found: re.Match[str]) -> int:
    return round(float(found["number"]) * _UNITS[found["unit"]])


def _key(named: Named) -> tuple[int, int]:
    return named.stage, named.step


def _beside_the_line(parsed: Mapping[str, Named]) -> dict[str, str]:
    """The names that belong to no stage, count epochs or are of another line than most, where others do not."""
    problems: dict[str, str] = {}
    for name, named in parsed.items():
        if not named.stage and any(other.stage for other in parsed.values()):
            problems[name] = "its name says no stage, as those of others do"
        elif named.counts_epochs and not all(other.counts_epochs for other in parsed.values()):
            problems[name] = "its name counts epochs, those of others count steps"
    for stage in {named.stage for named in parsed.values()}:
        lines = {name: named.line for name, named in parsed.items() if named.stage == stage and name not in problems}
        main = min(Counter(lines.values()).items(), key=lambda item: (-item[1], item[0]), default=("", 0))[0]
        example = next((name for name, line in lines.items() if line == main), "")
        for name, line in lines.items():
            if line != main:
                problems[name] = f"it is of another line of training than {example}"
    return {name: f"{problem}; give it as a series of its own" for name, problem in problems.items()}


def _counted_on(ordered: Mapping[str, Named]) -> dict[str, Progress]:
    placed: dict[str, Progress] = {}
    stage, last, before, seen = 0, Progress(0, 0), Progress(0, 0), dict[int, str]()
    for name, named in ordered.items():
        if named.stage != stage:
            stage = named.stage
            before = Progress(
                last.step if named.step <= last.step else 0,
                last.tokens if named.tokens and last.tokens and named.tokens <= last.tokens else 0,
            )
        tokens = None if named.tokens is None else named.tokens + (before.tokens or 0)
        now = Progress(named.step + before.step, tokens)
        if now.step in seen:
            problem = f"it has the step of {seen[now.step]}; keep one of them in the series"
            placed[name] = replace(now, problem=problem)
        else:
            seen[now.step] = name
            placed[name] = last = now
    return placed
