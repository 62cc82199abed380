"""`openrag chat`: a conversation about your documents, kept as a session."""

import contextlib
import shlex
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from openrag_cli.cli.answer_view import AnswerView
from openrag_cli.cli.commands.answers import (
    follow,
    is_unanswered,
    located,
    remember_sources,
    show_end,
    show_passages,
    where,
)
from openrag_cli.cli.commands.ask import ModelOption, NoLlmOption
from openrag_cli.cli.commands.chat_scope import COMMANDS as SCOPE_COMMANDS
from openrag_cli.cli.commands.chat_scope import ChatScope, names_to_search
from openrag_cli.cli.commands.context import Context
from openrag_cli.cli.commands.line_editor import EditedLines, Lines, PipedLines
from openrag_cli.cli.commands.missing import tell_what_is_missing
from openrag_cli.cli.commands.option_groups import grouped, is_given
from openrag_cli.cli.commands.search_options import SearchOptions, TopKOption
from openrag_cli.cli.commands.session import to_markdown, write_text
from openrag_cli.cli.exit_codes import ExitCode, exit_code
from openrag_cli.cli.output import BOLD, CYAN, DIM
from openrag_cli.cli.snippet import n_columns, whole
from openrag_cli.contract import to_json as render
from openrag_cli.domain import ALL_PARTITIONS, Session
from openrag_cli.errors import DocumentNotFound, InvalidInput, OpenRAGError, PartitionNotFound, StoreBusy
from openrag_cli.fsync import undoing

if TYPE_CHECKING:
    import asyncio

ContinueOption = Annotated[bool, typer.Option("--continue", "-c", help="Go on with the last session. Default: off.")]
SessionOption = Annotated[
    str | None,
    typer.Option("--session", metavar="NAME", help="Session to go on with, or to begin. Default: a new one."),
]

NAME_COLUMNS = 12
FOR_PEOPLE = {"/sources", "/open", "/why", "/help"}
COMMANDS = {
    "/sources": "what the last answer cites",
    "/open": "N: passage N of the last answer, in full",
    "/why": "what the last answer was looked for by, and the scores of its passages",
    **SCOPE_COMMANDS,
    "/model": "[NAME]: ask this model of the LLM from now on",
    "/retry": "answer the last question again",
    "/save": "NAME: give this session a name",
    "/export": "FILE: write the conversation as Markdown",
    "/help": "these commands",
    "/quit": "leave (so does Ctrl-D); the session is kept",
}


@grouped
def chat(
    ctx: typer.Context,
    options: SearchOptions,
    goes_on: ContinueOption = False,
    session: SessionOption = None,
    top_k: TopKOption = 8,
    model: ModelOption = None,
    no_llm: NoLlmOption = False,
) -> int:
    """Talk about your documents. Without a terminal each line of standard input is a question.

    With --json each answer is an object on a line of its own.

    Enter sends, Alt-Enter begins a new line, Ctrl-C stops an answer, Ctrl-D leaves. /help lists the commands.

    Examples:

        openrag chat -p handbook

        openrag chat --continue

        printf 'who rotates keys?\\nhow often?\\n' | openrag chat -p handbook
    """
    context: Context = ctx.obj
    context.override({"llm.model": model})
    for name in options.partition:
        if name not in names_to_search(context.engine):
            raise PartitionNotFound(name)
    scope = ChatScope(options, top_k)
    scope.request()  # before a session is made: a date may be none
    sessions = context.engine.sessions
    chosen = sessions.last() if goes_on and not session else None
    opened = sessions.open(chosen.name if chosen else session, options.partition)
    given = {name for name in ctx.params if is_given(ctx, name)}
    scope.take_up(opened.partitions, opened.scope, given)
    with contextlib.ExitStack() as held:
        repl = Repl(context, opened, held, scope=scope, model=model, is_extractive=no_llm)
        return repl.run(unnamed=None if session or chosen else opened.name)


class Repl:
    """One conversation: reads a line, answers or obeys it, until the end."""

    def __init__(
        self,
        context: Context,
        session: Session,
        held: contextlib.ExitStack,
        *,
        scope: ChatScope,
        model: str | None,
        is_extractive: bool,
    ) -> None:
        self._context = context
        self._out = context.out
        self._engine = context.engine
        self._held = held
        self._name = self._hold(session.name)
        self._n_before = session.message_count
        self._scope = scope
        self._keep_scope()
        self._model = model
        self._is_extractive = is_extractive
        self._citations = self._kept_citations() if self._n_before else []
        self._passages = list(self._citations)
        self._has_answered = False
        self._query: str | None = None
        self._searched = self._scope.request()
        self._unanswered: str | None = None
        self._code = ExitCode.OK

    def run(self, *, unnamed: str | None = None) -> int:
        """Converse until the end of input; off a terminal the exit code is that of the last error, if any.

        The session that nobody named, `unnamed`, is not kept when nothing was said in it.
        """
        import asyncio

        is_edited = sys.stdin.isatty() and self._out.is_terminal and not self._out.is_json
        lines: Lines = (
            EditedLines(self._context.settings.cache / "chat-history", self._words, self._scope.prompt)
            if is_edited
            else PipedLines()
        )
        if is_edited:
            self._greet()
        with asyncio.Runner() as runner:
            while True:
                try:
                    line = lines.read()
                    if line is None or not self._take(runner, line.strip()):
                        break
                except KeyboardInterrupt:
                    if not is_edited:
                        raise
                    self._out.note("(Ctrl-D or /quit leaves)")
                except OpenRAGError as exc:
                    if isinstance(exc, DocumentNotFound) and self._scope.options.file:
                        exc.hint = f"{exc.hint}; /file off searches every file"
                    self._out.error(exc)
                    self._code = exit_code(type(exc))
        is_empty = self._name == unnamed and not self._engine.sessions.turns(self._name)
        if is_empty:
            self._engine.sessions.delete(self._name)
        if is_edited and not is_empty:
            self._out.note(f"kept as session {self._name}: openrag chat --session {shlex.quote(self._name)}")
        return ExitCode.OK if is_edited else self._code

    def _hold(self, name: str) -> str:
        """Keep other chats out of a session until this one ends. Raises: StoreBusy."""
        busy = StoreBusy(
            f"another chat is open on session '{name}'", hint="begin a new one: openrag chat --session NAME"
        )
        from openrag_cli.store.sessions import Sessions

        sessions = self._engine.sessions
        if isinstance(sessions, Sessions):  # a server keeps its own
            self._held.enter_context(sessions.held(name, busy))
        return name

    def _kept_citations(self) -> list[dict[str, Any]]:
        """Return what the last answer of the session cites, as an earlier chat kept it."""
        answers = [turn for turn in self._engine.sessions.turns(self._name) if turn.role == "assistant"]
        return list(answers[-1].citations) if answers else []

    def _greet(self) -> None:
        who = self._model or self._engine.llm
        answers = (
            f"answers by {who}" if who and not self._is_extractive else "answers are sentences of your documents"
        )
        where = "; ".join(self._scope.parts()) or ALL_PARTITIONS
        before = f", {self._n_before} messages so far" if self._n_before else ""
        for line in (f"session {self._name}{before}; searching: {where}", f"{answers}; /help lists the commands"):
            self._out.note(self._out.styled(line, DIM))

    def _take(self, runner: "asyncio.Runner", line: str) -> bool:
        """Answer or obey one line; return whether to go on."""
        if not line:
            return True
        if not line.startswith("/") or line.startswith("//"):
            self._ask(runner, line.removeprefix("/"))
            return True
        word, _, rest = line.partition(" ")
        if word in {"/quit", "/exit"}:
            return False
        if word == "/retry":
            self._retry(runner)
            return True
        action = self._actions.get(word)
        if action is not None and self._out.is_json and word in FOR_PEOPLE:
            raise InvalidInput(
                f"{word} prints for people", hint="each answer with --json has its citations and sources"
            )
        if action is None:
            raise InvalidInput(
                f"there is no command {word}", hint="/help lists the commands; // begins a question with a slash"
            )
        action(rest.strip())
        return True

    def _retry(self, runner: "asyncio.Runner") -> None:
        """Answer again what was asked last: in the place of its answer, if it has one."""
        asked = [turn.content for turn in self._engine.sessions.turns(self._name) if turn.role == "user"]
        if self._unanswered is not None:
            self._ask(runner, self._unanswered)
        elif asked:
            self._ask(runner, asked[-1], is_again=True)
        else:
            raise InvalidInput("nothing has been asked yet")

    def _ask(self, runner: "asyncio.Runner", question: str, *, is_again: bool = False) -> None:
        from openrag_cli.answering.conversation import Message, answered, last_question
        from openrag_cli.answering.pipeline import ChatRequest

        turns = [Message(turn.role, turn.content) for turn in self._engine.sessions.turns(self._name)]
        history = answered(turns[: last_question(turns)] if is_again else turns)
        request = ChatRequest(
            [*history, Message("user", question)],
            search=self._scope.request(),
            model=self._model,
            is_extractive=self._is_extractive,
        )
        said: list[str] = []
        keep = partial(self._engine.sessions.append_answered, self._name, question, replaces_last=is_again)
        self._unanswered = question
        view = AnswerView.of(self._out)

        def keep_said() -> None:
            """Keep what came of the answer with its question, which alone would stand beside the next one."""
            if text := "".join(said).strip():
                keep(text)

        try:
            with undoing(keep_said):
                retrieved, finished = runner.run(follow(self._engine, request, view, said))
        except KeyboardInterrupt:
            if not self._out.is_terminal:
                raise
            self._out.note(self._out.styled("stopped", DIM))
            return
        self._has_answered, self._query = True, retrieved.query
        self._searched = request.search
        self._passages, self._citations = located(retrieved.passages), located(finished.citations)
        keep(finished.kept, [render.passage(passage) for passage in finished.citations])
        remember_sources(self._context.settings.cache, retrieved, finished)
        self._unanswered = None
        if self._out.is_json:
            self._out.json_lines([render.answer(question, retrieved, finished, located)])
            self._out.flush()
        else:
            show_end(self._out, finished)
            if is_unanswered(retrieved, finished):
                tell_what_is_missing(self._context, self._scope.options.partition)
        if finished.error:
            raise finished.error

    # --- commands

    @property
    def _actions(self) -> dict[str, Callable[[str], None]]:
        return {
            "/sources": self._sources,
            "/open": self._open,
            "/why": self._why,
            **{name: partial(self._choose_scope, name) for name in SCOPE_COMMANDS},
            "/model": self._choose_model,
            "/save": self._save,
            "/export": self._export,
            "/help": self._help,
        }

    def _help(self, _: str) -> None:
        for name, what in COMMANDS.items():
            first, *rest = whole(what, width=self._out.width - NAME_COLUMNS)
            self._out.line(f"{self._out.styled(f'{name:{NAME_COLUMNS}}', BOLD)}{first}")
            for line in rest:
                self._out.line(" " * NAME_COLUMNS + line)

    def _sources(self, _: str) -> None:
        if not self._citations:
            is_any = self._has_answered or self._n_before
            self._out.note("the last answer cites nothing" if is_any else "nothing has been answered yet")
        show_passages(self._out, self._citations)

    def _open(self, number: str) -> None:
        found = [entry for entry in self._passages if str(entry["n"]) == number.strip("[]")]
        if not found:
            known = ", ".join(str(entry["n"]) for entry in self._passages) or "none"
            raise InvalidInput(f"there is no passage {number!r}", hint=f"/open N; the last answer has {known}")
        show_passages(self._out, found)

    def _choose_scope(self, command: str, text: str) -> None:
        self._scope.choose(self._engine, command, text)
        self._keep_scope()
        self._out.note(f"searching: {'; '.join(self._scope.parts()) or ALL_PARTITIONS}")

    def _keep_scope(self) -> None:
        self._engine.sessions.open(self._name, self._scope.options.partition, self._scope.kept())

    def _why(self, _: str) -> None:
        search = self._searched
        if self._query is not None:
            found = f"looked for: {' '.join(self._query.split())}  ({search.mode}, at most {search.top_k} hits)"
            self._out.line("\n".join(whole(found, width=self._out.width)))
        elif self._has_answered:
            self._out.note("for the last answer nothing was looked for")
        elif self._n_before:
            self._out.note("the last answer is of an earlier chat, which kept what it cites")
        else:
            self._out.note("nothing was looked for yet")
        cited = {entry["n"] for entry in self._citations}
        for entry in self._passages:
            parts = ", ".join(f"{name} {value:.4g}" for name, value in entry["scores"].items())
            used = "" if entry["n"] in cited else "  not cited"
            name, score = f"[{entry['n']}] {where(entry)}", f"{entry['score']:.2f}{used}"
            is_long = n_columns(f"{name}  {score}") > self._out.width
            self._out.line(self._out.styled(name, CYAN) + ("\n    " if is_long else "  ") + score)
            for line in whole(f"    {parts}", width=self._out.width):
                self._out.line(self._out.styled(line, DIM))

    def _choose_model(self, name: str) -> None:
        if self._engine.llm is None:
            raise InvalidInput("no LLM is set up", hint="set OPENRAG_LLM_BASE_URL and OPENRAG_LLM_MODEL")
        if name:
            self._model = name
            self._is_extractive = False
        self._out.note(f"model: {self._model or self._engine.llm}")

    def _save(self, name: str) -> None:
        self._engine.sessions.rename(self._name, name)
        self._name = self._hold(name)
        self._out.note(f"this is session {name} now")

    def _export(self, path: str) -> None:
        if not path:
            raise InvalidInput("/export needs the name of a file", hint="/export keys.md")
        write_text(Path(path).expanduser(), to_markdown(self._name, self._engine.sessions.turns(self._name)) + "\n")
        self._out.note(f"wrote {path}")

    def _words(self, text: str) -> Sequence[str]:
        """Return what may stand where the cursor is."""
        if text.partition(" ")[0] in SCOPE_COMMANDS and " " in text:
            return list(self._scope.words(self._engine, text))
        return list(COMMANDS) if text.startswith("/") and " " not in text else ()
