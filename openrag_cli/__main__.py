"""Run the command line: `openrag`, or `python -m openrag_cli`."""

import sys

from openrag_cli.main import run


def main() -> None:
    """Run the command line on this process's arguments and exit."""
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
