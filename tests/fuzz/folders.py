"""Damaged run folders: a generator of what disks, copies, tools and people do to files, drawn from a seed."""

import random
import shutil
from collections.abc import Callable
from pathlib import Path

Damage = Callable[[random.Random, Path, Path], object]
"""Damages one file; the folder is given, too."""

NOTES = ("{", "", "[]", '"x"', "null", "NaN", "1e999", "{}", '{"sha256": ""}', "[" * 100_000, "9" * 5_000, "\0", "ÿ")
"""What a JSON file may hold instead of what was written."""


def flip_bits(random: random.Random, file: Path, _folder: Path) -> None:
    content = bytearray(file.read_bytes())
    for _ in range(random.choice((1, 1, 3)) if content else 0):
        content[random.randrange(len(content))] ^= 1 << random.randrange(8)
    file.write_bytes(content)


def change_a_digit(random: random.Random, file: Path, _folder: Path) -> None:
    """A number becomes another, as in a table or a note that somebody edits."""
    content = bytearray(file.read_bytes())
    digits = [place for place, byte in enumerate(content) if byte in b"0123456789"]
    for place in random.sample(digits, min(len(digits), 2)):
        content[place] = ord("0") + (content[place] - ord("0") + random.randrange(1, 10)) % 10
    file.write_bytes(content)


def truncate(random: random.Random, file: Path, _folder: Path) -> None:
    content = file.read_bytes()
    file.write_bytes(content[: random.randrange(len(content) or 1)])


def empty(_random: random.Random, file: Path, _folder: Path) -> None:
    file.write_bytes(b"")


def delete(_random: random.Random, file: Path, _folder: Path) -> None:
    file.unlink()


def fill_with_garbage(random: random.Random, file: Path, _folder: Path) -> None:
    file.write_bytes(random.randbytes(random.choice((1, 100, 5000))))


def fill_with_zeros(_random: random.Random, file: Path, _folder: Path) -> None:
    """What a file holds whose blocks never reached the disk."""
    file.write_bytes(bytes(file.stat().st_size))


def write_nonsense(random: random.Random, file: Path, _folder: Path) -> None:
    file.write_text(random.choice(NOTES), encoding=random.choice(("utf-8", "latin-1")))


def append(random: random.Random, file: Path, _folder: Path) -> None:
    with file.open("ab") as end:
        end.write(random.choice((b"\n", b"x", file.read_bytes())))


def lose_a_line(random: random.Random, file: Path, _folder: Path) -> None:
    lines = file.read_bytes().splitlines(keepends=True)
    if lines:
        del lines[random.randrange(len(lines))]
    file.write_bytes(b"".join(lines))


def make_a_folder_of_it(random: random.Random, file: Path, _folder: Path) -> None:
    file.unlink()
    file.mkdir()
    if random.random() < 0.5:
        (file / "inside").write_text("x")


def link_to_nothing(_random: random.Random, file: Path, _folder: Path) -> None:
    file.unlink()
    file.symlink_to("nowhere")


def swap(random: random.Random, file: Path, folder: Path) -> None:
    """Two files of one kind, such as two results or the notes of two checkpoints, change places."""
    other = random.choice([other for other in files_of(folder) if other.suffix == file.suffix])
    ours, theirs = file.read_bytes(), other.read_bytes()
    file.write_bytes(theirs)
    other.write_bytes(ours)


def copy_over(random: random.Random, file: Path, folder: Path) -> None:
    shutil.copyfile(random.choice(files_of(folder)), folder / "taken")
    (folder / "taken").replace(file)


def leave_drafts(random: random.Random, file: Path, _folder: Path) -> None:
    """What a kill leaves behind."""
    for name in (f".{file.name}.{random.randrange(9999)}", f".{file.name}.0000abcd-{random.randrange(9999)}"):
        file.with_name(name).write_bytes(file.read_bytes()[:50])


def delete_its_folder(_random: random.Random, file: Path, folder: Path) -> None:
    if file.parent != folder:
        shutil.rmtree(file.parent)


def make_a_file_of_its_folder(_random: random.Random, file: Path, folder: Path) -> None:
    if file.parent != folder:
        shutil.rmtree(file.parent)
        file.parent.write_text("x")


def swap_folders(random: random.Random, file: Path, folder: Path) -> None:
    """The folders of two checkpoints, runs or models change places."""
    depth = len(file.relative_to(folder).parts)
    others = {other.parent for other in files_of(folder) if len(other.relative_to(folder).parts) == depth}
    one, other = file.parent, random.choice(sorted(others))
    if one not in (other, folder):
        one.rename(folder / "taken")
        other.rename(one)
        (folder / "taken").rename(other)


FILE_DAMAGES: tuple[Damage, ...] = (
    *(flip_bits, change_a_digit, truncate, empty, delete, fill_with_garbage, fill_with_zeros, write_nonsense, append),
    *(lose_a_line, make_a_folder_of_it, link_to_nothing, swap, copy_over, leave_drafts),
)
FOLDER_DAMAGES: tuple[Damage, ...] = (delete_its_folder, make_a_file_of_its_folder, swap_folders)


def files_of(folder: Path) -> list[Path]:
    """What may be damaged: every file, the report alone left out, from which nothing is made."""
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.name not in ("report.html", ".lock"))


def damage(folder: Path, seed: int) -> str:
    """Damage one to three files of a folder, or a folder in it; returns what was done, one word a file."""
    generator = random.Random(seed)
    done = []
    for _ in range(generator.choice((1, 1, 1, 2, 3))):
        files = files_of(folder)
        # Every kind of file as often as the others, however many there are of it.
        kinds = sorted({_kind(file, folder) for file in files})
        if not kinds:
            break
        kind = generator.choice(kinds)
        file = generator.choice([file for file in files if _kind(file, folder) == kind])
        harm = generator.choice(FOLDER_DAMAGES if generator.random() < 0.1 else FILE_DAMAGES)
        harm(generator, file, folder)
        done.append(f"{harm.__name__} {file.relative_to(folder)}")
    return ", ".join(done)


def _kind(file: Path, folder: Path) -> str:
    part = file.relative_to(folder).parts[0]
    return part if part == "measurements" else f"{part} {file.name}"
