"""What is written about actions: one schema, readers of others' files, what is wrong with texts, and which to use."""

from gerund.text.descriptions.builtin import built_in
from gerund.text.descriptions.choosing import choose_texts, with_definitions
from gerund.text.descriptions.lookup import defined_name
from gerund.text.descriptions.schema import KINDS, Descriptions, Source, Text

__all__ = ["KINDS", "Descriptions", "Source", "Text", "built_in", "choose_texts", "defined_name", "with_definitions"]
