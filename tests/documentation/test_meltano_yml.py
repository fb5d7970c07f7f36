"""meltano.yml: the names users rely on, and settings that are the plugins' own."""

from __future__ import annotations

import importlib
import json
import typing as t

import pytest
from mapper_newstore_stock.mapper import MapperNewStoreStock
from tap_newstore_fulfillment.tap import TapNewStoreFulfillment
from target_newstore_stock.target import TargetNewStoreStock

from tests.documentation.plugins import meltano_project

PLUGINS: dict[str, t.Any] = {
    "extractors": TapNewStoreFulfillment,
    "mappers": MapperNewStoreStock,
    "loaders": TargetNewStoreStock,
}
#: Numbers, lists and choices are the plugins' own to read: Meltano ends in a traceback where one is wrong.
KINDS = {
    "string": "string",
    "integer": "string",
    "number": "string",
    "array": "string",
    "object": "object",
    "boolean": "boolean",
}


@pytest.fixture(scope="module")
def project() -> dict[str, t.Any]:
    return meltano_project()


def plugin(project: dict[str, t.Any], kind: str) -> dict[str, t.Any]:
    """Return the definition of the project's own plugin of a kind."""
    (own,) = (entry for entry in project["plugins"][kind] if "newstore" in entry["name"])
    return t.cast("dict[str, t.Any]", own)


def test_names_that_users_rely_on_stay(project: dict[str, t.Any]) -> None:
    assert plugin(project, "extractors")["name"] == "tap-newstore-fulfillment"
    assert plugin(project, "loaders")["name"] == "target-newstore-stock"
    assert plugin(project, "mappers")["name"] == "mapper-newstore-stock"
    assert [mapping["name"] for mapping in plugin(project, "mappers")["mappings"]] == [
        "newstore-stock",
        "newstore-allocations",
    ]
    assert plugin(project, "utilities")["name"] == "newstore-sandbox"
    jobs = {job["name"]: job["tasks"] for job in project["jobs"]}
    assert jobs["newstore-stock-sync"] == ["tap-newstore-fulfillment newstore-stock target-newstore-stock"]
    assert jobs["newstore-erp-sync"][0] == "tap-newstore-fulfillment newstore-allocations target-postgres"
    assert jobs["newstore-both-ways"] == jobs["newstore-stock-sync"] + jobs["newstore-erp-sync"]
    assert jobs["newstore-event-audit"] == ["event-receiver:audit"]
    assert {schedule["job"] for schedule in project["schedules"]} == {"newstore-both-ways", "newstore-event-audit"}
    assert project["default_environment"] == "sandbox"
    assert [environment["name"] for environment in project["environments"]] == ["sandbox", "production"]
    assert project["send_anonymous_usage_stats"] is False


@pytest.mark.parametrize("kind", PLUGINS)
def test_each_setting_is_declared_as_the_plugin_declares_it(project: dict[str, t.Any], kind: str) -> None:
    own = PLUGINS[kind].config_jsonschema["properties"]
    declared = {setting["name"]: setting for setting in plugin(project, kind)["settings"]}
    # The SDK adds its own settings, such as stream maps; meltano.yml need not declare them.
    assert declared.keys() == own.keys() - sdk_settings(PLUGINS[kind])
    for name, setting in declared.items():
        schema = own[name]
        assert setting["label"] == schema["title"], name
        assert setting["description"] == schema["description"], name
        assert setting.get("sensitive", False) == schema.get("secret", False), name
        assert setting["kind"] == KINDS[schema["type"][0]], name
        assert [option["value"] for option in setting.get("options", [])] == schema.get("enum", [])


@pytest.mark.parametrize("kind", PLUGINS)
def test_a_number_or_list_is_the_same_as_text_in_the_configuration_in_a_variable_and_as_itself(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugin_class = PLUGINS[kind]
    schema = plugin_class.config_jsonschema
    read = importlib.import_module(f"{plugin_class.__module__.partition('.')[0]}.environment").with_variables
    values = {"integer": 7, "number": 7, "array": [{"a": 1}]}
    plain = {name: own for name, own in schema["properties"].items() if "type" in own and "anyOf" not in own}
    kinds = {name: own["type"][0] for name, own in plain.items()}
    expected = {name: values[of] for name, of in kinds.items() if of in values}
    assert expected
    text = {name: json.dumps(value) for name, value in expected.items()}
    for config in (expected, text):
        for parse_env_config in (True, False):
            arguments = {"config": dict(config), "parse_env_config": parse_env_config}
            assert read(plugin_class.name, schema, arguments)["config"] == expected
    for name, value in text.items():
        monkeypatch.setenv(f"{plugin_class.name}_{name}".upper().replace("-", "_"), value)
    assert read(plugin_class.name, schema, {"parse_env_config": True})["config"] == expected


def sdk_settings(plugin_class: t.Any) -> set[str]:
    """Return the settings the SDK adds to every plugin of this kind."""
    added: dict[str, t.Any] = {"properties": {}}
    plugin_class.append_builtin_config(added)
    return set(added["properties"])


def test_the_production_environment_configures_nothing(project: dict[str, t.Any]) -> None:
    (production,) = (entry for entry in project["environments"] if entry["name"] == "production")
    assert production == {"name": "production"}
