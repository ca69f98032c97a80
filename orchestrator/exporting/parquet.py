"""Writes turns as Parquet files. Needs pyarrow, which the lock `export` has; nothing else here imports it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow.parquet import ParquetWriter

from orchestrator.exporting.rows import EpisodeRows
from orchestrator.exporting.schema import COLUMNS, SCHEMA_VERSION, Column, Kind

_FILE_TURNS = 200_000
"""Number of turns of a file, about: the Hub asks for files of some hundred megabytes."""

_TYPES: dict[Kind, pa.DataType] = {
    "string": pa.string(),
    "bool": pa.bool_(),
    "int32": pa.int32(),
    "int64": pa.int64(),
    "uint64": pa.uint64(),
    "float32": pa.float32(),
    "float64": pa.float64(),
    "ids": pa.list_(pa.int32()),
    "floats": pa.list_(pa.float32()),
    "mask": pa.list_(pa.int8()),
}

SCHEMA = pa.schema(
    [pa.field(each.name, _TYPES[each.kind], nullable=each.optional) for each in COLUMNS],
    metadata={"hiper_schema_version": str(SCHEMA_VERSION)},
)


def encode(episodes: Sequence[EpisodeRows]) -> bytes:
    """The turns of these episodes as one batch in Arrow's format for streams."""
    arrays = [_array(column, episodes) for column in COLUMNS]
    stream = pa.BufferOutputStream()
    with pa.ipc.new_stream(stream, SCHEMA) as writer:
        writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=SCHEMA))
    encoded: bytes = stream.getvalue().to_pybytes()
    return encoded


def write(parts: Iterable[bytes], folder: Path, stem: str) -> None:
    """Writes the files `<stem>-00000.parquet` and so on into `folder`, with a row group for each part.

    At least one file is written, without rows if there are no parts. An episode is never split between two.
    """
    files = (folder / f"{stem}-{number:05}.parquet" for number in range(100_000))
    tables = (pa.ipc.open_stream(part).read_all() for part in parts)
    table: pa.Table | None = next(tables, SCHEMA.empty_table())
    while table is not None:
        written = 0
        with ParquetWriter(next(files), SCHEMA, compression="zstd") as writer:
            while table is not None and written < _FILE_TURNS:
                writer.write_table(table)
                written += table.num_rows
                table = next(tables, None)


def _array(column: Column, episodes: Sequence[EpisodeRows]) -> pa.Array:
    values: list[Any] = []
    for episode in episodes:
        if column.name in episode.shared:
            values += [episode.shared[column.name]] * len(episode.turns)
        else:
            values += [turn[column.name] for turn in episode.turns]
    return pa.array(values, _TYPES[column.kind])
