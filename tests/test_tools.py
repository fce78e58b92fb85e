from __future__ import annotations

from pathlib import Path

import pytest

from tests import tools

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize(
    ("reason", "says"),
    [
        ("needs sh", "which is here"),
        ("Skipped: needs sh", "which is here"),
        ("needs no-such-tool-at-all", None),
        ("not today", "in CI only"),
    ],
)
def test_a_skip_in_ci_must_be_for_want_of_a_tool(reason: str, says: str | None) -> None:
    found = tools.complaint(reason)
    assert (found is None) == (says is None)
    assert says is None or says in (found or "")


@pytest.mark.parametrize(("ci", "outcome"), [("1", {"failed": 1, "errors": 1, "skipped": 1}), ("", {"skipped": 3})])
def test_skips_count_as_failures_in_ci(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, ci: str, outcome: dict[str, int]
) -> None:
    monkeypatch.setenv("VENOM_CI", ci)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    pytester.makeconftest("from tests.conftest import pytest_runtest_makereport")
    pytester.makepyfile(
        """
        import pytest
        from tests.tools import need, requires_tool

        @requires_tool("no-such-tool-at-all")
        def test_absent(): pass

        @pytest.mark.skip(reason="needs sh")
        def test_present(): pass

        def test_other(): pytest.skip("not today")
        """
    )
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider")
    result.assert_outcomes(**outcome)
