"""The pytest plugin: stateful fakes as fixtures."""
