"""Parquet out of CSV: whoever writes rows as text writes them once, for both."""

import io
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from farthing.model.errors import UnsupportedError

BLOCK: Final = 32 * 2**20
"""Characters that are collected before they become a group of rows."""


class ParquetFile:
    """Takes CSV as a file does, the head first and whole lines at a time, and keeps it as Parquet.

    `types` are the columns' types as pyarrow calls them, such as "decimal128(38, 6)"; the others are text. Empty cells
    are nulls. Use as a context manager.
    """

    def __init__(self, path: Path, types: Mapping[str, Any]) -> None:
        self._arrow = arrow()
        self._path = path
        self._types = dict(types)
        self._names: list[str] = []
        self._writer: Any = None
        self._texts: list[str] = []
        self._size = 0

    def write(self, text: str) -> None:
        """Take some lines."""
        if not self._names:
            self._names = text.strip().split(",")
            return
        self._texts.append(text)
        self._size += len(text)
        if self._size >= BLOCK:
            self._flush()

    def _flush(self) -> None:
        from pyarrow import csv, parquet  # noqa: PLC0415 -- large, and only here where Parquet is wanted

        types = {name: self._types.get(name, self._arrow.string()) for name in self._names}
        schema = self._arrow.schema(list(types.items()))
        if self._writer is None:
            self._writer = parquet.ParquetWriter(self._path, schema, compression="zstd")
        if self._texts:
            convert = csv.ConvertOptions(
                column_types=schema, null_values=[""], strings_can_be_null=True, quoted_strings_can_be_null=True
            )
            text = io.BytesIO("".join(self._texts).encode())
            read = csv.ReadOptions(column_names=self._names)
            self._writer.write_table(csv.read_csv(text, read_options=read, convert_options=convert))
        self._texts, self._size = [], 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._flush()
        if self._writer is not None:
            self._writer.close()


def arrow() -> Any:
    """pyarrow; UnsupportedError says how to get it."""
    try:
        import pyarrow as pa  # noqa: PLC0415 -- large, and only here where Parquet is wanted
    except ImportError as error:
        raise UnsupportedError("Parquet needs pyarrow; install farthing[parquet]") from error
    return pa
