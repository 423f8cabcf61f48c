"""``python -m aumconnect`` is the command line."""

from aumconnect.cli import main

main()
