"""Loss curves as a picture and as text."""

import math
import struct

import pytest

from tuneport.errors import ConfigError, UsageError
from tuneport.job import Metric
from tuneport.plot import loss_png, loss_text, smoothed


def course(steps, *, validation_every=0):
    """A falling loss, 3.0 at the first step."""
    metrics = []
    for step in range(1, steps + 1):
        values = {"loss": 3.0 * math.exp(-(step - 1) / (steps / 4))}
        if validation_every and step % validation_every == 0:
            values["eval_loss"] = values["loss"] + 0.2
        metrics.append(Metric(step, values))
    return metrics


def png_size(path):
    header = path.read_bytes()[:24]
    assert header[:8] == b"\x89PNG\r\n\x1a\n"
    return struct.unpack(">II", header[16:24])


def ink_rows(text):
    """The canvas rows that hold anything but space, as (row, first column, last column)."""
    canvas = [line.split("┤", 1)[1] for line in text.splitlines() if "┤" in line]
    return [(row, len(line) - len(line.lstrip()), len(line.rstrip())) for row, line in enumerate(canvas) if line.strip()]


def test_a_picture_of_several_jobs_is_written(tmp_path):
    path = loss_png(tmp_path / "deep" / "loss.png", {"local:a": course(40, validation_every=10), "local:b": course(5)}, title="two jobs")
    assert png_size(path) == (1152, 648)
    assert [file.name for file in path.parent.iterdir()] == ["loss.png"]


def test_another_curve_gives_another_picture_and_the_same_curve_the_same(tmp_path):
    def draw(name, steps):
        return loss_png(tmp_path / f"{name}.png", {"local:a": course(steps)}, title="loss").read_bytes()

    assert draw("one", 40) == draw("again", 40)
    assert draw("one", 40) != draw("other", 30)


def test_a_picture_that_cannot_be_written_leaves_nothing_and_says_so(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ConfigError, match=r"loss\.png cannot be written"):
        loss_png(tmp_path / "file" / "loss.png", {"local:a": course(9)}, title="loss")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_only_png_is_drawn(tmp_path):
    with pytest.raises(UsageError, match=r"'loss\.svg' does not end in \.png"):
        loss_png(tmp_path / "loss.svg", {"local:a": course(9)}, title="loss")


@pytest.mark.parametrize("metrics", [[], [Metric(1, {"learning_rate": 1e-4})], [Metric(1, {"loss": float("nan")})]])
def test_a_job_without_a_loss_yet_is_said_to_have_none(tmp_path, metrics):
    with pytest.raises(UsageError, match="no loss to draw yet"):
        loss_text(metrics)
    with pytest.raises(UsageError, match="no loss to draw yet"):
        loss_png(tmp_path / "loss.png", {"local:a": metrics}, title="loss")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("width", "height"), [(72, 14), (24, 6), (120, 40)])
def test_the_text_fits_the_room_it_is_given_and_has_no_control_characters(width, height):
    text = loss_text(course(500, validation_every=50), width=width, height=height)
    frame = text.splitlines()[:height]
    assert max(len(line) for line in frame) <= width
    assert len(text.splitlines()) == height + 2
    assert all(character == "\n" or character.isprintable() for character in text)


def test_a_falling_loss_starts_at_the_top_left_and_ends_at_the_bottom_right():
    rows = ink_rows(loss_text(course(200), width=60, height=12))
    assert rows[0][:2] == (0, 0)
    assert rows[-1][0] == 9
    assert rows[-1][2] == 51
    assert [first for _, first, _ in rows] == sorted(first for _, first, _ in rows)


def test_a_flat_loss_is_one_straight_line():
    rows = ink_rows(loss_text([Metric(step, {"loss": 0.5}) for step in range(1, 50)], width=60, height=12))
    assert [(first, last) for _, first, last in rows] == [(0, 51)]


def test_the_numbers_below_the_curve_are_the_jobs_own():
    last = loss_text(course(40, validation_every=10)).splitlines()[-2:]
    assert last[0] == "train loss 3.000 at step 1, 0.061 at step 40; lowest 0.061 at step 40"
    assert last[1].startswith("o validation 1.420 at step 10, 0.261 at step 40")


def test_validation_points_are_marked_on_the_curve():
    canvas = loss_text(course(40, validation_every=10)).rsplit("┤", 1)[0]
    assert canvas.count("o") == 4


@pytest.mark.parametrize("metrics", [course(1), [Metric(3, {"eval_loss": 0.0})], [Metric(1, {"loss": 0.0}), Metric(2, {"loss": 0.0})]])
def test_a_single_point_and_a_loss_of_zero_can_be_drawn(tmp_path, metrics):
    assert ink_rows(loss_text(metrics))
    assert png_size(loss_png(tmp_path / "loss.png", {"local:a": metrics}, title="loss"))


def test_one_wild_step_does_not_flatten_the_rest():
    metrics = [Metric(step, {"loss": 5000.0 if step == 7 else 1.0}) for step in range(1, 101)]
    assert loss_text(metrics).splitlines()[0].split()[0] == "1.59"


def test_smoothing_keeps_a_constant_and_does_not_lag_behind_a_straight_line():
    assert smoothed([2.0] * 20, span=5) == pytest.approx([2.0] * 20)
    line = [float(value) for value in range(100)]
    assert smoothed(line, span=9)[40:60] == pytest.approx(line[40:60], abs=0.01)


@pytest.mark.parametrize(("width", "height"), [(23, 14), (72, 5)])
def test_too_little_room_is_refused(width, height):
    with pytest.raises(UsageError, match="too few for a curve"):
        loss_text(course(9), width=width, height=height)
