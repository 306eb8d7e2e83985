"""A converter for tiny llamas with the arguments of llama.cpp's, for tests where that is not at hand. Run as a program."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any


def main() -> int:
    """0 when the file is written."""
    parser = argparse.ArgumentParser()
    parser.add_argument("model", type=Path)
    parser.add_argument("--outfile")
    parser.add_argument("--outtype")
    parser.add_argument("--model-name")
    given = parser.parse_args()
    if trouble := os.environ.get("SMALL_CONVERTER_SAYS"):
        print(trouble, file=sys.stderr)
        return 1
    write(given.model, given.outfile, given.model_name)
    return 0


def write(folder: Path, to: str, name: str) -> None:
    """Weights as fp16, the chat template, and which token ends an answer."""
    import gguf
    from safetensors import safe_open

    config = json.loads((folder / "config.json").read_text())
    heads, groups = config["num_attention_heads"], config["num_key_value_heads"]
    writer: Any = gguf.GGUFWriter(to, "llama")
    writer.add_name(name)
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(heads)
    writer.add_head_count_kv(groups)
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_rope_dimension_count(config["hidden_size"] // heads)
    writer.add_rope_freq_base(config["rope_parameters"]["rope_theta"])
    writer.add_vocab_size(config["vocab_size"])
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list([f"<{place}>" for place in range(config["vocab_size"])])
    writer.add_eos_token_id(int(os.environ.get("SMALL_CONVERTER_END", config["eos_token_id"])))
    writer.add_add_bos_token(False)
    template = (folder / "chat_template.jinja").read_text()
    writer.add_chat_template(os.environ.get("SMALL_CONVERTER_TEMPLATE", template))
    with safe_open(folder / "model.safetensors", framework="np") as file:
        for tensor in file.keys():  # noqa: SIM118 - no mapping
            add(writer, tensor, file.get_tensor(tensor), heads=heads, groups=groups)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


NAMES = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}


def add(writer: Any, name: str, weights: Any, *, heads: int, groups: int) -> None:
    """One tensor under its name there; queries and keys with their halves interleaved, norms in full."""
    parts = name.removeprefix("model.").removesuffix(".weight").split(".", 2)
    if parts[0] != "layers":
        writer.add_tensor({"embed_tokens": "token_embd", "norm": "output_norm"}[parts[0]] + ".weight", kept(weights))
        return
    short = NAMES[parts[2]]
    if short in ("attn_q", "attn_k"):
        count = heads if short == "attn_q" else groups
        weights = weights.reshape(count, 2, weights.shape[0] // count // 2, *weights.shape[1:]).swapaxes(1, 2).reshape(weights.shape)
    writer.add_tensor(f"blk.{parts[1]}.{short}.weight", kept(weights))


def kept(weights: Any) -> Any:
    """fp16, or fp32 for what has one dimension."""
    return weights.astype("float32" if weights.ndim == 1 else "float16")


if __name__ == "__main__":
    sys.exit(main())
