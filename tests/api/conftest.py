"""A studio that asks for keys, shared by the tests of what keys are for."""

from collections.abc import Iterator

import pytest
from keyed_studio import KeyedStudio, keyed_studio
from running_studio import RunningStudio
from webhook_receiver import SECRET

PAGE = "https://app.example.org"


@pytest.fixture(scope="session")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KeyedStudio]:
    with keyed_studio(
        tmp_path_factory.mktemp("keyed"),
        cors_origins=(PAGE,),
        webhook_secret=SECRET,
        webhook_allow_private_addresses=True,
    ) as running:
        yield running


@pytest.fixture(scope="session")
def ada(keyed: KeyedStudio) -> RunningStudio:
    return keyed.with_key()[0]


@pytest.fixture(scope="session")
def bob(keyed: KeyedStudio) -> RunningStudio:
    return keyed.with_key()[0]


@pytest.fixture(scope="session")
def admin(keyed: KeyedStudio) -> RunningStudio:
    return keyed.with_key("admin")[0]
