"""Any JSON in the place of a manifest: shown, or refused with a word on what to give."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from bitsft.data.report.accounts import changes_section, overview_section, rejected_section
from bitsft.data.report.findings import duplicates_section, leaks_section, quality_section
from bitsft.data.report.token_budget import limits_of, token_budget_section
from bitsft.data.report.words import words

TEXT = words("en")


NAMES = """
exact near cluster_sizes conflicts examples signature scores worst languages shared kind rows of
max_length histogram edges counts parts values lowest missing rows_in rows_added
rejections changes columns_left_out text before after similarity row_number 2
"""
KEYS = st.sampled_from(NAMES.split())
HISTOGRAM = st.fixed_dictionaries(
    {
        "edges": st.lists(st.integers() | st.floats(), max_size=4).map(sorted),
        "counts": st.lists(st.integers(0) | st.floats(), max_size=3),
    }
)
JSON = st.recursive(
    HISTOGRAM | st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)
MANIFEST = st.dictionaries(KEYS, JSON, max_size=5)


@settings(max_examples=200, deadline=None)
@given(MANIFEST)
def test_any_manifest_is_shown_or_refused_by_name(manifest: dict[str, Any]) -> None:
    for make in (
        lambda: token_budget_section(manifest, TEXT),
        lambda: token_budget_section({"train": manifest}, TEXT),
        lambda: token_budget_section({"train": {"histogram": manifest.get("rows")}}, TEXT),
        lambda: quality_section({"scores": manifest}, TEXT),
        lambda: limits_of({"train": manifest}),
        lambda: duplicates_section(manifest, TEXT),
        lambda: quality_section(manifest, TEXT),
        lambda: leaks_section(manifest, TEXT),
        lambda: overview_section(manifest, {}, TEXT),
        lambda: rejected_section(manifest, (), TEXT),
        lambda: changes_section(manifest, [], TEXT),
        lambda: changes_section(None, [manifest], TEXT),
    ):
        try:
            make()
        except ValueError as error:
            assert "give" in str(error)
