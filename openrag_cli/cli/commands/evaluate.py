"""`openrag eval`: how well a partition answers questions whose answers are known."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from openrag_cli.cli.commands.answers import follow
from openrag_cli.cli.commands.context import Context
from openrag_cli.cli.exit_codes import ExitCode
from openrag_cli.cli.output import Column
from openrag_cli.contract import to_json as render
from openrag_cli.domain import SearchMode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from openrag_cli.evaluation.measures import Bound, Measure
    from openrag_cli.evaluation.runs import Run

app = typer.Typer(no_args_is_help=True, help="Measure how well questions with known answers are answered.")
PASSAGES = 8


QuestionsArgument = Annotated[
    Path,
    typer.Argument(
        metavar="QUESTIONS",
        help="File of JSON lines with 'question', 'relevant' (file ids, or ids with grades) and 'answers'; or a folder "
        "in the layout of BEIR.",
    ),
]
SearchedOption = Annotated[str, typer.Option("--partition", "-p", metavar="NAME", help="Partition to search.")]
ModesOption = Annotated[list[SearchMode], typer.Option("--mode", help="How to rank. Repeatable: each mode is a run.")]
FilesOption = Annotated[
    int, typer.Option("--top-k", "-k", metavar="N", min=1, max=1000, help="Files looked at for each question.")
]
BoundsOption = Annotated[
    list[str],
    typer.Option(
        metavar="MEASURE=X",
        help="Exit 1 when a measure comes to less: ndcg@10=0.6, recall@5=0.8, mrr@10, map@100, answer. Repeatable. "
        "Default: none.",
    ),
]
QuotedOption = Annotated[
    bool, typer.Option("--no-llm", help="Judge quoted answers, whatever LLM is set. Default: off.")
]


@app.command("run")
def run_questions(
    context: Context,
    questions: QuestionsArgument,
    partition: SearchedOption,
    mode: ModesOption = [SearchMode.HYBRID],  # noqa: B006 - Typer reads the defaults, nobody changes them
    top_k: FilesOption = 100,
    fail_under: BoundsOption = [],  # noqa: B006
    no_llm: QuotedOption = False,
) -> int:
    """Ask questions whose answers are known, and print how good search and answers are. Exit 1 under a bound.

    ndcg, recall, mrr and map are those of trec_eval, over files; answer is the share of answers whose citations hold one
    of the known answers.

    Example:

        openrag eval run questions.jsonl -p handbook --fail-under ndcg@10=0.6
    """
    from openrag_cli.evaluation import measures as measuring
    from openrag_cli.evaluation.questions import read_questions
    from openrag_cli.evaluation.runs import run

    bounds = [measuring.read_bound(text, k=top_k) for text in fail_under]
    asked = read_questions(questions)
    context.engine.partition(partition)
    measures = list(dict.fromkeys([*measuring.usual(top_k), *(bound.measure for bound in bounds)]))
    runs = []
    for one in dict.fromkeys(mode):
        with context.out.progress(f"asking, {one}") as progress:
            progress.expect(len(asked), f"asking, {one}")
            search = _Asking(context, partition, one, top_k, is_extractive=no_llm)
            found = run(one, asked, measures, search=search.files, cited=search.cited, on_question=progress.look)
        runs.append(found)
    shown = [*(one for one in measures if one.k), *_answer_of(runs)]
    _show(context, questions, (partition, top_k), runs, (list(dict.fromkeys(shown)), bounds))
    return ExitCode.NO if any(found.missed(bounds) for found in runs) else ExitCode.OK


class _Asking:
    """Searches and asks one partition in one way."""

    def __init__(
        self, context: Context, partition: str, mode: SearchMode, top_k: int, *, is_extractive: bool
    ) -> None:
        from openrag_cli.retrieval.request import SearchRequest

        self._engine = context.engine
        self._is_extractive = is_extractive
        self._search = SearchRequest("", partitions=(partition,), mode=mode, top_k=top_k, per_file=1)

    def files(self, text: str) -> list[str]:
        """Return the ids of the files that a question finds, best first."""
        from dataclasses import replace

        hits = self._engine.search(replace(self._search, text=text, collapse=False))
        return list(dict.fromkeys(hit.file.file_id for hit in hits))

    def cited(self, text: str) -> list[str]:
        """Return the texts that the answer to a question cites."""
        from dataclasses import replace

        from openrag_cli.answering.conversation import Message
        from openrag_cli.answering.pipeline import ChatRequest

        search = replace(self._search, top_k=PASSAGES, per_file=None)
        request = ChatRequest([Message("user", text)], search=search, is_extractive=self._is_extractive)
        import asyncio

        _, finished = asyncio.run(follow(self._engine, request, None))
        return [passage.text for passage in finished.citations]


def _answer_of(runs: Sequence[Run]) -> list[Measure]:
    from openrag_cli.evaluation.measures import ANSWER, Measure

    return [Measure(ANSWER)] if any(found.mean(Measure(ANSWER)) is not None for found in runs) else []


def _show(
    context: Context,
    path: Path,
    searched: tuple[str, int],
    runs: Sequence[Run],
    judged: tuple[Sequence[Measure], Sequence[Bound]],
) -> None:
    measures, bounds = judged
    n_questions = len(runs[0].judged)
    if context.out.is_json:
        body = {"path": str(path), "partition": searched[0], "top_k": searched[1], "questions": n_questions}
        context.out.json(render.document("evaluation", body | {"runs": [_as_json(one, judged) for one in runs]}))
        return
    columns = (Column("MEASURE"), *(Column(one.name.upper(), is_number=True) for one in runs))
    means = [(str(measure), [found.mean(measure) for found in runs]) for measure in measures]
    rows = [(name, *("-" if value is None else f"{value:.4f}" for value in values)) for name, values in means]
    context.out.table(columns, rows, empty="nothing to measure")
    context.out.note(f"{render.counted(n_questions, 'question')} on partition {searched[0]}")
    for found in runs:
        for bound, value in found.missed(bounds):
            if found.mean(bound.measure) is None:
                context.out.warn(f"{found.name}: {bound.measure} was not measured: no question names what answers it")
            else:
                context.out.warn(f"{found.name}: {bound.measure} is {value:.4f}, under {bound.least:g}")


def _as_json(found: Run, judged: tuple[Sequence[Measure], Sequence[Bound]]) -> dict[str, Any]:
    measures, bounds = judged
    return {
        "mode": found.name,
        "measures": {str(one): value for one in measures if (value := found.mean(one)) is not None},
        "missed": [
            {"measure": str(bound.measure), "value": value, "least": bound.least}
            for bound, value in found.missed(bounds)
        ],
        "questions": [
            {"id": one.question.id, "question": one.question.text, "measures": one.values} for one in found.judged
        ],
    }
