"""The kit's rules about uploaded files, for a trainer that gives them back (`ReturnsFiles`) or deletes them (`CleansFiles`)."""

from __future__ import annotations

import pytest

from tuneport.errors import NotFound, Refused
from tuneport.plan import PlannedFile
from tuneport.provider import CleansFiles, ReturnsFiles, Trainer
from tuneport.recipe import Recipe
from tuneport.testing.kit import TrainerKit, expect, expect_error


class FileRules(TrainerKit):
    """What was uploaded comes back as it was sent, and what is deleted is gone."""

    def test_an_uploaded_file_comes_back_as_it_was_sent(self, trainer: Trainer, other_recipe: Recipe) -> None:
        if not isinstance(trainer, ReturnsFiles):
            pytest.skip("this trainer has no file_content()")
        file, file_id = _uploaded(trainer, other_recipe)
        try:
            content = b"".join(trainer.file_content(file_id))
        except Refused as error:
            pytest.skip(f"the provider gives no files back: {error.message}")
        expect(content == b"".join(file.chunks()), f"the {file.size_bytes} bytes that were sent", f"{len(content)} other bytes")

    def test_a_deleted_file_is_gone(self, trainer: Trainer, other_recipe: Recipe) -> None:
        if not isinstance(trainer, CleansFiles):
            pytest.skip("this trainer has no delete_file()")
        file, file_id = _uploaded(trainer, other_recipe)
        trainer.delete_file(file_id)
        expect(trainer.file_state(file_id).state == "gone", "file_state() 'gone' after delete_file()", trainer.file_state(file_id))
        expect(trainer.find_file(file) != file_id, "find_file() not to find what was deleted", file_id)
        expect_error(lambda: trainer.delete_file(file_id), NotFound, when="delete_file() of a file that is gone")


def _uploaded(trainer: Trainer, recipe: Recipe) -> tuple[PlannedFile, str]:
    """The first file of a plan, with its id at the provider."""
    files = trainer.plan(recipe).files
    if not files:
        pytest.skip("this trainer uploads no files")
    return files[0], trainer.upload(files[0])
