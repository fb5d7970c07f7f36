"""Settings that survive their way through Meltano and variables, and are checked before anything is done."""

from __future__ import annotations

import typing as t

import pytest
from target_newstore_stock.errors import ConfigurationError
from target_newstore_stock.settings import SETTINGS
from target_newstore_stock.store_mapping import creates_stores, read_store_mapping
from target_newstore_stock.target import TargetNewStoreStock

from tests.shop.plugin import run_plugin

if t.TYPE_CHECKING:
    from pathlib import Path

TARGET = "target-newstore-stock"
NEEDED = {"tenant": "demo", "client_id": "c", "client_secret": "s", "staging_url": "s3://bucket/stock"}


def as_variables(settings: dict[str, str]) -> dict[str, str]:
    return {f"TARGET_NEWSTORE_STOCK_{name.upper()}": value for name, value in settings.items()}


@pytest.mark.parametrize(
    "value",
    [
        "DC.01=,NYC1=NYC1",
        " DC.01 = , NYC1=NYC1 ",
        '{"DC.01": "", "NYC1": "NYC1"}',
        {"DC.01": "", "NYC1": "NYC1"},
        {"DC": {"01": ""}, "NYC1": "NYC1"},
    ],
    ids=["text", "text with spaces", "JSON text", "object", "object as Meltano takes it apart"],
)
def test_a_store_mapping_may_be_written_in_any_form(value: object) -> None:
    target = TargetNewStoreStock(config={**NEEDED, "store_mapping": value})
    assert target.settings.store_mapping == {"DC.01": "", "NYC1": "NYC1"}


@pytest.mark.parametrize("value", [None, "", " "])
def test_an_empty_store_mapping_is_none(value: object) -> None:
    assert read_store_mapping(value) is None


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("DC01", "'DC01': expected node=store"),
        ("DC01=,=NYC1", "'=NYC1': expected node=store"),
        ("DC01=,", "'': expected node=store"),
        ('{"DC01": ', "not JSON"),
        ('{"DC01": ' * 100_000, "not JSON: nested too deeply"),
        ('{"DC01": 1}', "DC01 has 1, expected the text of a store id"),
        ({"DC": {"01": 1}}, "DC.01 has 1"),
        ("DC01=,DC01=X", "DC01 is named twice, with '' and 'X'"),
        ({"DC.01": "", "DC": {"01": "X"}}, "DC.01 is named twice"),
        ([1], "expected node=store"),
    ],
)
def test_a_store_mapping_that_cannot_be_read_is_named(value: object, said: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^store_mapping: ") as refused:
        read_store_mapping(value)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("value", "creates"),
    [("stores", True), (" Stores", True), (True, False), ("true", False), ("", False), (None, False)],
)
def test_only_stores_makes_stores_of_nodes_nobody_names(value: object, creates: bool) -> None:
    assert creates_stores(value) == creates


@pytest.mark.parametrize(("value", "warns"), [(True, True), ("yes", True), (False, False), ("", False), (None, False)])
def test_true_creates_no_stores_and_says_so(caplog: pytest.LogCaptureFixture, value: object, warns: bool) -> None:
    creates_stores(value)
    said = "create_locations: true does no more than false: set stores to create each unknown node as a store"
    assert (said in caplog.text) == warns


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"store_mapping": "DC01"}, "store_mapping: 'DC01': expected node=store"),
        ({"tenant": "a b/c"}, "tenant: 'a b/c': expected the name in https://(tenant).p.newstore.net"),
        ({"tenant": "acme."}, "tenant: 'acme.': expected the name"),
        ({"tenant": "https://acme.p.newstore.net"}, "tenant: 'https://acme.p.newstore.net': expected the name"),
        ({"tenant": "a" * 64}, "expected the name in"),
        (
            {"api_url": "acme.p.newstore.net"},
            "api_url: 'acme.p.newstore.net': expected a URL that begins with https://",
        ),
        ({"api_url": "localhost:8766"}, "api_url: 'localhost:8766': expected a URL"),
        ({"api_url": "https://a b/c"}, "api_url: 'https://a b/c': expected a URL"),
        ({"api_url": "https://.p.newstore.net"}, "api_url: 'https://.p.newstore.net': expected a URL"),
        ({"api_url": "https://a..net"}, "api_url: 'https://a..net': expected a URL"),
        ({"api_url": "https://acme:port/"}, "api_url: 'https://acme:port/': expected a URL"),
        ({"auth_url": "id.p.newstore.net/token"}, "auth_url: 'id.p.newstore.net/token': expected a URL"),
        ({"auth_url": "ftp://c:hunter2@id.p.newstore.net"}, "auth_url: 'ftp://id.p.newstore.net': expected a URL"),
        ({"create_locations": "all"}, "create_locations: 'all': expected stores or false"),
        ({"staging_link": "Presigned"}, "staging_link: 'Presigned': expected presigned, uri or an https base URL"),
        ({"staging_link": "cdn.example.com/stock"}, "staging_link: 'cdn.example.com/stock': expected presigned"),
        ({"staging_link": "http://cdn.example.com/stock"}, "staging_link: 'http://cdn.example.com/stock': expected"),
        ({"staging_link": "https:///stock"}, "staging_link: 'https:///stock': expected"),
        ({"staging_link": "https://[x/stock"}, "staging_link: 'https://[x/stock': expected"),
        ({"staging_link": "https://cdn.example.com/stock?sig=hunter2"}, "'https://cdn.example.com/stock' has a query"),
        ({"staging_link": "https://cdn.example.com/stock?"}, "'https://cdn.example.com/stock' has a query"),
        (
            {"staging_link": "uri", "staging_url": "/srv/stock"},
            "staging_link: uri: NewStore fetches https:// and s3://",
        ),
        ({"staging_link": "uri", "staging_url": "file:///srv/stock"}, "and staging_url is of kind file"),
        ({"staging_link": "uri", "staging_url": "gs://bucket/stock"}, "and staging_url is of kind gs"),
        ({"staging_link": "uri", "staging_url": "simplecache::memory://stock"}, "and staging_url is of kind memory"),
        ({"staging_url": "/srv/stock"}, "staging_link: presigned links need an object store, and staging_url is a dir"),
        ({"staging_link": "presigned", "staging_url": "local:///srv/stock"}, "presigned links need an object store"),
        ({"staging_link": "presigned", "staging_url": "memory://stock"}, "and staging_url is of kind memory"),
        ({"staging_link": "presigned", "staging_url": "sftp://u:hunter2@host/stock"}, "staging_url is of kind sftp"),
    ],
)
def test_useless_settings_end_with_2_and_one_line_before_anything_is_done(
    tmp_path: Path, settings: dict[str, str], said: str
) -> None:
    for done in (
        run_plugin(TARGET, tmp_path, {**NEEDED, **settings}),
        run_plugin(TARGET, tmp_path, None, "--config=ENV", **as_variables(NEEDED | settings)),
    ):
        assert (done.code, done.output) == (2, "")
        (line,) = (line for line in done.log.splitlines() if "ERROR" in line)
        assert said in line
        assert "hunter2" not in done.log


OPTIONAL = sorted(SETTINGS["properties"].keys() - set(SETTINGS["required"]))


def test_null_counts_as_not_set(tmp_path: Path) -> None:
    nulls = TargetNewStoreStock(config={**NEEDED, **dict.fromkeys(OPTIONAL)}).settings
    assert nulls == TargetNewStoreStock(config=NEEDED).settings
    done = run_plugin(TARGET, tmp_path, {**NEEDED, **dict.fromkeys(OPTIONAL)})
    assert (done.code, done.output) == (0, ""), done.log
    done = run_plugin(TARGET, tmp_path, {**NEEDED, "tenant": None})
    assert (done.code, done.output) == (2, "")
    assert "'tenant' is a required property" in done.log


def test_a_variable_sets_what_is_null_in_the_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TARGET_NEWSTORE_STOCK_VERIFY", "fail")
    config = {**NEEDED, "verify": None}
    assert TargetNewStoreStock(config=config, parse_env_config=True).settings.verify == "fail"


@pytest.mark.parametrize("setting", ["tenant", "client_id", "client_secret", "staging_url"])
def test_a_required_setting_must_not_be_empty(tmp_path: Path, setting: str) -> None:
    done = run_plugin(TARGET, tmp_path, {**NEEDED, setting: ""})
    assert (done.code, done.output) == (2, "")
    (line,) = (line for line in done.log.splitlines() if "ERROR" in line)
    assert f"non-empty in config['{setting}']" in line


@pytest.mark.parametrize("tenant", ["acme", "acme-staging", "Acme1", "a", "acme_uk", "acme.eu", "9"])
def test_a_tenant_is_any_name_a_host_may_have(tenant: str) -> None:
    assert TargetNewStoreStock(config={**NEEDED, "tenant": tenant}).settings.tenant == tenant


@pytest.mark.parametrize("url", ["", "https://acme.x.newstore.net/", "http://127.0.0.1:8766", "http://[::1]:8766"])
def test_urls_that_can_be_called_are_taken_and_an_empty_one_is_the_default(url: str) -> None:
    settings = TargetNewStoreStock(config={**NEEDED, "api_url": url, "auth_url": url}).settings
    assert settings.api_base_url == (url or "https://demo.p.newstore.net")
    assert settings.token_url.startswith(url or "https://id.p.newstore.net/auth/realms/demo/")


@pytest.mark.parametrize(
    "link",
    ["presigned", "uri", "https://cdn.example.com/stock", "s3://bucket/stock", "http://127.0.0.1:8766/staging"],
)
def test_useful_links_are_taken(link: str) -> None:
    assert TargetNewStoreStock(config={**NEEDED, "staging_link": link}).settings.staging_link == link


@pytest.mark.parametrize("link", ["presigned", "uri"])
def test_a_dry_run_links_to_nothing_and_takes_any_place(link: str) -> None:
    settings = {"staging_url": "/srv/stock", "staging_link": link, "dry_run": True}
    assert TargetNewStoreStock(config={**NEEDED, **settings}).settings.staging_link == link


@pytest.mark.parametrize("place", ["gs://bucket/stock", "az://c/stock", "s3a://bucket/x", "simplecache::s3://bucket/x"])
def test_stores_that_sign_take_presigned_links(place: str) -> None:
    settings = {**NEEDED, "staging_url": place, "staging_link": "presigned"}
    assert TargetNewStoreStock(config=settings).settings.staging_url == place


@pytest.mark.parametrize("text", ["", "soon"])
@pytest.mark.parametrize(
    ("plugin", "setting", "wanted"),
    [
        (TARGET, "poll_seconds", "a number"),
        (TARGET, "verify_sample", "a whole number"),
        ("mapper-newstore-stock", "max_cut_items", "a whole number"),
        ("tap-newstore-fulfillment", "settle_seconds", "a whole number"),
    ],
)
def test_a_variable_that_is_no_number_is_named(
    tmp_path: Path, plugin: str, setting: str, wanted: str, text: str
) -> None:
    variable = f"{plugin}_{setting}".upper().replace("-", "_")
    done = run_plugin(plugin, tmp_path, None, "--config=ENV", **{variable: text})
    assert (done.code, done.output) == (2, "")
    assert f"{variable} is {text!r}, expected {wanted}" in done.log
    assert "Traceback" not in done.log


NUMBERS = [name for name, schema in SETTINGS["properties"].items() if "number" in schema.get("type", ())]


@pytest.mark.parametrize("text", ["0.5", "5", "7.0", "1e1"])
def test_each_number_may_be_a_fraction_in_a_variable_too(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    assert {"max_zeroed_percent", "max_file_mb", "poll_seconds"} <= set(NUMBERS)
    for name, value in as_variables(NEEDED | dict.fromkeys(NUMBERS, text)).items():
        monkeypatch.setenv(name, value)
    settings = TargetNewStoreStock(config={}, parse_env_config=True).settings
    assert {name: getattr(settings, name) for name in NUMBERS} == dict.fromkeys(NUMBERS, float(text))


@pytest.mark.parametrize(
    ("name", "text"), [("poll_seconds", "nan"), ("poll_seconds", "inf"), ("max_zeroed_percent", "nan")]
)
def test_a_number_has_to_be_one(monkeypatch: pytest.MonkeyPatch, name: str, text: str) -> None:
    for variable, value in as_variables(NEEDED | {name: text}).items():
        monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigurationError, match=f"^{name}: {text}: expected a number"):
        TargetNewStoreStock(config={}, parse_env_config=True)


def test_a_variable_that_is_no_object_is_named(tmp_path: Path) -> None:
    variables = {"MAPPER_NEWSTORE_STOCK_ON_HAND_COLUMNS": "quantity=amount"}
    done = run_plugin("mapper-newstore-stock", tmp_path, None, "--config=ENV", **variables)
    assert done.code == 2
    assert "MAPPER_NEWSTORE_STOCK_ON_HAND_COLUMNS is 'quantity=amount', expected a JSON object" in done.log


@pytest.mark.parametrize(
    ("plugin", "setting", "said"),
    [
        (TARGET, "future_inventory_nodes", "expected a JSON array"),
        ("mapper-newstore-stock", "ignored_nodes", "expected a JSON array"),
        ("mapper-newstore-stock", "booked_columns", "expected a JSON object"),
    ],
)
def test_a_variable_whose_json_is_nested_too_deeply_is_named(
    tmp_path: Path, plugin: str, setting: str, said: str
) -> None:
    variable = f"{plugin}_{setting}".upper().replace("-", "_")
    done = run_plugin(plugin, tmp_path, None, "--config=ENV", **{variable: "[" * 100_000})
    assert (done.code, done.output) == (2, "")
    assert variable in done.log
    assert said in done.log
    assert "Traceback" not in done.log
