"""Vectors in a Parquet file: columns file_id, ordinal, and vector, a fixed-size list of float16."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openrag_cli.errors import StoreDamaged

if TYPE_CHECKING:
    import numpy as np

WriteVectors = Callable[[str, "np.ndarray"], None]
ROWS_PER_GROUP = 4096
MAX_DIMENSION = 8192
MAX_COLUMN_BYTES = 256 << 20
MAX_ID_BYTES = 2048


@contextmanager
def vector_writer(path: Path, dimension: int) -> Iterator[WriteVectors]:
    """Give the block a function that writes the vectors of one file, float16[n, dimension], in the order of its chunks."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema(
        [
            pa.field("file_id", pa.string(), nullable=False),
            pa.field("ordinal", pa.int32(), nullable=False),
            pa.field("vector", pa.list_(pa.float16(), dimension)),
        ]
    )
    held: list[Any] = []

    with pq.ParquetWriter(path, schema, compression="zstd") as writer:

        def flush() -> None:
            """Write the rows that are kept."""
            if held:
                writer.write_table(pa.concat_tables(held))
                held.clear()

        def write(file_id: str, vectors: "np.ndarray") -> None:
            """Keep the vectors of a file, and write when there are many."""
            column = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), dimension)
            n = len(vectors)
            held.append(pa.table([[file_id] * n, list(range(n)), column], schema=schema))
            if sum(table.num_rows for table in held) >= ROWS_PER_GROUP:
                flush()

        yield write
        flush()


def read_vectors(path: Path) -> "Iterator[tuple[str, np.ndarray]]":
    """Yield the vectors of each file in the order of its chunks, float16[n, dimension], a row group in memory at a time.

    Raises:
        StoreDamaged: the file is no Parquet, or of another shape.
    """
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    held_id = ""
    held: list[np.ndarray] = []
    try:
        with pq.ParquetFile(path, read_dictionary=["file_id"]) as source:
            _check_shape(source)
            for batch in source.iter_batches(batch_size=ROWS_PER_GROUP, columns=["file_id", "vector"]):
                _check_ids(batch.column("file_id"))
                file_ids = np.array(batch.column("file_id").to_pylist(), dtype=object)
                flat = batch.column("vector").flatten().to_numpy(zero_copy_only=False)
                rows = np.asarray(flat, dtype=np.float16).reshape(len(file_ids), -1)
                begins = [0, *(np.flatnonzero(file_ids[1:] != file_ids[:-1]) + 1).tolist()]
                for begin, end in zip(begins, [*begins[1:], len(file_ids)], strict=True):
                    if held and file_ids[begin] != held_id:
                        yield held_id, np.concatenate(held)
                        held = []
                    held_id = str(file_ids[begin])
                    held.append(rows[begin:end].copy())
    except (pa.ArrowException, KeyError, ValueError, TypeError, OSError) as exc:  # OSError: damage within a page
        raise StoreDamaged(f"{path} cannot be read: {str(exc)[:200]}", hint="export it again") from exc
    if held:
        yield held_id, np.concatenate(held)


def _check_shape(source: Any) -> None:
    """Raise ValueError unless a file has the columns of an export, in groups of rows that memory can hold."""
    import pyarrow as pa

    schema, metadata = source.schema_arrow, source.metadata
    names = set(schema.names)
    vector = schema.field("vector").type if {"file_id", "vector"} <= names else pa.null()
    is_vector = pa.types.is_fixed_size_list(vector) and vector.value_type == pa.float16()
    if not is_vector or not 1 <= vector.list_size <= MAX_DIMENSION:
        raise ValueError("its columns are not those of an export")
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        columns = [group.column(at) for at in range(group.num_columns)]
        if any(column.total_uncompressed_size > MAX_COLUMN_BYTES for column in columns):
            raise ValueError("a group of its rows is too large")


def _check_ids(column: Any) -> None:
    """Raise ValueError when a file id is no text or longer than any: before it is copied for each of its rows."""
    import pyarrow as pa
    import pyarrow.compute as pc

    values = column.dictionary if pa.types.is_dictionary(column.type) else column
    if values.type != pa.string() or (pc.max(pc.binary_length(values)).as_py() or 0) > MAX_ID_BYTES:
        raise ValueError("a file id in it is none")
