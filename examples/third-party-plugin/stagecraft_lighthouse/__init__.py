"""A plugin for Stagecraft in a distribution of its own: a provider, hooks of a deploy, a command."""
