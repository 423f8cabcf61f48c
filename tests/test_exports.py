"""What users import: whole, sorted and documented."""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path

import pytest

import aumconnect


def natural(names: list[str]) -> list[str]:
    """Constants, then classes, then the rest, each in order: how the linter sorts `__all__`."""
    return sorted(names, key=lambda name: (not name.isupper(), not name[:1].isupper(), name))


def public_modules() -> list[str]:
    found = pkgutil.walk_packages(aumconnect.__path__, "aumconnect.")
    return [module.name for module in found if not any(part.startswith("_") for part in module.name.split("."))]


@pytest.mark.parametrize("name", aumconnect.__all__)
def test_every_exported_name_can_be_had(name: str) -> None:
    assert getattr(aumconnect, name) is not None


def test_all_is_sorted_and_is_what_dir_shows() -> None:
    assert natural(aumconnect.__all__) == aumconnect.__all__
    assert sorted(aumconnect.__all__) == dir(aumconnect)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Cleint'"):
        aumconnect.Cleint  # noqa: B018


@pytest.mark.parametrize("name", public_modules())
def test_every_public_module_says_what_it_is_and_what_it_offers(name: str) -> None:
    module = importlib.import_module(name)

    assert module.__doc__ or Path(module.__file__ or "").read_text() == "", name
    for exported in getattr(module, "__all__", []):
        assert hasattr(module, exported), f"{name}.{exported}"


def test_the_package_is_typed() -> None:
    assert (Path(aumconnect.__file__).parent / "py.typed").exists()
