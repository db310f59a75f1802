"""Records as pandas data frames, when pandas is installed (extra ``pandas``)."""

import importlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from skrutinium.errors import NotInstalled
from skrutinium.tables.columns import TABLES, Type
from skrutinium.tables.records import Record, Tabled, to_records

if TYPE_CHECKING:
    import pandas as pd

_TYPES: dict[Type, str] = {
    "text": "string",
    "int": "Int64",
    "bool": "boolean",
    "date": "datetime64[s]",
    "time": "datetime64[s, UTC]",
}


def to_pandas(told: Tabled | Mapping[str, Sequence[Record]]) -> "dict[str, pd.DataFrame]":
    """One data frame a table, of a document or of records; numbers are nullable ``Int64``, what is not there is ``NA``, never zero.

    Raises :class:`NotInstalled` without pandas.
    """
    pandas = _pandas()
    records = told if isinstance(told, Mapping) else to_records(told)
    return {name: _frame(pandas, name, rows) for name, rows in records.items()}


def _frame(pandas: Any, name: str, records: Sequence[Record]) -> "pd.DataFrame":
    columns = {}
    for column in TABLES[name].columns:
        values: list[Any] = [record[column.name] for record in records]
        if column.type == "time":
            series = pandas.to_datetime(pandas.Series(values, dtype="object"), utc=True, format="ISO8601")
            columns[column.name] = series.astype(_TYPES["time"])
        else:
            columns[column.name] = pandas.Series(values, dtype=_TYPES[column.type])
    return pandas.DataFrame(columns)


def _pandas() -> Any:
    try:
        return importlib.import_module("pandas")
    except ImportError as error:
        raise NotInstalled("pandas is not installed: pip install 'skrutinium[pandas]'") from error
