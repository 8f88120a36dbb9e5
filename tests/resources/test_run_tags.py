import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resources.run_tags import job_id_of, run_id_of


@given(st.uuids())
def test_a_job_id_leads_back_to_its_run(run_id: uuid.UUID) -> None:
    assert run_id_of(job_id_of(str(run_id))) == str(run_id)


@given(st.text(alphabet="job_0123456789abcdefABCDEF-", max_size=40) | st.text(max_size=40))
def test_what_is_accepted_is_the_id_of_that_run_and_no_other(text: str) -> None:
    run_id = run_id_of(text)
    assert run_id is None or job_id_of(run_id) == text


@pytest.mark.parametrize(
    "text", ["", "job_", "job_" + "0" * 31, "job_" + "0" * 33, "0" * 32, "job_" + "A" * 32]
)
def test_what_is_no_job_id(text: str) -> None:
    assert run_id_of(text) is None
