"""From a spreadsheet's CSV to checked train and test files: read, check, split, write."""

import csv
import json
import tempfile
from pathlib import Path

import tuneport as tp
from tuneport.checks import check

DATA = Path(__file__).parent / "data"


def export_csv(path: Path) -> Path:
    """What a help desk might export: other column names, one row a ticket."""
    with (DATA / "tickets-train.jsonl").open(encoding="utf-8") as rows, path.open("w", encoding="utf-8", newline="") as file:
        sheet = csv.writer(file)
        sheet.writerow(["ticket", "team", "text"])
        for number, row in enumerate(rows, start=1):
            ask, answer = json.loads(row)["messages"]
            sheet.writerow([number, answer["content"], ask["content"]])
    return path


def main(folder: Path) -> None:
    data = tp.Dataset.read(export_csv(folder / "tickets.csv"), columns={"prompt": "text", "completion": "team"})
    report = check(data, method="sft")
    print(f"{report.rows} rows, {'ok' if report.ok else 'errors'}; findings: {dict(report.counts) or 'none'}")

    train, test = data.split(test=0.25, seed=7)
    for name, side in (("train", train), ("test", test)):
        written = side.write(folder / f"{name}.jsonl")
        print(
            f"{written.path.name}: {written.rows} rows, fingerprint {side.fingerprint[:12]}, lost: {[loss.kind for loss in written.losses]}"
        )


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        main(Path(folder))
