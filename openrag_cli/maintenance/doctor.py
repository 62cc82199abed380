"""Looking a store and its surroundings over: what is in order, what is not, and what mends it."""

import asyncio
import os
import shlex
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from openrag_cli.answering.llm.client import HttpChatModel
from openrag_cli.config import settings as config
from openrag_cli.domain import ALL_PARTITIONS, LIVE_STATES, File
from openrag_cli.errors import OpenRAGError, StoreDamaged
from openrag_cli.fsync import files_below
from openrag_cli.index.lance_errors import REMAKE
from openrag_cli.index.policy import MAX_FRAGMENTS, MIN_RECALL, TIERS
from openrag_cli.index.table import Index
from openrag_cli.inference.onnx_embedder import default_model_dir, load_manifest, verify_model
from openrag_cli.ingest.report import Failure
from openrag_cli.ingest.worker import is_dead
from openrag_cli.maintenance.checks.findings import Finding, Status
from openrag_cli.maintenance.checks.surroundings import (
    examine_access,
    examine_command,
    examine_platform,
    examine_sandbox,
    examine_settings,
)
from openrag_cli.maintenance.janitor import Janitor
from openrag_cli.maintenance.titles import TitleKeeper
from openrag_cli.maintenance.words import WordKeeper
from openrag_cli.store.access.permissions import access_to, has_catalog
from openrag_cli.store.blobs import BlobStore
from openrag_cli.store.catalog import Catalog
from openrag_cli.store.database import RESTORE_ELSEWHERE, Database
from openrag_cli.store.importing.imports import Imports
from openrag_cli.store.task_queue import TaskQueue
from openrag_cli.store.task_records import TaskRecords

LOW_DISK_BYTES = 1 << 30
NO_DISK_BYTES = 100 << 20
LLM_S = 5.0
GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class DoctorContext:
    """What is looked over. `open_index` opens the index as it is; `reindex` reads files again from their originals."""

    settings: config.Settings
    database: Database
    catalog: Catalog
    queue: TaskQueue
    ledger: TaskRecords
    blobs: BlobStore
    open_index: Callable[[], Index]
    count_outdated: Callable[[], int]
    reindex: Callable[[Sequence[File]], list[Failure]]
    words_of: Callable[[Index], WordKeeper]
    titles: Callable[[], TitleKeeper]


class Doctor:
    """Runs the checks, each on its own: one that cannot be made is a finding too."""

    def __init__(self, patient: DoctorContext) -> None:
        self._patient = patient

    def examine(self) -> list[Finding]:
        """Return what every check found, in order."""
        found: list[Finding] = []
        for name, check in self._checks:
            try:
                found += check(name)
            except OpenRAGError as exc:
                found.append(Finding(name, Status.FAILED, exc.message, exc.hint))
        return found

    @property
    def _checks(self) -> list[tuple[str, Callable[[str], Iterator[Finding]]]]:
        around = [
            ("settings", examine_settings),
            ("platform", examine_platform),
            ("sandbox", examine_sandbox),
            ("command", examine_command),
            ("model", self._model),
            ("llm", self._llm),
        ]
        if access_to(self._patient.settings.store).unreadable:
            return [*around, ("access", self._access)]  # whether the rest is in order, this user cannot see
        if not has_catalog(self._patient.settings.store):
            return [*around, ("disk", self._disk), ("store", self._no_store)]
        return [
            *around,
            ("disk", self._disk),
            ("access", self._access),
            ("store", self._store),
            ("tasks", self._tasks),
            ("imports", self._imports),
            ("originals", self._originals),
            ("readers", self._readers),
            ("index", self._index),
        ]

    # --- around the store

    def _model(self, name: str) -> Iterator[Finding]:
        folder = self._patient.settings.embed_model or default_model_dir()
        manifest = load_manifest(folder)
        verify_model(folder, manifest)
        known = self._patient.catalog.meta("model") if has_catalog(self._patient.settings.store) else None
        if known not in {None, manifest.identity}:
            text = f"the store was made with {known}, not {manifest.identity}"
            yield Finding(name, Status.FAILED, text, "give its model with --embed-model")
        else:
            yield Finding(name, Status.OK, f"{manifest.name}, every file as its manifest says")

    def _llm(self, name: str) -> Iterator[Finding]:
        settings = self._patient.settings
        if not (settings.llm_base_url or settings.llm_model):
            yield Finding(name, Status.OK, "none is set: answers are sentences of the documents")
            return
        quick = replace(settings, llm_connect_timeout_s=LLM_S, llm_read_timeout_s=LLM_S, llm_retries=0)
        models = asyncio.run(_models(HttpChatModel(quick)))
        if settings.llm_model and models and settings.llm_model not in models:
            text = f"{settings.llm_base_url} lists no model {settings.llm_model}"
            yield Finding(name, Status.WARNING, text, f"openrag config set llm.model {models[0]}")
        else:
            yield Finding(name, Status.OK, f"{settings.llm_model or models[0]} can be reached")

    def _access(self, name: str) -> Iterator[Finding]:
        return examine_access(name, self._patient.settings.store)

    def _disk(self, name: str) -> Iterator[Finding]:
        place = self._patient.settings.store
        while not os.path.exists(place):  # noqa: PTH110 - nor where nobody may look
            place = place.parent
        free = shutil.disk_usage(place).free
        status = Status.FAILED if free < NO_DISK_BYTES else Status.WARNING if free < LOW_DISK_BYTES else Status.OK
        fix = None if status is Status.OK else "free some space, or move the store"
        yield Finding(name, status, f"{free / GIB:.1f} GiB free for the store", fix)

    def _no_store(self, name: str) -> Iterator[Finding]:
        yield Finding(name, Status.OK, f"{self._patient.settings.store} is not made yet: openrag file add makes it")

    # --- the store

    def _store(self, name: str) -> Iterator[Finding]:
        problem = self._patient.database.problem()
        if problem:
            yield Finding(name, Status.FAILED, f"the catalog is damaged: {problem}", RESTORE_ELSEWHERE)
            return
        partitions = self._patient.catalog.partitions()
        n_files, n_chunks = sum(p.file_count for p in partitions), sum(p.chunk_count for p in partitions)
        counts = f"{n_files:,} files, {n_chunks:,} chunks, {len(partitions)} partition{'s' * (len(partitions) != 1)}"
        yield Finding(name, Status.OK, f"format {self._patient.database.format()}, {counts}")

    def _tasks(self, name: str) -> Iterator[Finding]:
        counts = self._patient.ledger.counts()
        dead = self._patient.queue.held_by(is_dead)
        if dead:
            text = f"{dead} tasks are held by workers that are dead"
            yield Finding(name, Status.WARNING, text, "openrag task run", self._release)
        paused = self._patient.ledger.paused()
        if paused:
            text = f"{paused[0]:,} tasks wait because of the machine: {paused[1].message}"
            yield Finding(name, Status.WARNING, text, paused[1].hint)
        n_live = sum(n for state, n in counts.items() if state in LIVE_STATES)
        n_failed = sum(n for state, n in counts.items() if state == "FAILED")
        if not dead:
            text = f"{n_live:,} waiting or running, {n_failed:,} failed"
            if n_failed:
                yield Finding(name, Status.WARNING, text, "openrag task list --state FAILED")
            else:
                yield Finding(name, Status.OK, text)

    def _release(self) -> str:
        self._patient.queue.expire(is_dead)
        return "their leases are ended; openrag task run goes on with them"

    def _imports(self, name: str) -> Iterator[Finding]:
        for partial in Imports(self._patient.database).partial():
            text = f"an import into '{partial.name}' is under way or was stopped; {partial.files:,} files are there, unseen"
            fix = f"run the same import again, or drop it: openrag partition delete {shlex.quote(partial.name)}"
            yield Finding(name, Status.WARNING, text, fix)

    def _originals(self, name: str) -> Iterator[Finding]:
        patient = self._patient
        bad = []
        for file in patient.catalog.files(ALL_PARTITIONS):
            try:
                patient.blobs.verify(file.revision, file.sha256)
            except StoreDamaged:
                bad.append(file)
        if bad:
            text = f"{_named(bad)}: the stored original is missing or damaged"
            yield Finding(name, Status.FAILED, text, "openrag file replace ID PATH, or restore a backup")
        else:
            yield Finding(name, Status.OK, "every stored original is what was added")

    def _readers(self, name: str) -> Iterator[Finding]:
        n_outdated = self._patient.count_outdated()
        if n_outdated:
            were = "file was" if n_outdated == 1 else "files were"
            text = f"{n_outdated:,} {were} read by older readers, or cut or embedded by what is older"
            yield Finding(name, Status.WARNING, text, "openrag file refresh --outdated -p all")
        else:
            yield Finding(name, Status.OK, "every file was read by the readers of this openrag")

    @cached_property
    def _opened(self) -> Index:
        return self._patient.open_index()

    def _index(self, name: str) -> Iterator[Finding]:
        index = self._opened
        if self._patient.catalog.has_files() and not index.exists:
            text = "the index is lost (the folder lance)"
            yield Finding(name, Status.FAILED, text, "openrag doctor --fix makes it again", self._rebuild)
            return
        if index.exists and index.has_bad_head and not index.has_no_whole_version:
            text = "the newest version of the index is damaged"
            fix = "openrag doctor --fix goes back to the one before it"
            yield Finding(name, Status.FAILED, text, fix, self._set_aside)
            return
        problem = index.problem()
        if problem:
            yield Finding(name, Status.FAILED, f"the index is damaged: {problem}", REMAKE, self._remake)
            return
        yield from self._contents(name, index)

    def _contents(self, name: str, index: Index) -> Iterator[Finding]:
        indexed = index.revisions()
        files = self._patient.catalog.files(ALL_PARTITIONS)
        short = [file for file in files if indexed.get(file.revision, 0) != file.chunk_count]
        if short:
            text = f"{_named(short)}: chunks are missing in the index"
            fix = "openrag doctor --fix reads them again"
            yield Finding(name, Status.FAILED, text, fix, lambda: self._reindex(short))
        needed = self._patient.catalog.revisions()
        orphans = [revision for revision in indexed if revision not in needed]
        if orphans:
            text = f"rows of {len(orphans)} files that are gone are still in the index; searches leave them out"
            yield Finding(name, Status.WARNING, text, "openrag doctor --fix", lambda: self._drop(orphans))
        now = index.statistics()
        size = sum(Path(path).stat().st_size for path in files_below(self._patient.settings.store / "lance"))
        fragments = "1 fragment" if now.n_fragments == 1 else f"{now.n_fragments:,} fragments"
        text = (
            f"{now.n_rows:,} rows ({now.n_unindexed:,} not indexed yet) in {fragments}, {size / (1 << 20):,.1f} MiB"
        )
        if not index.has_words:
            old = "the full-text index is of an older version; searches still use it"
            yield Finding(name, Status.WARNING, old, "openrag doctor --fix makes it again", self._renew_words)
        yield from self._recall(name)
        if now.n_fragments > 2 * len(TIERS) * MAX_FRAGMENTS:
            yield Finding(name, Status.WARNING, text, "openrag doctor --fix compacts it", self._optimize)
        elif not short and not orphans:
            yield Finding(name, Status.OK, text)

    def _recall(self, name: str) -> Iterator[Finding]:
        share = self._janitor.recall.measure()
        if share is not None and share < MIN_RECALL:
            text = f"the index of vectors finds only {share:.1%} of the nearest chunks"
            yield Finding(name, Status.WARNING, text, "openrag doctor --fix makes it again", self._optimize)
        elif share is not None:
            yield Finding(name, Status.OK, f"the index of vectors finds {share:.1%} of the nearest chunks")

    # --- mending

    def _rebuild(self) -> str:
        with self._patient.database.write_lock():
            self._opened.create()
        return self._reindex(self._patient.catalog.files(ALL_PARTITIONS))

    def _remake(self) -> str:
        with self._patient.database.write_lock():
            aside = self._opened.remake()
        if aside is None:
            self._words.renew()
            self._janitor.optimize()
            return "what searches look in is made again from the stored texts and vectors"
        return f"the damaged index is kept as {aside}; {self._reindex(self._patient.catalog.files(ALL_PARTITIONS))}"

    def _reindex(self, files: Sequence[File]) -> str:
        failures = self._patient.reindex(files)
        if not failures:
            return f"{_named(files)}: indexed again from the stored originals"
        first = failures[0]
        return (
            f"{len(files) - len(failures):,} of {len(files):,} files indexed again from the stored originals; "
            f"{first.file_id} could not be: {first.message}"
        )

    def _set_aside(self) -> str:
        with self._patient.database.write_lock():
            n_bad = len(self._opened.set_aside_bad_head())
        del self._opened
        return f"{n_bad} damaged versions were set aside"

    def _drop(self, revisions: Sequence[str]) -> str:
        with self._patient.database.write_lock():
            needed = self._patient.catalog.revisions()
            gone = [revision for revision in revisions if revision not in needed]
            self._words.forget(gone)
            self._opened.drop(gone)
        self._janitor.sweep()
        return "the rows are deleted"

    def _renew_words(self) -> str:
        return f"the words of {self._words.renew():,} chunks are made again from the stored text"

    def _optimize(self) -> str:
        self._janitor.optimize(force=True)
        return "the index is compacted"

    @property
    def _janitor(self) -> Janitor:
        patient = self._patient
        return Janitor(
            database=patient.database,
            catalog=patient.catalog,
            index=self._opened,
            blobs=patient.blobs,
            words=self._words,
            titles=patient.titles(),
        )

    @property
    def _words(self) -> WordKeeper:
        return self._patient.words_of(self._opened)


async def _models(llm: HttpChatModel) -> list[str]:
    try:
        return await llm.models()
    finally:
        await llm.aclose()


def _named(files: Sequence[File]) -> str:
    first = f"{files[0].partition}/{files[0].file_id}"
    return f"{first} and {len(files) - 1:,} more" if len(files) > 1 else first
