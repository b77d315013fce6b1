"""Nothing stands in the house that nobody can reach."""

from __future__ import annotations

import pytest

pytest.importorskip("vulture")

from benchmarks.callers import reasons, uncalled


def test_every_public_name_has_a_caller_or_a_reason():
    """What no command, no document and no other file reaches is gone; a reason stands only where one is needed."""
    assert uncalled() == set(reasons())


def test_a_name_that_only_tests_reach_is_found(tmp_path):
    """An export is no call, and neither is an import; a Python example in a document is one."""
    package = tmp_path / "src" / "gerund"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(
        "from gerund.a import idle, shown, used\n__all__ = ['idle', 'shown', 'used']\n"
    )
    (package / "a.py").write_text("def idle(): ...\ndef shown(): ...\ndef used(): ...\n")
    (package / "b.py").write_text("from gerund.a import idle, used\nused()\n")
    (tmp_path / "README.md").write_text("call `idle`\n```python\nimport gerund\ngerund.shown()\n```\n")
    assert uncalled(tmp_path) == {"src/gerund/a.py: idle"}
