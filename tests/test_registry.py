"""A name is taken once, found again, or refused with what was probably meant. Covers `errors.py`."""

import sys

import pytest

from headreuse.errors import HeadreuseError, UnknownNameError, nearest
from headreuse.registry import Registry, registered


def test_a_taken_name_is_refused_and_an_unknown_one_told_with_the_nearest():
    registry = Registry[int]("number")
    registry.add("one", 1)
    registry.add("two", 2)
    assert dict(registry) == {"one": 1, "two": 2}
    with pytest.raises(ValueError, match="the number name 'one' is taken"):
        registry.add("one", 3)
    with pytest.raises(UnknownNameError, match=r"unknown number 'tow' \(did you mean 'two'\?\); choose from: one, two"):
        registry["tow"]
    assert issubclass(UnknownNameError, HeadreuseError)
    assert nearest("zzz", ["one"]) == ""


def test_what_is_added_apart_is_not_kept():
    registry = Registry[int]("number")
    registry.add("one", 1)
    with registry.apart() as added:
        registry.add("two", 2)
        assert "two" in registry
    assert added == {"two": 2}
    assert list(registry) == ["one"]


def test_a_room_is_imported_when_its_registry_is_first_read(tmp_path, monkeypatch):
    """Each module of the room registers itself; one may read the registry while it is imported."""
    room = tmp_path / "room"
    room.mkdir()
    (room / "__init__.py").write_text(
        "from headreuse.registry import Registry\nTHINGS = Registry('thing', room='room')\n"
    )
    (room / "first.py").write_text("from room import THINGS\nTHINGS.add('first', 1)\n")
    (room / "second.py").write_text("from room import THINGS\nTHINGS.add('second', len(THINGS))\n")
    monkeypatch.syspath_prepend(tmp_path)
    things = registered("room", "THINGS")
    assert "room.first" not in sys.modules
    assert dict(things) == {"first": 1, "second": 1}
    with pytest.raises(AssertionError, match="is no registry"):
        registered("room", "Registry")
