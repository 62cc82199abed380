"""Making the titles of files: their words, and one vector for each file of several chunks."""

from collections.abc import Callable

from openrag_cli.inference.onnx_embedder import Embedder
from openrag_cli.store.searching.titles import MadeTitle, Titles, Untitled

TITLES_AT_ONCE = 256


class TitleKeeper:
    """Makes the titles that are missing, or that an edit or a rename has changed. No chunk is touched."""

    def __init__(self, titles: Titles, embedder: Callable[[], Embedder], for_search: Callable[[str], str]) -> None:
        self._titles = titles
        self._embedder = embedder
        self._for_search = for_search

    def fill(self) -> int:
        """Make every title that is to be made; return how many were new or changed."""
        n_made = 0
        while found := self._titles.untitled(TITLES_AT_ONCE):
            made = self._made([file for file in found if file.known != file.title or file.needs_vector])
            self._titles.keep(made, [file.revision for file in found])
            n_made += len(made)
        return n_made

    def _made(self, files: list[Untitled]) -> list[MadeTitle]:
        to_embed = [file for file in files if file.needs_vector and file.title]
        vectors: dict[str, bytes] = {}
        if to_embed:
            rows = self._embedder().embed_passages([file.title for file in to_embed])
            vectors = {file.revision: row.tobytes() for file, row in zip(to_embed, rows, strict=True)}
        return [
            MadeTitle(file.revision, file.title, self._for_search(file.title), vectors.get(file.revision))
            for file in files
        ]
