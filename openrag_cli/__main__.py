"""Run the command line: `openrag`, or `python -m openrag_cli`."""

import sys


def main() -> None:
    """Run the command line on this process's arguments and exit."""
    if sys.argv[1:2] == ["__complete"]:  # a key was pressed: no Typer
        from openrag_cli.complete import run as complete

        sys.exit(complete(sys.argv[2:]))
    from openrag_cli.main import run

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
