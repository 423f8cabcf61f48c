"""Job files: what is accepted, and how exactly a mistake is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from aumconnect.connector import Operation
from aumconnect.errors import ConfigurationError
from aumconnect.writeback._settings import CONNECTION, GUARDS, JOB_FILE, WRITEBACK
from aumconnect.writeback._toml_lines import Lines
from aumconnect.writeback.jobfile import GuardLimit, JobFile, json_schema, load

GOOD = """\
ledger = "runs.db"

[connections.crm]
url = "salesforce://acme.my.salesforce.com"
auth = { kind = "client_credentials", id = "env:SF_CLIENT_ID", secret = "env:SF_SECRET" }
rate = "100/10 s"

[writebacks.churn]
source = "predictions/churn.parquet"
to = "crm:Contact"
operation = "update"
key = { Customer_Id__c = "customer_id" }
on_human_edit = "skip"
model = { name = "churn", version = "2026.11" }
stamp = { Churn_Model__c = "model.version", Churn_Scored_At__c = "scored_at" }

[writebacks.churn.fields]
Churn_Score__c = { from = "score", ge = 0, le = 1 }
Churn_Band__c = { from = "band", missing = "clear" }

[writebacks.churn.guards]
changed = "20 %"
cleared = { limit = "1 %", minimum = 10 }
"""


def loaded(folder: Path, text: str = GOOD, env: str | None = None) -> JobFile:
    path = folder / "aumconnect.toml"
    path.write_text(text)
    return load(path, env)


def refused(folder: Path, old: str, new: str, *, env: str | None = None) -> ConfigurationError:
    assert old in GOOD
    with pytest.raises(ConfigurationError) as caught:
        loaded(folder, GOOD.replace(old, new), env)
    return caught.value


def test_the_example_of_the_documentation_is_understood(tmp_path: Path) -> None:
    file = loaded(tmp_path)
    job = file.jobs["churn"]
    assert (job.connection, job.object, job.operation) == ("crm", "Contact", Operation.UPDATE)
    assert job.mapping.key == ("Customer_Id__c",)
    assert set(job.mapping.fields) == {"Churn_Score__c", "Churn_Band__c", "Churn_Model__c", "Churn_Scored_At__c"}
    assert job.guards == {"changed": GuardLimit(0.2), "cleared": GuardLimit(0.01, 10)}
    assert file.connections["crm"].rate == (100, 10.0)
    assert file.ledger == "runs.db"


@pytest.mark.parametrize(
    ("old", "new", "line", "said", "hint"),
    [
        (
            'model = { name = "churn"',
            'modle = { name = "churn"',
            14,
            "writebacks.churn.modle: there is no such",
            "'model'",
        ),
        ('on_human_edit = "skip"', 'on_human_edit = "ask"', 13, "one of skip, overwrite, report", None),
        ('missing = "clear"', 'misng = "clear"', 19, "Churn_Band__c.misng", "'missing'"),
        ('to = "crm:Contact"', 'to = "cmr:Contact"', 10, "there is no connection 'cmr'", "'crm'"),
        ('to = "crm:Contact"', 'to = "Contact"', 10, "a connection and an object", None),
        ('changed = "20 %"', 'chnged = "20 %"', 22, "writebacks.churn.guards.chnged", "'changed'"),
        ('changed = "20 %"', 'changed = "200 %"', 22, "a share such as", None),
        ("minimum = 10", "minimum = -1", 23, "guards.cleared.minimum", None),
        ('rate = "100/10 s"', 'rate = "quick"', 6, "connections.crm.rate", None),
        ('secret = "env:SF_SECRET"', 'secret = "hunter2"', 5, "a secret in clear", "env:"),
        ('ledger = "runs.db"', 'ledger = "postgresql://me:hunter2@db/x"', 1, "a password in clear", "env:"),
        ('operation = "update"\n', "", 8, "operation is missing", None),
        ('kind = "client_credentials"', 'kind = "client_credential"', 5, "connections.crm.auth", None),
        (
            "\n[writebacks.churn.fields]",
            "\n[writebakcs.x]\n[writebacks.churn.fields]",
            17,
            "writebakcs",
            "'writebacks'",
        ),
    ],
)
def test_a_mistake_is_named_with_its_line(
    tmp_path: Path, old: str, new: str, line: int, said: str, hint: str | None
) -> None:
    error = refused(tmp_path, old, new)
    assert error.message.startswith(f"{tmp_path / 'aumconnect.toml'}:{line}: ")
    assert said in error.message
    if hint:
        assert hint in str(error.hint)
    assert "hunter2" not in str(error)


def test_broken_toml_is_named_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="line 2"):
        loaded(tmp_path, "a = 1\nb = = 2\n")


def test_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="there is no job file") as caught:
        load(tmp_path / "no.toml")
    assert "init" in str(caught.value.hint)


def test_an_environment_replaces_parts(tmp_path: Path) -> None:
    text = GOOD + '\n[env.prod]\nledger = "env:LEDGER"\n[env.prod.connections.crm]\nurl = "salesforce://prod.example"\n'
    assert loaded(tmp_path, text).ledger == "runs.db"
    prod = loaded(tmp_path, text, "prod")
    assert prod.ledger == "env:LEDGER"
    assert prod.connections["crm"].url == "salesforce://prod.example"
    assert prod.connections["crm"].credential is not None
    assert prod.digest != loaded(tmp_path, text).digest


def test_an_unknown_environment_is_refused_with_the_near_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"there is no \[env.prd\]") as caught:
        loaded(tmp_path, GOOD + "\n[env.prod]\n", "prd")
    assert "'prod'" in str(caught.value.hint)


def test_a_mistake_in_an_environment_is_named_where_it_stands(tmp_path: Path) -> None:
    text = GOOD + '\n[env.prod.connections.crm]\nrate = "quick"\n'
    with pytest.raises(ConfigurationError, match=r":26: connections\.crm\.rate"):
        loaded(tmp_path, text, "prod")


def test_the_json_schema_knows_every_setting_and_no_other() -> None:
    schema = json_schema()
    writeback = schema["properties"]["writebacks"]["additionalProperties"]
    assert set(schema["properties"]) == set(JOB_FILE)
    assert set(writeback["properties"]) == set(WRITEBACK)
    assert set(writeback["properties"]["guards"]["properties"]) == set(GUARDS)
    connection = schema["properties"]["connections"]["additionalProperties"]
    assert set(connection["properties"]) == set(CONNECTION)
    assert not any(table["additionalProperties"] for table in (schema, writeback, connection))
    json.dumps(schema)


@pytest.mark.parametrize(
    ("text", "path", "line"),
    [
        ('a = """\nb = 1\n"""\nc = 2', ("c",), 4),
        ("[x]\na = [\n  1,\n  { b = 2 },\n]\nd = 1", ("x", "d"), 6),
        ("[x]\na = [\n  1,\n  { b = 2 },\n]\nd = 1", ("x", "a", "b"), 4),
        ('# [no]\n["a.b"]\n\'c d\' = "x # = [" # y\ne = 1', ("a.b", "e"), 4),
        ("[x.y]\na.b = 1\n[[x.z]]\nk = 1", ("x", "y", "a", "b"), 2),
        ("[x.y]\na.b = 1\n[[x.z]]\nk = 1", ("x", "z", "k"), 4),
        ("a = { b = { c = 1 }, d = 2 }\ne = 3", ("a", "d"), 1),
        ("a = 1979-05-27T07:32:00Z\nb = 1_000.5e-3\nc = 1", ("c",), 3),
        ("a = 1", ("a", "deeper", "still"), 1),
        ("a = 1", ("other",), None),
    ],
)
def test_lines_are_found(text: str, path: tuple[str, ...], line: int | None) -> None:
    assert Lines(text).of(path) == line
