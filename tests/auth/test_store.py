"""A token store keeps tokens privately, whole, and for one process at a time."""

import json
import multiprocessing
import os
import stat
import sys
from types import SimpleNamespace

import pytest

from aumconnect.auth import FileTokenStore, KeyringTokenStore
from aumconnect.errors import ConfigurationError


@pytest.fixture
def store(tmp_path):
    return FileTokenStore(tmp_path / "tokens.json")


def test_what_was_saved_is_loaded_by_another_process(store, tmp_path):
    store.save("a", "one")
    store.save("b", "two")
    store.save("a", "three")

    again = FileTokenStore(tmp_path / "tokens.json")
    assert (again.load("a"), again.load("b"), again.load("c")) == ("three", "two", None)


def test_only_the_owner_can_read_the_file(store, tmp_path):
    store.save("a", "one")

    assert stat.S_IMODE((tmp_path / "tokens.json").stat().st_mode) == 0o600


def test_a_file_that_others_can_read_is_refused(store, tmp_path):
    store.save("a", "one")
    (tmp_path / "tokens.json").chmod(0o644)

    with pytest.raises(ConfigurationError, match="can be read by others"):
        store.load("a")


def test_another_file_is_not_overwritten(store, tmp_path):
    path = tmp_path / "tokens.json"
    for content in ("no json", json.dumps(["a list"])):
        path.write_text(content)
        path.chmod(0o600)
        with pytest.raises(ConfigurationError, match="not a token file"):
            store.save("a", "one")
        assert path.read_text() == content


def test_a_change_that_fails_leaves_the_old_file_and_no_draft(store, tmp_path, monkeypatch):
    def full(_):
        raise OSError("disk full")

    store.save("a", "one")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="disk full"):
        store.save("a", "two")

    assert store.load("a") == "one"
    assert [path.name for path in tmp_path.iterdir() if not path.name.endswith(".lock")] == ["tokens.json"]


def test_the_lock_holds_against_another_store_and_the_same_one(store, tmp_path):
    other = FileTokenStore(tmp_path / "tokens.json")

    assert store.try_lock("a")
    assert not store.try_lock("a")
    assert not other.try_lock("a")
    assert other.try_lock("b")
    store.unlock("a")
    assert other.try_lock("a")


def _hold(path, ready):
    FileTokenStore(path).try_lock("a")
    ready.set()
    os.kill(os.getpid(), 9)


def test_the_lock_of_a_dead_process_is_free(store, tmp_path):
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    process = context.Process(target=_hold, args=(tmp_path / "tokens.json", ready))
    process.start()
    assert ready.wait(30)
    process.join(30)

    assert process.exitcode == -9
    assert store.try_lock("a")


def test_the_keyring_keeps_tokens_too(tmp_path, monkeypatch):
    kept = {}
    keyring = SimpleNamespace(
        get_password=lambda service, name: kept.get((service, name)),
        set_password=lambda service, name, text: kept.update({(service, name): text}),
    )
    monkeypatch.setitem(sys.modules, "keyring", keyring)
    store = KeyringTokenStore("crm", lock_folder=tmp_path)

    store.save("a", "one")

    assert store.load("a") == "one"
    assert store.load("b") is None
    assert store.try_lock("a")
    assert not KeyringTokenStore("crm", lock_folder=tmp_path).try_lock("a")


def test_a_missing_keyring_package_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(ConfigurationError) as caught:
        KeyringTokenStore(lock_folder=tmp_path).load("a")
    assert "aumconnect[keyring]" in caught.value.hint
