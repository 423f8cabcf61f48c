"""The command line: ``aumconnect --help``. One module a group of commands; heavy imports wait for their need."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aumconnect.errors import AumconnectError

__all__ = ["main", "run"]


def main() -> None:
    """The console script."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code.

    0 all written, 1 some rejected or failed, 2 wrong usage or configuration, 3 stopped by a guard or
    credentials, 75 to be continued, 130 interrupted. A user's error is a message and a hint, never a traceback.
    """
    import typer

    from aumconnect.cli._app import app
    from aumconnect.errors import AumconnectError

    try:
        code = app(list(arguments), prog_name="aumconnect", standalone_mode=False)
    except AumconnectError as error:
        return _tell(error, json="--json" in arguments)
    except _usage_errors() as error:
        error.show()
        return int(error.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        sys.stderr.write("interrupted\n")
        return 130
    except BrokenPipeError:
        sys.stderr.close()  # whoever read our output has left; say nothing more
        return 0
    return code if isinstance(code, int) else 0


def _usage_errors() -> Any:
    """The root of typer's own errors; whether it comes from click or from a copy inside typer varies by version."""
    from typer import BadParameter

    return BadParameter.__mro__[2]


def _tell(error: AumconnectError, *, json: bool) -> int:
    if json:
        from aumconnect.cli import _show

        _show.value({"error": {"message": error.message, "hint": error.hint, "exit_code": error.exit_code}})
        return error.exit_code
    sys.stderr.write(f"error: {error.message}\n")
    if error.hint:
        sys.stderr.write(f"  hint: {error.hint}\n")
    return error.exit_code
