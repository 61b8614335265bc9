"""A prepared store of each kind."""

from collections.abc import Iterator

import pytest

from scopegate.base.settings import Settings
from scopegate.store.open import prepare
from tests.contracts.store_driver import Driver, opened


@pytest.fixture
def prepared(settings: Settings) -> Settings:
    prepare(settings)
    return settings


@pytest.fixture
def store(prepared: Settings) -> Iterator[Driver]:
    with opened(prepared) as driver:
        yield driver
