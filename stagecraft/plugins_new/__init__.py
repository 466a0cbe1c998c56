"""Make the project of a new plugin: a working provider of one kind, with tests that hold it to the contract."""

from stagecraft.plugins_new.generate import generate
from stagecraft.plugins_new.names import Names, names_of

__all__ = ["Names", "generate", "names_of"]
