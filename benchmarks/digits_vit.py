"""A small vision transformer on handwritten digits, through the public SDK: image folders, recipe, job, evaluation.

    python -m benchmarks.digits_vit [--home FOLDER] [--method TABLE] [--no-record]

The images are scikit-learn's 1,797 digits of 8 x 8 (UCI, CC BY 4.0), written as image folders: 360 at random to test on, the others to
train on. (With the last 360 as the test, which other people wrote, a run of 40 epochs had 0.892.) The base is a ViT with random weights,
of a size for them: nothing was learned before. Limit: 0.95 accuracy.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import tuneport as tp
from benchmarks.head_run import SEED, trained_and_measured
from benchmarks.record import record

LIMIT_ACCURACY = 0.95
TEST_ROWS = 360
METHOD: dict[str, Any] = {"epochs": 30, "batch_size": 32, "learning_rate": 1e-3, "weight_decay": 0.05, "weights": "full"}


def write_digits(folder: Path) -> tuple[Path, Path]:
    """Image folders to train and to test on, a folder inside them for each digit."""
    import numpy as np
    from PIL import Image
    from sklearn.datasets import load_digits

    digits = load_digits()
    held_out = set(np.random.default_rng(SEED).permutation(len(digits.target))[:TEST_ROWS].tolist())
    for number, (image, digit) in enumerate(zip(digits.images, digits.target, strict=True)):
        target = folder / ("test" if number in held_out else "train") / str(digit)
        target.mkdir(parents=True, exist_ok=True)
        Image.fromarray((image * (255 / 16)).astype(np.uint8)).save(target / f"{number:04}.png")
    return folder / "train", folder / "test"


def save_vit(folder: Path) -> Path:
    """A ViT over patches of 2 x 2 pixels, with random weights and its image processor."""
    import torch
    from transformers import ViTConfig, ViTForImageClassification
    from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

    torch.manual_seed(SEED)
    config = ViTConfig(
        hidden_size=64,
        num_hidden_layers=4,
        num_attention_heads=4,
        intermediate_size=128,
        image_size=8,
        patch_size=2,
        hidden_dropout_prob=0.1,
    )
    ViTForImageClassification(config).save_pretrained(folder)
    ViTImageProcessorPil(size={"height": 8, "width": 8}).save_pretrained(folder)
    return folder


def run(folder: Path, *, home: Path, method: dict[str, Any]) -> dict[str, Any]:
    """Trains and evaluates; the figures, JSON-ready. Raises RuntimeError when the job does not succeed."""
    train, test = map(tp.Dataset.read, write_digits(folder / "digits"))
    base = save_vit(folder / "vit")
    return trained_and_measured(base, train, test, home=home, method=method, named="ViT, 4 layers of 64, patches of 2 x 2, random weights")


def main() -> int:
    """Runs, prints, records; 1 below the limit."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--home", type=Path, help="Tuneport's state folder; a temporary one when not given")
    parser.add_argument("--method", type=json.loads, default={}, help="settings of method classify as JSON, over those of this benchmark")
    parser.add_argument("--no-record", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        figures = run(Path(temporary), home=(given.home or Path(temporary) / "home").resolve(), method={**METHOD, **given.method})
    metrics = figures["evaluation"]["metrics"]
    accuracy = metrics["exact_match"]
    print({name: value for name, value in figures.items() if name != "evaluation"})
    headline = (
        f"accuracy {accuracy:.3f}, F1 {metrics['macro_f1']:.3f}; {figures['train_minutes']:.1f} min, peak {figures['worker_peak_mb']} MB"
    )
    print(headline)
    if not given.no_record:
        record("digits_vit", figures, headline=headline)
    return 0 if accuracy >= LIMIT_ACCURACY else 1


if __name__ == "__main__":
    sys.exit(main())
