"""`openrag ask`: an answer whose citations can be checked."""

from collections.abc import Sequence
from typing import Annotated

import typer

from openrag_cli.cli.answer_view import AnswerView
from openrag_cli.cli.commands.answers import follow, is_unanswered, located, remember_sources, show_end, show_passages
from openrag_cli.cli.commands.context import Context, read_stdin
from openrag_cli.cli.commands.in_hand import about, stdin_is_unread
from openrag_cli.cli.commands.missing import tell_what_is_missing
from openrag_cli.cli.commands.option_groups import grouped, is_given
from openrag_cli.cli.commands.search_options import SearchOptions, TopKOption
from openrag_cli.cli.exit_codes import ExitCode
from openrag_cli.contract import to_json as render
from openrag_cli.errors import WrongUsage

QuestionArgument = Annotated[str, typer.Argument(metavar="QUESTION|-", help="The question; - reads it from stdin.")]
ModelOption = Annotated[
    str | None, typer.Option(metavar="M", help="Model of the LLM. Default: OPENRAG_LLM_MODEL, or the first it lists.")
]
NoLlmOption = Annotated[
    bool, typer.Option("--no-llm", help="Quote sentences of the documents, whatever LLM is set. Default: off.")
]
StrictOption = Annotated[bool, typer.Option("--strict", help="Exit 1 when the answer cites nothing. Default: off.")]
WithOption = Annotated[
    list[str],
    typer.Option(
        "--with",
        metavar="FILE|-",
        help="Ask about this file, or standard input (-), without storing it. Repeatable. The store is searched too only "
        "with --partition. Default: the store alone.",
    ),
]
ShowContextOption = Annotated[
    bool, typer.Option("--show-context", help="Print the passages behind the answer too. Default: off.")
]


@grouped
def ask(
    ctx: typer.Context,
    question: QuestionArgument,
    options: SearchOptions,
    in_hand: WithOption = [],  # noqa: B006 - Typer reads the defaults, nobody changes them
    top_k: TopKOption = 8,
    model: ModelOption = None,
    no_llm: NoLlmOption = False,
    strict: StrictOption = False,
    show_context: ShowContextOption = False,
) -> int:
    """Answer a question from your documents; each [n] names the passage that says so.

    Without an LLM (OPENRAG_LLM_BASE_URL, OPENRAG_LLM_MODEL) the answer is made of sentences, list items, table rows and
    code of the documents. The exit status is 1 when nothing in the documents answers.

    Examples:

        openrag ask "how often do we rotate keys?" -p handbook

        openrag ask "how often do we rotate keys?" --json | jq -r .answer

        journalctl -u nginx | openrag ask "what failed first?" --with -

        git diff | openrag ask - --no-llm --strict
    """
    import asyncio

    from openrag_cli.answering.conversation import Message
    from openrag_cli.answering.pipeline import ChatRequest

    context: Context = ctx.obj
    context.override({"llm.model": model})
    text = _asked(question, in_hand)
    request = ChatRequest([Message("user", text)], search=options.request("", top_k), is_extractive=no_llm)
    answering = about(context, in_hand, with_store=is_given(ctx, "partition")) if in_hand else context.engine
    retrieved, finished = asyncio.run(follow(answering, request, AnswerView.of(context.out)))
    _tell_unread(context, question, in_hand)
    remember_sources(context.settings.cache, retrieved, finished)
    if context.out.is_json:
        context.out.json(render.answer(text, retrieved, finished, located))
    else:
        show_end(context.out, finished)
        show_passages(context.out, located(retrieved.passages) if show_context else [])
    if finished.error:
        raise finished.error
    if is_unanswered(retrieved, finished):
        return _unanswered(context, options.partition, in_hand)
    return ExitCode.NO if strict and not finished.citations else ExitCode.OK


def _unanswered(context: Context, partitions: Sequence[str], in_hand: Sequence[str]) -> ExitCode:
    """Say what of the store is not there to answer."""
    if not (in_hand or context.out.is_json):
        tell_what_is_missing(context, partitions)
    return ExitCode.NO


def _asked(question: str, in_hand: Sequence[str]) -> str:
    """Return what is asked, on the command line or standard input. Raises: WrongUsage."""
    if question != "-":
        return question
    if "-" in in_hand:
        raise WrongUsage(
            "standard input is the question or --with, not both", hint='openrag ask "what failed?" --with -'
        )
    return read_stdin().decode("utf-8-sig", "replace").strip()


def _tell_unread(context: Context, question: str, in_hand: Sequence[str]) -> None:
    """Tell that something was piped in that nobody has read."""
    if "-" not in {question, *in_hand} and stdin_is_unread():
        context.out.note("standard input was not read: --with - asks about it, and - in place of the question is one")
