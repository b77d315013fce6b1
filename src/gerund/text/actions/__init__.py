"""How people write lists of actions down: typed, or in files of many kinds."""

from gerund.text.actions.entries import Listed, from_mapping, from_tree
from gerund.text.actions.files import LIST_SUFFIXES, read_file, read_json
from gerund.text.actions.typed import read_typed

__all__ = ["LIST_SUFFIXES", "Listed", "from_mapping", "from_tree", "read_file", "read_json", "read_typed"]
