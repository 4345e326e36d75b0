"""Offline scoring of files: the service's model and rules over CSV, Parquet and Arrow, in bounded memory.

input -> batches of rows (`sources`) -> predictions and rejects (`score`) -> files (`outputs`), the same three steps on
this machine (`local`) and on a Ray cluster (`on_ray`).
"""
