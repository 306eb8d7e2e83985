"""Models of some thousand weights that see: a tiny llama (or gemma) behind a tiny vision tower, with the family's own processor."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

from .tiny import tiny_tokenizer

PARTS = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% for part in message['content'] %}{% if part['type'] == 'image' %}IMAGE{% else %}{{ part['text'] }}{% endif %}{% endfor %}"
    "<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""As the templates of such models are: the content of a message is a list of parts."""
SIDE = 16


def _tokenizer(*special: str, image: str) -> Any:
    tokenizer = tiny_tokenizer(template=PARTS.replace("IMAGE", image))
    tokenizer.add_special_tokens({"additional_special_tokens": list(special)})
    return tokenizer


def _text(tokenizer: Any, **more: Any) -> dict[str, Any]:
    return {
        "vocab_size": len(tokenizer),
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 512,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "pad_token_id": 0,
        "initializer_range": 0.3,
        **more,
    }


_EYES = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "image_size": SIDE,
    "patch_size": 4,
    "initializer_range": 0.3,
}


def _idefics3() -> tuple[Any, Any]:
    from transformers import Idefics3Config, Idefics3ForConditionalGeneration, Idefics3Processor
    from transformers.models.idefics3.image_processing_pil_idefics3 import Idefics3ImageProcessorPil

    edge = {"longest_edge": SIDE}
    tokenizer = _tokenizer("<fake_token_around_image>", "<image>", "<end_of_utterance>", "<global-img>", image="<image>")
    pictures = Idefics3ImageProcessorPil(size=edge, max_image_size=edge, do_image_splitting=False)
    processor = Idefics3Processor(pictures, tokenizer, image_seq_len=4, chat_template=tokenizer.chat_template)
    config = Idefics3Config(
        text_config={"model_type": "llama", **_text(tokenizer)},
        vision_config=_EYES,
        image_token_id=processor.image_token_id,
        scale_factor=2,
        pad_token_id=0,
    )
    return Idefics3ForConditionalGeneration(config), processor


def _llava() -> tuple[Any, Any]:
    from transformers import LlavaConfig, LlavaForConditionalGeneration, LlavaProcessor
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    tokenizer = _tokenizer("<image>", image="<image>")
    side = {"height": SIDE, "width": SIDE}
    processor = LlavaProcessor(
        CLIPImageProcessorPil(size={"shortest_edge": SIDE}, crop_size=side),
        tokenizer,
        patch_size=4,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=tokenizer.chat_template,
    )
    config = LlavaConfig(
        text_config={"model_type": "llama", **_text(tokenizer)},
        vision_config={"model_type": "clip_vision_model", **_EYES, "num_hidden_layers": 2},
        image_token_index=processor.image_token_id,
        image_seq_length=16,
    )
    return LlavaForConditionalGeneration(config), processor


def _gemma3() -> tuple[Any, Any]:
    from transformers import Gemma3Config, Gemma3ForConditionalGeneration, Gemma3Processor, PreTrainedTokenizerFast
    from transformers.models.gemma3.image_processing_pil_gemma3 import Gemma3ImageProcessorPil

    named = {"boi_token": "<start_of_image>", "image_token": "<image_soft_token>", "eoi_token": "<end_of_image>"}
    plain = _tokenizer(*named.values(), image="<start_of_image>")
    own = {name: plain.special_tokens_map[name] for name in ("bos_token", "eos_token", "pad_token")}
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=plain.backend_tokenizer, **own, extra_special_tokens=named)
    tokenizer.chat_template, tokenizer.model_max_length = plain.chat_template, 512
    processor = Gemma3Processor(
        Gemma3ImageProcessorPil(size={"height": SIDE, "width": SIDE}), tokenizer, tokenizer.chat_template, image_seq_length=4
    )
    config = Gemma3Config(
        text_config={"model_type": "gemma3_text", **_text(tokenizer, head_dim=8, sliding_window=64)},
        vision_config={"model_type": "siglip_vision_model", **_EYES, "vision_use_head": False},
        mm_tokens_per_image=4,
        image_token_id=tokenizer.image_token_id,
        boi_token_index=tokenizer.convert_tokens_to_ids("<start_of_image>"),
        eoi_token_index=tokenizer.convert_tokens_to_ids("<end_of_image>"),
    )
    model = Gemma3ForConditionalGeneration(config)
    model.model.multi_modal_projector.mm_input_projection_weight.data.normal_(0, 0.3)  # a new one sees nothing
    return model, processor


_FAMILIES = {"idefics3": _idefics3, "llava": _llava, "gemma3": _gemma3}


def save_seeing(folder: Path, *, family: str = "idefics3") -> Path:
    """Saves a model that sees with its processor, as a base that is taken by its path."""
    import torch
    from tuneport_local.quiet import quiet

    torch.manual_seed(0)
    with quiet():
        model, processor = _FAMILIES[family]()
        model.eval().save_pretrained(folder)
        processor.save_pretrained(folder)
    return folder


def picture(colour: str | tuple[int, int, int], *, side: int = 20, form: str = "PNG") -> bytes:
    """The bytes of a picture of one colour."""
    from PIL import Image

    stream = io.BytesIO()
    Image.new("RGB", (side, side), colour).save(stream, form)
    return stream.getvalue()


def address(data: bytes) -> str:
    """Of a picture in its row."""
    return f"data:image/png;base64,{base64.b64encode(data).decode()}"
