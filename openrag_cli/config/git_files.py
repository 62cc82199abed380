"""Where git keeps what it is told for every repository of a user (git-config(1), gitignore(5))."""

import os
from pathlib import Path


def git_config_files() -> tuple[Path, ...]:
    """Return git's configuration files outside of repositories, the one that wins last."""
    system = os.environ.get("GIT_CONFIG_SYSTEM", "/etc/gitconfig")
    mine = os.environ.get("GIT_CONFIG_GLOBAL")
    files = [] if os.environ.get("GIT_CONFIG_NOSYSTEM") else [Path(system)]
    if mine is not None:
        return (*files, Path(mine)) if mine else tuple(files)
    home = _home()
    own = _own_folder(home)
    return (*files, *([own / "config"] if own else []), *([home / ".gitconfig"] if home else []))


def git_ignore_file() -> Path | None:
    """Return the file of ignore rules that git reads where its configuration names none."""
    own = _own_folder(_home())
    return own / "ignore" if own else None


def _own_folder(home: Path | None) -> Path | None:
    given = os.environ.get("XDG_CONFIG_HOME")
    if given:
        return Path(given) / "git"
    return home / ".config" / "git" if home else None


def _home() -> Path | None:
    given = os.environ.get("HOME")  # git looks nowhere else
    return Path(given) if given else None
