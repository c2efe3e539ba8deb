"""Study files that no one would write: sound ones damaged, random ones, and well-formed ones that ask for the absurd.

python tests/fuzz/studies.py 17          # prints the study file of seed 17
"""

import copy
import json
import math
import random
import sys
import tomllib
from collections.abc import Callable
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

ANALYSES = Path(__file__).parents[2] / "analyses"
GIVEN = """
name = "given"
transfer = "mine.csv"
model = { n_layers = 1 }
training = { steps = 100 }
measures = { n_examples = 8 }
[[groups]]
name = "g"
main = { prompts = "names.jsonl", template = "{prompt}", shots = 2, chat = false }
auxiliary = [{ prompts = "colours.csv", max_length = 4 }]
series = { folder = "runs/a", revisions = { log_spaced = 4, first = 1 }, keep = "2 GB", bf16 = true }
[[groups]]
name = "h"
main = { task = "copy", max_length = 3, template = "Copy: {prompt}" }
start = { hub = "a/b-{seed}", seeds = [1, 2] }
"""
"""The files that it names are not there, which is one more thing to tell."""
SOUND = [GIVEN, *(path.read_text(encoding="utf-8") for path in sorted(ANALYSES.rglob("*.toml")))]
TASKS = ("copy", "reverse", "capitalize", "mqar", "reverse_add", "carry_only", "multiply_cot", "dfs_trace", "nothing")

NUMBERS = (0, -1, 1, 2, 3, 7, 64, 65, 1000, 1001, 2**31, 2**32 - 1, 2**32, 2**63, 2**64, 10**9, 10**12, 10**18, 10**100)
FRACTIONS = (0.0, -0.0, 0.5, 1.0, -1.0, 1e-320, 1e308, math.nan, math.inf, -math.inf)
TEXTS = (
    *("", " ", "x", "nan", "0", "true", "rope", "copy", "mean_ablation", "alone", "../../etc/passwd", "/dev/zero", "."),
    *(
        "a\0b",
        "\x1b[2J\x07",
        "a\nb",
        "\u202e",
        "\ud7ff\U0010ffff",
        "ä" * 300,
        "x" * 100_000,
        "{}",
        "%s",
        "{0.__class__}",
    ),
)
OTHERS = (True, False, date(1, 1, 1), datetime(9999, 12, 31), time(23, 59), [], {}, [[]], [{}], [1, "a"], {"": 0})
HUGE = (list(range(30_000)), ["x"] * 30_000, {f"k{n}": n for n in range(10_000)}, [[1, 2]] * 10_000)
KEYS = (
    "arms",
    "lengths",
    "positions",
    "heads",
    "overlap",
    "model",
    "training",
    "measures",
    "tasks",
    "seeds",
    "source",
    "series",
    "start",
    "prompts",
    "template",
    "transfer",
    "transfer_to",
    "primary",
    "",
    "a.b",
)


def value(random_: random.Random, depth: int = 0) -> Any:
    """Any value that TOML has, most often an extreme one."""
    kind = random_.random()
    if kind < 0.35:
        return random_.choice((*NUMBERS, random_.randrange(-5, 70), random_.randrange(10**4)))
    if kind < 0.5:
        return random_.choice((*FRACTIONS, random_.random()))
    if kind < 0.7:
        return random_.choice((*TEXTS, *TASKS))
    if kind < 0.85 or depth > 5:
        return copy.deepcopy(random_.choice(OTHERS))
    if kind < 0.87:
        return copy.deepcopy(random_.choice(HUGE))
    several = [value(random_, depth + 1) for _ in range(random_.randrange(5))]
    return several if random_.random() < 0.5 else {random_.choice((*KEYS, "x")): item for item in several}


def as_toml(tree: Any) -> str:
    """A tree as TOML, everything below the first level written inline."""
    if isinstance(tree, bool):
        return str(tree).lower()
    if isinstance(tree, int):
        return str(tree)
    if isinstance(tree, float):
        return str(tree)
    if isinstance(tree, str):
        # JSON's texts are TOML's but for DEL and for characters beyond 16 bits, which JSON writes as two.
        return json.dumps(tree, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(tree, (date, datetime, time)):
        return tree.isoformat()
    if isinstance(tree, list):
        return f"[{', '.join(map(as_toml, tree))}]"
    return f"{{{', '.join(f'{as_toml(key)} = {as_toml(item)}' for key, item in tree.items())}}}"


def written(tree: dict[str, Any]) -> str:
    return "".join(f"{as_toml(key)} = {as_toml(item)}\n" for key, item in tree.items())


def containers(tree: Any) -> list[Any]:
    """Every table and list of a tree that holds something."""
    items = tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ()
    inside = [found for item in items for found in containers(item)]
    return [tree, *inside] if isinstance(tree, (dict, list)) and tree else inside


def another_tree(random_: random.Random) -> str:
    """A sound study with values replaced, and keys removed, renamed, moved or added."""
    tree = tomllib.loads(random_.choice(SOUND))
    for _ in range(random_.choice((1, 1, 1, 2, 4))):
        place = random_.choice(containers(tree) or [tree])
        key = random_.choice(list(place) if isinstance(place, dict) else range(len(place)))
        change = random_.random()
        if change < 0.55:
            place[key] = value(random_)
        elif change < 0.7:
            del place[key]
        elif change < 0.8 and isinstance(place, dict):
            place[random_.choice((*KEYS, key + "s", key[:-1]))] = place[key]
        elif change < 0.9 and isinstance(place, dict):
            place[random_.choice(KEYS)] = value(random_)
        else:
            place[key] = copy.deepcopy(random_.choice(containers(tree)))
    return written(tree)


def another_text(random_: random.Random) -> bytes:
    """A sound study with characters, lines or numbers of its text changed."""
    lines = random_.choice(SOUND).splitlines(keepends=True)
    for _ in range(random_.randrange(1, 4)):
        index = random_.randrange(len(lines))
        change = random_.randrange(6)
        if change == 0:
            del lines[index]
            lines = lines or ["\n"]
        elif change == 1:
            lines.insert(random_.randrange(len(lines)), lines[index])
        elif change == 2:
            words = lines[index].split(" ")
            words[random_.randrange(len(words))] = as_toml(value(random_))
            lines[index] = " ".join(words)
        elif change == 3:
            lines[index] = lines[index].replace("=", random_.choice(("==", ":", "", "= = ", ".x =")), 1)
        elif change == 4:
            lines[index] = random_.choice(("[", "[[", "{", '"', "'''", "]", "#", "=", "\t")) + lines[index]
        else:
            lines[index] = lines[index].translate({ord("0"): "9" * random_.choice((1, 20, 5000))})
    return "".join(lines).encode("utf-8", "surrogatepass")


def another_file(random_: random.Random) -> bytes:
    """A sound study with bytes flipped, lost or put in."""
    content = bytearray(random_.choice(SOUND).encode())
    for _ in range(random_.randrange(1, 5)):
        place, change = random_.randrange(len(content) + 1), random_.randrange(4)
        if change == 0 and place < len(content):
            content[place] ^= 1 << random_.randrange(8)
        elif change == 1:
            del content[place:]
        elif change == 2:
            content[place:place] = random_.randbytes(random_.randrange(1, 30))
        else:
            del content[place : place + random_.randrange(1, 60)]
    return random_.choice((b"", b"", b"", b"\xef\xbb\xbf", b"\xff\xfe")) + bytes(content)


def random_study(random_: random.Random) -> str:
    """A study of the right keys with small and large values; many of these are sound."""
    pick, number = random_.choice, random_.randrange

    def size() -> int:
        return pick(NUMBERS) if random_.random() < 0.03 else pick((1, 2, 3, 4, 6, 8, 16, number(1, 100)))

    def ranged(task: str) -> dict[str, Any]:
        return {"task": task, "max_length": pick((3, 4, 6, 8, size()))}

    def some(**parts: Callable[[], Any]) -> dict[str, Any]:
        return {key: make() for key, make in parts.items() if random_.random() < 0.35}

    def schedule() -> dict[str, Any]:
        return pick(({"every": size()}, {"at": [size(), size()]}, {"log_spaced": 1 + size(), "first": size()}))

    def training() -> dict[str, Any]:
        betas = {"betas": [pick((random_.random(), pick(FRACTIONS))), 0.9]} if number(8) == 0 else {}
        rates = some(learning_rate=random_.random, warmup=lambda: random_.random() / 2, weight_decay=random_.random)
        return some(steps=size, batch_size=size, checkpoints=schedule) | rates | betas

    def model() -> dict[str, Any]:
        shape = {"n_heads": (n_heads := pick((1, 2, 3, 4, size()))), "d_model": 2 * n_heads * size()}
        return shape | some(n_layers=size, d_mlp=size) | ({"n_key_value_heads": size()} if number(10) == 0 else {})

    def group(index: int) -> dict[str, Any]:
        main, *others = random_.sample(TASKS[:-1] if random_.random() < 0.9 else TASKS, number(1, 4))
        entry = {"name": f"g{number(4) or index}", "main": ranged(main), "auxiliary": list(map(ranged, others))}
        return (
            entry
            | some(
                arms=lambda: random_.sample(["joint", "each", "alone"], number(1, 4)),
                positions=lambda: pick((["rope"], ["rope", "nope"], ["nope"], ["nope", "nope"])),
                heads=lambda: pick(
                    ("all", "half", ["shared", "disjoint"], {"main": [0], **{task: [1] for task in others}})
                ),
                lengths=lambda: pick(([[size(), size()]], {"main": [size()] * number(1, 3), "auxiliary": [4, 8, 16]})),
                transfer_to=lambda: 8 * size(),
                evaluate_to=lambda: 30 * size(),
                training=training,
                model=model,
            )
            | ({"kind": pick(("related", "control", "alone"))} if random_.random() < 0.1 else {})
        )

    def question(groups: list[dict[str, Any]]) -> dict[str, Any]:
        return some(
            overlap=lambda: pick(("cosine", "kendall", "attention_difference", pick(TEXTS))),
            method=lambda: pick(("mean_ablation", "zero_ablation")),
            outcome=lambda: pick(("log_prob", "exact_match")),
            transfer=lambda: pick(("gap", "transfer_fraction", "x")),
            groups=lambda: [pick((entry["name"], entry["name"] + "-rope", "g")) for entry in groups],
        )

    measures = some(n_examples=size, beyond=size, top_k=size, functional_sets=size, micro_batch=size)
    measures |= {"score_length": size()} if number(8) == 0 else {}
    tree = {"name": "s", "groups": [group(index) for index in range(number(1, 4))]}
    tree |= some(seeds=lambda: random_.sample(range(9), number(1, 4)), alphabet_size=lambda: pick((2, 3, 9, 26)))
    tree |= some(grid_size=lambda: pick((2, 3, 4, 16, size())), primary=lambda: question(tree["groups"]))
    return written(tree | {"measures": measures, "training": training(), "model": model()})


def absurd_study(random_: random.Random) -> str:
    """A sound study with one wish of its own kind that no machine can fulfil, or that makes no sense."""
    tree = tomllib.loads(random_.choice(SOUND))
    group = random_.choice(tree["groups"])
    many = random_.choice((10**6, 10**9, 10**12, 2**63))

    def within(part: str, key: str, wish: Any) -> Callable[[], Any]:
        return lambda: random_.choice((tree, group)).setdefault(part, {}).__setitem__(key, wish)

    wishes: list[Callable[[], Any]] = [
        *(within("model", key, many) for key in ("n_layers", "n_heads", "d_model", "d_mlp", "n_key_value_heads")),
        *(within("training", key, many) for key in ("steps", "batch_size", "log_every")),
        *(within("training", "checkpoints", {key: many}) for key in ("every", "log_spaced")),
        within("training", "checkpoints", {"at": list(range(1, 50_000))}),
        *(lambda key=key: tree["measures"].update({key: many}) for key in ("n_examples", "n_score_examples", "beyond")),
        *(lambda key=key: tree["measures"].update({key: many}) for key in ("top_k", "functional_sets", "micro_batch")),
        lambda: group["main"].update(max_length=many),
        lambda: group.update(transfer_to=many),
        lambda: group.update(evaluate_to=many),
        lambda: group.update(lengths={"main": list(range(1, 900)), "auxiliary": list(range(1, 900))}),
        lambda: group.update(auxiliary=group.get("auxiliary", []) * 5000, arms=["each"]),
        lambda: tree.update(seeds=list(range(30_000))),
        lambda: tree.update(seeds=[many**3]),
        lambda: tree.update(groups=[group | {"name": f"g{n}", "kind": "x"} for n in range(3000)]),
        lambda: tree.update(groups=[group | {"name": f"g{n}"} for n in range(6000)]),
        lambda: tree.update(tasks=["/dev/zero"] * 200),
    ]
    random_.choice(wishes)()
    return written(tree)


def nasty_text(random_: random.Random) -> str:
    """A text that is hard to read: very deep, very long, or of very many parts."""
    n = random_.choice((100, 1000, 30_000, 200_000))
    deep = random_.choice(("[", "{a=", "[{a=[", "[[]," * 2))
    return random_.choice(
        (
            f"x = {deep * n}",
            f"x = {'[' * n}{']' * n}",
            ".".join("a" * n) + " = 1",
            f"[{'.'.join('a' * n)}]\nb.c = 1\n" * 3,
            f"seeds = [{'9' * n}]",
            f"seeds = [0x{'f' * n}]",
            f"clip = 1e{'9' * min(n, 5000)}",
            "".join(f"[[groups]]\nname = 'g{index}'\n" for index in range(min(n, 30_000))),
            "".join(f"k{index} = {index}\n" for index in range(min(n, 50_000))),
            "\n" * n,
            '"' * n,
            "#" + "\x01" * n,
        )
    )


KINDS = (another_tree, another_tree, another_text, another_file, random_study, random_study, random_study, absurd_study)


def study_file(seed: int) -> bytes:
    """The study file of a seed."""
    random_ = random.Random(seed)
    make = nasty_text if seed % 40 == 39 else random_.choice(KINDS)
    made = make(random_)
    return made if isinstance(made, bytes) else made.encode("utf-8", "surrogatepass")


if __name__ == "__main__":
    sys.stdout.buffer.write(study_file(int(sys.argv[1])))
