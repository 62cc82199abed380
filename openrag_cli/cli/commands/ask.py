"""`openrag ask`: an answer whose citations can be checked."""

from typing import TYPE_CHECKING, Annotated

import typer

from openrag_cli.cli.commands.answers import follow, new_view, show_end, show_passages
from openrag_cli.cli.commands.context import Context, read_stdin
from openrag_cli.cli.commands.search import (
    AllChunksOption,
    FilesOption,
    FilterOption,
    MinScoreOption,
    ModeOption,
    PartitionsOption,
    PerFileOption,
    top_k_or_setting,
)
from openrag_cli.cli.exit_codes import ExitCode
from openrag_cli.contract import to_json as render
from openrag_cli.domain import ALL_PARTITIONS, SearchMode

if TYPE_CHECKING:
    from openrag_cli.answering.events import Finished, Retrieved

QuestionArgument = Annotated[str, typer.Argument(metavar="QUESTION|-", help="The question; - reads it from stdin.")]
TopKOption = Annotated[
    int,
    typer.Option(
        "--top-k",
        "-k",
        metavar="N",
        callback=top_k_or_setting,
        help="Passages behind the answer at most, 1 to 1000.",
    ),
]
ModelOption = Annotated[
    str | None, typer.Option(metavar="M", help="Model of the LLM. Default: OPENRAG_LLM_MODEL, or the first it lists.")
]
NoLlmOption = Annotated[
    bool, typer.Option("--no-llm", help="Quote sentences of the documents, whatever LLM is set. Default: off.")
]
StrictOption = Annotated[bool, typer.Option("--strict", help="Exit 1 when the answer cites nothing. Default: off.")]
ContextOption = Annotated[
    bool, typer.Option("--show-context", help="Print the passages behind the answer too. Default: off.")
]


def ask(
    ctx: typer.Context,
    question: QuestionArgument,
    partition: PartitionsOption = [],  # noqa: B006 - Typer reads the defaults, nobody changes them
    file: FilesOption = [],  # noqa: B006
    top_k: TopKOption = 8,
    mode: ModeOption = SearchMode.HYBRID,
    condition: FilterOption = "",
    min_score: MinScoreOption = None,
    per_file: PerFileOption = None,
    all_chunks: AllChunksOption = False,
    model: ModelOption = None,
    no_llm: NoLlmOption = False,
    strict: StrictOption = False,
    show_context: ContextOption = False,
) -> int:
    """Answer a question from your documents; each [n] names the passage that says so.

    Without an LLM (OPENRAG_LLM_BASE_URL, OPENRAG_LLM_MODEL) the answer is made of sentences, list items, table rows and
    code of the documents. The exit status is 1 when nothing in the documents answers.

    Examples:

        openrag ask "how often do we rotate keys?" -p handbook

        openrag ask "how often do we rotate keys?" --json | jq -r .answer

        git diff | openrag ask - --no-llm --strict
    """
    import asyncio

    from openrag_cli.answering.conversation import Message
    from openrag_cli.answering.pipeline import ChatRequest
    from openrag_cli.retrieval.request import SearchRequest

    context: Context = ctx.obj
    context.override({"llm.model": model})
    text = read_stdin().decode("utf-8", "replace").strip() if question == "-" else question
    search = SearchRequest(
        text="",
        partitions=tuple(partition) or (ALL_PARTITIONS,),
        file_ids=tuple(file),
        top_k=top_k,
        mode=mode,
        min_score=min_score,
        filter=condition,
        per_file=per_file,
        collapse=not all_chunks,
    )
    request = ChatRequest([Message("user", text)], search=search, is_extractive=no_llm)
    view = None if context.out.is_json else new_view(context.out)
    retrieved, finished = asyncio.run(follow(context.engine, request, view))
    if context.out.is_json:
        context.out.json(render.answer(text, retrieved, finished))
    else:
        show_end(context.out, finished)
        if show_context:
            show_passages(context.out, [render.passage(passage) for passage in retrieved.passages])
    if finished.error:
        raise finished.error
    return ExitCode.NO if (strict and not finished.citations) or _is_refused(retrieved, finished) else ExitCode.OK


def _is_refused(retrieved: "Retrieved", finished: "Finished") -> bool:
    """Whether documents were searched and none answers."""
    if retrieved.query is None or finished.citations:
        return False
    return not retrieved.passages or finished.model == "extractive"
