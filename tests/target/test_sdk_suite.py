"""The SDK's own target suite, without the tests that send a foreign schema."""

from __future__ import annotations

import importlib.resources
import tempfile

import pytest
from singer_sdk.testing import get_target_test_class, target_test_streams
from singer_sdk.testing.suites import SingerTestSuite, target_tests
from target_newstore_stock.errors import RecordError
from target_newstore_stock.target import TargetNewStoreStock

# These tests import nothing, so the settings need not lead anywhere.
STAGING = tempfile.TemporaryDirectory()
NEWSTORE = {"tenant": "x", "client_id": "x", "client_secret": "x"}
SETTINGS = {**NEWSTORE, "staging_url": STAGING.name, "staging_link": "https://x.example/stock"}

#: Each sends records that are not stock records and expects them to be written. This target
#: refuses them (see below): nothing but stock may be imported as stock.
LEFT_OUT = (
    "array_data",
    "camelcase",
    "duplicate_records",
    "encoded_string_data",
    "no_primary_keys",
    "optional_attributes",
    "pk_updates",
    "record_missing_fields",
    "schema_no_properties",
    "schema_updates",
    "special_chars_in_attributes",
)
RUN = SingerTestSuite(kind="target", tests=[test for test in target_tests.tests if test.name not in LEFT_OUT])


class TestSdkSuite(
    get_target_test_class(  # type: ignore[misc]
        TargetNewStoreStock, config=SETTINGS, include_target_tests=False, custom_suites=[RUN]
    )
):
    """The tests that work with a stock schema, or without records."""


def test_everything_else_of_the_suite_is_run() -> None:
    assert {test.name for test in RUN.tests} == {
        "camelcase_complex_schema",
        "cli_prints",
        "invalid_schema",
        "record_before_schema",
        "record_missing_key_property",
    }


@pytest.mark.parametrize("name", LEFT_OUT)
def test_a_foreign_record_is_refused_with_an_error_naming_the_stock_fields(name: str) -> None:
    stream = importlib.resources.files(target_test_streams).joinpath(f"{name}.singer")
    with stream.open(encoding="utf-8") as messages, pytest.raises(RecordError) as caught:
        TargetNewStoreStock(config=SETTINGS).listen(messages)
    assert "fulfillment_node_id, product_id and quantity" in str(caught.value)
