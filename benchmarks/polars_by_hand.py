"""The script that somebody would write by hand with polars: two classes, no rules, no rejects, no summary.

It imports nothing of the project, so that its start takes its own time: `benchmarks.scoring` passes in what it needs.
"""

import json
import sys
import time

import polars as pl


def main(source: str, output: str, known: str) -> None:
    began = time.monotonic()
    model = json.loads(known)
    names, classes = model["features"], model["classes"]
    a, b = (pl.lit(constant) for constant in model["constant"])
    for j, name in enumerate(names):
        a -= (pl.col(name) - model["mean"][0][j]).pow(2) * model["half_precision"][0][j]
        b -= (pl.col(name) - model["mean"][1][j]).pow(2) * model["half_precision"][1][j]
    top = pl.max_horizontal("a", "b")
    total = pl.col("ea") + pl.col("eb")
    (
        pl.scan_parquet(source)
        .with_columns(a=a, b=b)
        .with_columns(top=top, ea=(pl.col("a") - top).exp(), eb=(pl.col("b") - top).exp())
        .select(
            "id",
            pl.when(pl.col("b") > pl.col("a")).then(pl.lit(classes[1])).otherwise(pl.lit(classes[0])).alias("label"),
            (pl.col("ea") / total).alias(f"probability_{classes[0]}"),
            (pl.col("eb") / total).alias(f"probability_{classes[1]}"),
            ((pl.col("top") + total.log()) < model["outlier_below"]).alias("outlier"),
        )
        .sink_parquet(output)
    )
    print(f"done in {time.monotonic() - began:.2f} s")


if __name__ == "__main__":
    main(*sys.argv[1:])
