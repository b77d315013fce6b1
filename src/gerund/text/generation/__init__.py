"""Action descriptions by any language model: a chat client, recipes of what to ask, and the making of texts."""

from gerund.text.generation.client import ChatClient, ModelError
from gerund.text.generation.making import Failure, Made, make_descriptions
from gerund.text.generation.recipes import RECIPES, Recipe, find_recipe

__all__ = ["RECIPES", "ChatClient", "Failure", "Made", "ModelError", "Recipe", "find_recipe", "make_descriptions"]
