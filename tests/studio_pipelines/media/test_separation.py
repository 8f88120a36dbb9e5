"""Which stems a request gets."""

import pytest

from studio_pipelines.errors import InvalidParameter
from studio_pipelines.media.separation import StemFamily, StemOffer, plan_stems

TWO = StemFamily(("vocals",), "accompaniment")
FOUR = StemFamily(("vocals", "drums", "bass"), "other")
OFFER = StemOffer("spleeter", (TWO, FOUR), ("vocals", "drums", "bass", "other"))


@pytest.mark.parametrize(
    ("stems", "two_stems", "family", "kept"),
    [
        (None, None, TWO, ("vocals", "accompaniment")),
        (2, None, TWO, ("vocals", "accompaniment")),
        (4, None, FOUR, ("vocals", "drums", "bass", "other")),
        (["accompaniment"], None, TWO, ("accompaniment",)),
        (["other", "drums", "other"], None, FOUR, ("other", "drums")),
        (None, "bass", StemFamily(("bass",), "noBass"), ("bass", "noBass")),
    ],
)
def test_plans(
    stems: int | list[str] | None, two_stems: str | None, family: StemFamily, kept: tuple[str, ...]
) -> None:
    plan = plan_stems(OFFER, stems, two_stems)
    assert (plan.family, plan.kept) == (family, kept)
    assert plan.is_whole == (len(kept) == len(family.names))


@pytest.mark.parametrize(
    ("stems", "two_stems", "field"),
    [
        (3, None, "stems"),
        ([], None, "stems"),
        (["guitar"], None, "stems"),
        (["accompaniment", "drums"], None, "stems"),
        (None, "accompaniment", "twoStems"),
        (2, "vocals", "twoStems"),
    ],
)
def test_refusals(stems: int | list[str] | None, two_stems: str | None, field: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        plan_stems(OFFER, stems, two_stems)
    assert caught.value.field == field
    assert caught.value.hint
