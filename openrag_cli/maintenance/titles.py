"""Making the titles of files: their words, and one vector for each file of several chunks."""

from collections.abc import Callable, Sequence

from openrag_cli.inference.onnx_embedder import Embedder
from openrag_cli.store.searching.titles import MadeTitle, Titles, Untitled, is_title, title_of

TITLES_AT_ONCE = 256


class TitleKeeper:
    """Makes the titles that are missing, or that an edit or a rename has changed. No chunk is touched.

    `headings_of` gives the first heading of each of some revisions' documents.
    """

    def __init__(
        self,
        titles: Titles,
        embedder: Callable[[], Embedder],
        for_search: Callable[[str], str],
        headings_of: Callable[[Sequence[str]], dict[str, str]],
    ) -> None:
        self._titles = titles
        self._embedder = embedder
        self._for_search = for_search
        self._headings_of = headings_of

    def fill(self) -> int:
        """Make every title that is to be made; return how many were new or changed."""
        n_made = 0
        while found := self._titles.untitled(TITLES_AT_ONCE):
            headings = self._headings_of([file.revision for file in found if not file.said])
            named = [(file, _title(file, headings.get(file.revision))) for file in found]
            made = self._made([(file, title) for file, title in named if file.known != title])
            self._titles.keep(made, [file.revision for file in found])
            n_made += len(made)
        return n_made

    def _made(self, named: Sequence[tuple[Untitled, str]]) -> list[MadeTitle]:
        # A file of one chunk holds its title; a number says nothing.
        to_embed = [(file.revision, title) for file, title in named if file.n_chunks > 1 and is_title(title)]
        vectors: dict[str, bytes] = {}
        if to_embed:
            rows = self._embedder().embed_passages([title for _, title in to_embed])
            vectors = {revision: row.tobytes() for (revision, _), row in zip(to_embed, rows, strict=True)}
        return [
            MadeTitle(file.revision, title, self._for_search(title), vectors.get(file.revision))
            for file, title in named
        ]


def _title(file: Untitled, heading: str | None) -> str:
    return title_of(file.filename, file.said or (heading if heading and is_title(heading) else None))
