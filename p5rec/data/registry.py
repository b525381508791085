"""The registry of data sources, by their names in a config."""

from __future__ import annotations

from p5rec.core.registry import Registry

SOURCES = Registry(
    "data source",
    {
        "amazon": "p5rec.data.sources.amazon:SOURCE",
        "movielens": "p5rec.data.sources.movielens:SOURCE",
        "parts": "p5rec.data.sources.parts:SOURCE",
        "recbole": "p5rec.data.sources.recbole:SOURCE",
        "sequences": "p5rec.data.sources.sequences:SOURCE",
        "table": "p5rec.data.sources.table:SOURCE",
        "synthetic": "p5rec.data.sources.synthetic:SOURCE",
    },
)
