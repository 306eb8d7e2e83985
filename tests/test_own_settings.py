"""Settings that only our own trainers take: no part of older recipes, refused where a vendor has no place for them."""

from __future__ import annotations

import pytest

import tuneport as tp
from tuneport.errors import Unsupported
from tuneport.methods import cloud_method
from tuneport.own_settings import own_settings, refuse_own_settings


def test_a_recipe_that_does_not_use_them_says_nothing_of_them() -> None:
    plain = tp.SFT().model_dump(mode="json")

    assert not {"weights", "early_stopping", "keep", "neftune_alpha"} & set(plain)
    assert set(plain["lora"]) == {"rank", "alpha", "dropout", "targets"}
    assert "weights" not in tp.SFT(weights="lora").model_dump(mode="json")


def test_a_recipe_that_uses_them_says_so_and_is_read_back() -> None:
    method = tp.SFT(weights={"kind": "full", "freeze": 2, "gradual": True}, early_stopping=tp.EarlyStopping(patience=2), keep="best")

    assert tp.SFT(**method.model_dump(mode="json")) == method
    assert method.model_dump(mode="json")["weights"] == {"kind": "full", "freeze": 2, "layer_decay": 1.0, "gradual": True}
    assert tp.SFT(weights="full").weights == tp.Full()


def test_those_that_a_recipe_changes_are_named_with_the_table_they_stand_in() -> None:
    method = tp.SFT(lora=tp.LoRA(variant="dora", quantize=4), keep="best")

    assert dict(own_settings(method)) == {"lora.variant": "dora", "lora.quantize": 4, "keep": "best"}
    assert not dict(own_settings(tp.SFT(lora=tp.LoRA(rank=4))))


@pytest.mark.parametrize(
    ("method", "sentence"),
    [
        (tp.SFT(lora=tp.LoRA(variant="dora")), "a cloud has no place for lora.variant: the recipe says 'dora'. Leave lora.variant out"),
        (tp.SFT(weights="ia3"), "no place for weights: the recipe says a 'ia3' table."),
        (tp.DPO(loss="ipo"), "no place for loss: the recipe says 'ipo'."),
    ],
)
def test_a_vendor_refuses_them_by_name(method: tp.SFT | tp.DPO, sentence: str) -> None:
    with pytest.raises(Unsupported, match="has no place for") as refused:
        refuse_own_settings(method, who="a cloud")
    assert sentence in str(refused.value)


def test_a_method_that_no_vendor_has_is_refused_for_one() -> None:
    with pytest.raises(Unsupported, match="a cloud does not train by method kto"):
        cloud_method(tp.KTO(), who="a cloud")
    assert cloud_method(tp.SFT(), who="a cloud") == tp.SFT()
