"""Scoring in this process: formats, rules, rejects, errors."""

import csv
import json
import os
import pty
import re
import subprocess
import sys
import termios
from contextlib import suppress
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.feather
import pyarrow.parquet as pq
import pytest

from scoring.__main__ import main
from scoring.sources import CSV_ROW_BYTES
from scoring.tally import Tally, counted
from serving.reference import Bins
from serving.schema import CLASSES, FEATURES, NAMES, Flag
from serving.store import StoredModel
from tests.models import plausible_rows
from tests.scoring.conftest import table
from tests.servers import ROOT

FLAG = next(f for f in FEATURES if isinstance(f, Flag))
NUMBER = next(f for f in FEATURES if not isinstance(f, Flag))


def save(rows: pa.Table, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".csv":
        pa_csv.write_csv(rows, path)
    elif path.suffix == ".parquet":
        pq.write_table(rows, path)
    elif path.suffix == ".feather":
        pyarrow.feather.write_feather(rows, path)
    else:
        with pa.ipc.new_stream(path, rows.schema) as writer:
            writer.write_table(rows)
    return path


def load(path: Path) -> pa.Table:
    if path.is_dir():
        return pa.concat_tables(load(part) for part in sorted(path.iterdir()))
    if path.suffix == ".csv":
        return pa_csv.read_csv(path)
    return pq.read_table(path) if path.suffix == ".parquet" else pyarrow.feather.read_table(path)


def rejects(path: Path) -> list[tuple[str, int, str]]:
    with path.open(newline="") as file:
        return [(row["file"], int(row["line"]), row["reason"]) for row in csv.DictReader(file)]


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """Run the command, which must end in one sentence, and return it."""
    with pytest.raises(SystemExit) as ended:
        main([*map(str, arguments), "--quiet"])
    assert isinstance(ended.value.code, str)
    assert capsys.readouterr().out == ""
    assert len(ended.value.code.splitlines()) == 1
    return ended.value.code


def check(scored: pa.Table, rows: np.ndarray, stored: StoredModel) -> None:
    scores = stored.model.score(rows)
    assert scored["label"].to_pylist() == [CLASSES[label] for label in scores.label]
    assert scored["outlier"].to_pylist() == scores.outlier.tolist()
    for k, name in enumerate(CLASSES):
        assert np.array_equal(scored[f"probability_{name}"].to_numpy(), scores.probabilities[:, k])


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".feather", ".arrow"])
@pytest.mark.parametrize("output", ["out.csv", "out.parquet", "out.arrow", "out/"])
def test_every_format_gives_the_answers_of_the_model(
    suffix: str, output: str, tmp_path: Path, stored: StoredModel, tag: str
) -> None:
    rows = table(1000)
    source = save(rows, tmp_path / f"in{suffix}")
    main([str(source), output, "--model", tag, "--keep", "id", "--part-rows", "300"])
    scored = load(tmp_path / output)
    assert scored.column_names == ["id", "label", *(f"probability_{name}" for name in CLASSES), "outlier"]
    assert [int(each) for each in scored["id"].to_pylist()] == list(range(1000))
    check(scored, plausible_rows(1000), stored)
    assert rejects(tmp_path / "out.rejects.csv") == []


def test_the_summary_says_what_came_out(
    tmp_path: Path, stored: StoredModel, tag: str, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = table(2000).to_pydict()
    rows[NUMBER.name] = [NUMBER.low] * 2000
    rows[FLAG.name][7] = 2
    save(pa.table(rows), tmp_path / "in.parquet")
    main(["in.parquet", "out.parquet", "--model", tag])
    said = capsys.readouterr().out
    scored = load(tmp_path / "out.parquet")
    labels = [f"{name} {scored['label'].to_pylist().count(name):,}" for name in CLASSES]
    assert f"2,000 rows scored with {tag} in " in said
    assert "predictions  1,999 in out.parquet\n" in said
    assert "rejects      1 (0.1%) in out.rejects.csv\n" in said
    assert all(label in said for label in labels)
    assert f"drift        {NUMBER.name} (PSI " in said
    assert f"outliers     {sum(scored['outlier'].to_pylist()):,} (" in said


def test_bad_values_of_a_csv_are_refused_by_line_and_the_rest_is_scored(
    tmp_path: Path, stored: StoredModel, tag: str
) -> None:
    fine = [str(v) for v in plausible_rows(1)[0].tolist()]
    number, flag = NAMES.index(NUMBER.name), NAMES.index(FLAG.name)
    texts = [
        "",
        "12,5",
        "nan",
        "inf",
        "1e999",
        " 12",
        "12 ",
        "1_2",
        "1.2.3",
        "0x0C",
        "\uff11\uff12",  # full width
        "twelve",
        "true",
        "-1",
        "26",
    ]
    lines = [",".join(["id", *NAMES, "note"])]
    expected: list[tuple[str, int, str]] = []

    def row(values: list[str], *reasons: str, note: str = "x") -> None:
        line = sum(text.count("\n") + 1 for text in lines) + 1
        lines.append(",".join([str(line), *(f'"{v}"' if "," in v else v for v in values), note]))
        if reasons:
            expected.append(("in.csv", line, " | ".join(reasons)))

    for text in texts:
        shown = f" is {json.dumps(text, ensure_ascii=False)}" if text else " is missing"
        row(fine)
        row([*fine[:number], text, *fine[number + 1 :]], f"{NUMBER.name}{shown}; expected {NUMBER.expected}")
    for text in ("2", "0.5", "yes", "-0.1"):
        row([*fine[:flag], text, *fine[flag + 1 :]], f'{FLAG.name} is "{text}"; expected {FLAG.expected}')
        row(fine, note='"a note\nover ""three""\nlines, with a comma"')
    lines.append("")  # a blank line is no row, but a line
    row(["x"] * len(NAMES), *(f'{f.name} is "x"; expected {f.expected}' for f in FEATURES))
    row([*fine, "one more"], f"the line has {len(NAMES) + 3} fields; expected {len(NAMES) + 2}, as the header")
    row(fine[:1], f"the line has 3 fields; expected {len(NAMES) + 2}, as the header")
    row([f"+{fine[0]}", *(f"{v}e0" for v in fine[1:])])
    good = [
        int(line.split(",")[0])
        for line in lines[1:]
        if line and int(line.split(",")[0]) not in {line for _, line, _ in expected}
    ]
    (tmp_path / "in.csv").write_text("\n".join(lines))  # the last line has no line break
    main(["in.csv", "out.csv", "--model", tag, "--keep", "id,note"])
    assert rejects(tmp_path / "out.rejects.csv") == expected
    with (tmp_path / "out.csv").open(newline="") as file:
        scored = list(csv.DictReader(file))
    assert [int(each["id"]) for each in scored] == good
    assert {each["note"] for each in scored} == {"x", 'a note\nover "three"\nlines, with a comma'}


@pytest.mark.parametrize("suffix", [".parquet", ".feather"])
def test_bad_values_of_a_table_are_refused_by_row(suffix: str, tmp_path: Path, stored: StoredModel, tag: str) -> None:
    rows = {
        name: pa.array(values, pa.float64(), from_pandas=False).to_pylist()
        for name, values in table(2000).select(NAMES).to_pydict().items()
    }
    bad = {3: None, 40: float("nan"), 500: float("inf"), 1500: NUMBER.high + 0.5, 1999: -5.0}
    shown = {3: "null", 40: "NaN", 500: "Infinity", 1500: str(NUMBER.high + 0.5), 1999: "-5.0"}
    for row, value in bad.items():
        rows[NUMBER.name][row] = value
    rows[FLAG.name][40] = 0.5
    source = save(pa.table({"id": range(2000), **rows}), tmp_path / f"in{suffix}")
    main([str(source), "out.parquet", "--model", tag, "--keep", "id"])
    reasons = {row + 1: f"{NUMBER.name} is {shown[row]}; expected {NUMBER.expected}" for row in bad}
    both = [f"{FLAG.name} is 0.5; expected {FLAG.expected}", reasons[41]]
    reasons[41] = " | ".join(both if NAMES.index(FLAG.name) < NAMES.index(NUMBER.name) else reversed(both))
    assert rejects(tmp_path / "out.rejects.csv") == [(str(source), row, why) for row, why in reasons.items()]
    scored = load(tmp_path / "out.parquet")
    assert scored["id"].to_pylist() == [row for row in range(2000) if row not in bad]
    kept = plausible_rows(2000)[scored["id"].to_numpy()]
    check(scored, kept, stored)


def test_whole_numbers_floats_of_any_width_and_decimals_are_numbers(
    tmp_path: Path, stored: StoredModel, tag: str
) -> None:
    kinds = [
        pa.int8(),
        pa.float32(),
        pa.decimal128(10, 3),
        pa.uint16(),
        pa.dictionary(pa.int8(), pa.int64()),
        pa.int64(),
    ]
    rows = np.array([[1 if isinstance(f, Flag) else 12 for f in FEATURES]] * 10, float)
    columns = {
        name: pa.array(rows[:, j].astype(np.int16)).cast(kind.value_type if pa.types.is_dictionary(kind) else kind)
        for j, (name, kind) in enumerate(zip(NAMES, (kinds * len(NAMES))[: len(NAMES)], strict=True))
    }
    encoded = {
        name: column.dictionary_encode() if j % 6 == 4 else column for j, (name, column) in enumerate(columns.items())
    }
    save(pa.table(encoded), tmp_path / "in.parquet")
    main(["in.parquet", "out.parquet", "--model", tag])
    check(load(tmp_path / "out.parquet"), rows, stored)


def test_a_folder_and_a_glob_are_scored_in_the_order_of_their_paths(
    tmp_path: Path, stored: StoredModel, tag: str
) -> None:
    for number, name in enumerate(["b.parquet", "a/2.parquet", "a/1.parquet", "_old.parquet", "a/.x.parquet"]):
        save(table(100, seed=number), tmp_path / "in" / name)
    (tmp_path / "in" / "README.txt").write_text("not rows")
    main(["in", "all.parquet", "--model", tag])
    check(load(tmp_path / "all.parquet"), np.concatenate([plausible_rows(100, seed) for seed in (2, 1, 0)]), stored)
    main(["in/a/?.parquet", "some/", "--model", tag, "--part-rows", "60"])
    assert [path.name for path in sorted((tmp_path / "some").iterdir())] == [f"part-{i:05}.parquet" for i in range(4)]
    check(load(tmp_path / "some"), np.concatenate([plausible_rows(100, seed) for seed in (2, 1)]), stored)


@pytest.mark.parametrize("name", ["in.csv", "in.parquet", "in.feather"])
@pytest.mark.parametrize("output", ["out.parquet", "out/"])
def test_no_rows_give_a_file_without_rows(name: str, output: str, tmp_path: Path, tag: str) -> None:
    save(table(0), tmp_path / name)
    main([name, output, "--model", tag])
    assert len(load(tmp_path / output)) == 0


def test_a_row_of_csv_may_be_long_and_blocks_end_where_records_do(
    tmp_path: Path, stored: StoredModel, tag: str
) -> None:
    rows = plausible_rows(3000)
    notes = ['"' + "word\n" * (i % 7) + '""' + "x" * (i % 90) + '"' if i % 5 == 0 else 'n"o' for i in range(3000)]
    lines = [",".join([*map(repr, row), note]) for row, note in zip(rows.tolist(), notes, strict=True)]
    (tmp_path / "in.csv").write_text("\r\n".join([",".join([*NAMES, "note"]), *lines]) + "\r\n", newline="")
    main(["in.csv", "out/", "--model", tag, "--part-rows", "150", "--keep", "note"])
    assert len(list((tmp_path / "out").iterdir())) > len(lines) * 40 // (150 * CSV_ROW_BYTES) // 2
    check(load(tmp_path / "out"), rows, stored)


def wrong(content: str | bytes, name: str = "in.csv") -> None:
    Path(name).write_bytes(content.encode() if isinstance(content, str) else content)


HEADER = ",".join(NAMES)


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("in.csv", "", "in.csv is empty: expected a line with the names of the columns"),
        ("in.csv", HEADER.replace(",", ";"), "in.csv: line 1 has no comma: separate the columns with commas"),
        ("in.csv", f"{HEADER}\né".encode("latin-1"), "in.csv is not encoded as UTF-8 (line 2 has the byte 0xE9)"),
        ("in.csv", HEADER.encode("utf-16"), "in.csv is encoded as UTF-16: save it as UTF-8"),
        ("in.csv", f"{HEADER}\n\0", "in.csv is a binary file, not a CSV file"),
        ("in.csv", f"{HEADER},{FLAG.name}\n", f"in.csv has the column {FLAG.name} more than once"),
        ("in.csv", HEADER.replace(FLAG.name, "other"), f"in.csv has no column {FLAG.name}; it has other, "),
        ("in.csv", b"PAR1....", "in.csv is not a CSV file: it is a Parquet file"),
        ("in.csv", b"PK\x03\x04..", "in.csv is not a CSV file: it is a zip archive or a spreadsheet"),
        ("in.parquet", HEADER, "in.parquet is not a Parquet file"),
        ("in.parquet", b"PAR1" + b"." * 100, "in.parquet is damaged or not a Parquet file: "),
        ("in.parquet", b"", "in.parquet is empty: expected a Parquet file"),
        ("in.arrow", HEADER, "in.arrow is damaged or not an Arrow file: "),
        ("in.feather", b"FEA1....", "in.feather is not an Arrow file: it is a Feather file of the old version 1"),
        ("in.xlsx", "x", "in.xlsx has a name that tells no format: expected .csv, .parquet, .arrow or .feather"),
    ],
)
def test_a_file_that_is_not_what_its_name_says(
    name: str, content: str | bytes, sentence: str, tmp_path: Path, tag: str, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong(content, name)
    assert sentence in refused(capsys, name, "out.parquet", "--model", tag)
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("kind", [pa.bool_(), pa.string()])
def test_a_column_that_holds_no_numbers(
    kind: pa.DataType, tmp_path: Path, tag: str, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = table(5)
    j = rows.column_names.index(FLAG.name)
    save(rows.set_column(j, FLAG.name, pa.array(["1"] * 5).cast(kind)), tmp_path / "in.parquet")
    said = refused(capsys, "in.parquet", "out.parquet", "--model", tag)
    assert said == f"error: in.parquet: the column {FLAG.name} holds {kind}; expected 0 or 1"


def test_requests_that_cannot_be_met(tmp_path: Path, tag: str, capsys: pytest.CaptureFixture[str]) -> None:
    save(table(5), tmp_path / "in.parquet")
    save(
        pa.table({**dict(zip(table(5).column_names, table(5).columns, strict=True)), "label": [[1]] * 5}),
        tmp_path / "l.parquet",
    )

    def said(*arguments: object) -> str:
        return refused(capsys, *arguments, "--model", tag)

    assert said("no.parquet", "out.csv") == "error: no.parquet does not exist"
    assert said("", "out.csv").startswith("error: INPUT is empty: ")
    assert said("in.parquet", "").startswith("error: OUTPUT is empty: ")
    assert said("*.csv", "out.csv") == "error: no file is like *.csv"
    assert said("in.parquet", "in.parquet") == "error: in.parquet is an input: results go elsewhere"
    assert said("in.parquet", "no/out.csv") == "error: no/out.rejects.csv cannot be written: it does not exist"
    assert "in.parquet has no column nothing; it has id, " in said("in.parquet", "out.csv", "--keep", "nothing")
    assert "cannot be kept: the predictions have a column of that name" in said("l.parquet", "out/", "--keep", "label")
    assert "expected .csv" in said("in.parquet", "out.parquet", "--format", "csv")
    assert refused(capsys, "in.parquet", "out.csv", "--model", "no:such").startswith(
        "error: there is no model no:such "
    )
    (tmp_path / "empty").mkdir()
    assert said("empty", "out.csv") == "error: empty has no files to score: expected .csv, .parquet, .arrow or .feather"
    (tmp_path / "mixed").mkdir()
    (tmp_path / "mixed" / "a.parquet").symlink_to(tmp_path / "in.parquet")
    save(table(5), tmp_path / "mixed" / "b.csv")
    assert "columns to keep must have one type" in said("mixed", "out.csv", "--keep", "id")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "in.parquet", "l.parquet", "mixed"]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["in.csv", "in.parquet"])
def test_a_terminal_shows_a_bar(name: str, tmp_path: Path, tag: str) -> None:
    save(table(300_000), tmp_path / name)
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 120))
    command = [sys.executable, "-m", "scoring", name, "out.parquet", "--model", tag]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, stderr=theirs, stdout=subprocess.PIPE, text=True, check=True)
    os.close(theirs)
    shown = b""
    with suppress(OSError):  # that is how the end of a terminal shows
        while more := os.read(ours, 1 << 16):
            shown += more
    os.close(ours)
    assert re.search(r"100%\|█+\| 300k/300k \[\d\d:\d\d<00:00, [\d.]+[kM]? rows/s\]", shown.decode()), shown
    assert done.stdout.startswith("300,000 rows scored")


def test_counting_is_that_of_the_bins() -> None:
    values = np.array([1.0, 1.5, 2.0, 2.0, 7.5, -3.0])
    bins = Bins((1.5, 2.0, 8.0), (0.25,) * 4, 1.0, 0.1)
    assert counted(values, bins.edges) == bins.count(values).tolist() == [2, 1, 3, 0]


def test_the_limit_of_drift_is_that_of_the_model(stored: StoredModel) -> None:
    few, many = Tally.empty(stored.reference), Tally.empty(stored.reference)
    few.labels[0], many.labels[0] = 10, 1_000_000
    first = stored.reference.features[NAMES[0]]
    assert few.drift(stored.reference)[0].limit == pytest.approx((1 / 10 + 1 / stored.reference.rows) * first.chi2)
    assert many.drift(stored.reference)[0].limit == pytest.approx(
        max((1e-6 + 1 / stored.reference.rows) * first.chi2, first.floor)
    )
