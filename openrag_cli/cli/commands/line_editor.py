"""Where the lines of a conversation come from: an editor with history and completion on a terminal, else stdin.

The only module that imports prompt_toolkit.
"""

import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from prompt_toolkit.completion import CompleteEvent, Completion
    from prompt_toolkit.document import Document


class Lines(Protocol):
    """Gives one message after the other."""

    def read(self) -> str | None:
        """Return the next message; None at the end. Raises: KeyboardInterrupt, when the line is given up."""


class PipedLines:
    """Each line of stdin is a message."""

    def read(self) -> str | None:
        """See `Lines.read`."""
        line = sys.stdin.readline()
        return line.rstrip("\n") if line else None


class EditedLines:
    """A line editor: Enter sends, Alt-Enter begins another line, Tab completes, the arrows go back in `history`.

    `words` tells what may stand at the end of a text, `prompt` what stands before each line.
    """

    def __init__(self, history: Path, words: Callable[[str], Iterable[str]], prompt: Callable[[], str]) -> None:
        from prompt_toolkit import PromptSession
        from prompt_toolkit.completion import Completer, Completion
        from prompt_toolkit.history import FileHistory
        from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent

        class _Words(Completer):
            def get_completions(
                self, document: "Document", complete_event: "CompleteEvent"
            ) -> "Iterator[Completion]":
                """Yield what may stand at the cursor, as prompt-toolkit asks for it."""
                del complete_event
                text = document.text_before_cursor
                last = text.rpartition(" ")[2]
                for word in words(text):
                    if word.startswith(last):
                        yield Completion(word, start_position=-len(last))

        keys = KeyBindings()

        @keys.add("enter")
        def _send(event: KeyPressEvent) -> None:
            event.current_buffer.validate_and_handle()

        @keys.add("escape", "enter")
        def _newline(event: KeyPressEvent) -> None:
            event.current_buffer.insert_text("\n")

        self._prompt = prompt
        history.parent.mkdir(parents=True, exist_ok=True)
        self._session: PromptSession[str] = PromptSession(
            history=FileHistory(str(history)),
            completer=_Words(),
            complete_while_typing=False,
            multiline=True,
            enable_suspend=True,
            key_bindings=keys,
            prompt_continuation="  ",
        )

    def read(self) -> str | None:
        """See `Lines.read`."""
        try:
            return self._session.prompt(self._prompt())
        except EOFError:
            return None
