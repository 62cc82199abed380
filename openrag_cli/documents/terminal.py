"""Text that was meant for a terminal or a line printer: colours, cursor moves, letters struck twice.

Control functions are those of ECMA-48 (ISO 6429), with the strings that xterm and its kin add.
"""

import re

_SEQUENCE = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor
    r"|\x1b\][^\x07\x1b\n]*(?:\x07|\x1b\\|(?=\n)|$)"  # OSC: titles, links; one that is not closed ends with its line
    r"|\x1b[PX^_][^\x1b]{0,4096}?\x1b\\"  # DCS, SOS, PM, APC
    r"|\x1b[ -/]+[0-~]"  # character sets
    r"|\x1b[0-~]?"
)


def without_sequences(text: str) -> tuple[str, int]:
    """Return (text without its terminal sequences, how many they were)."""
    if "\x1b" not in text and "\x9b" not in text:
        return text, 0
    return _SEQUENCE.subn("", text)


def without_overstrike(text: str) -> tuple[str, int]:
    """Return (text as a printer would leave it on paper, how many backspaces it had).

    Bold is a letter struck twice, underlining a letter struck over a bar; of others the last one stays.
    """
    n_backspaces = text.count("\b")
    if not n_backspaces:
        return text, 0
    return "\n".join(_printed(line) if "\b" in line else line for line in text.split("\n")), n_backspaces


def _printed(line: str) -> str:
    cells: list[str] = []
    place = 0
    for char in line:
        if char == "\b":
            place = max(0, place - 1)
        elif place == len(cells):
            cells.append(char)
            place += 1
        else:
            if char != "_" or cells[place].isspace():
                cells[place] = char
            place += 1
    return "".join(cells)
