"""How many floating-point operations a LoRA training executes, by one formula, and the nominal figure that papers use.

Counted are the products of matrices and nothing else: norms, activations and the optimizer are some thousandths. A product of an (m, k) and
a (k, n) matrix is 2mkn. With W weights in the linear layers of all blocks, A weights in their adapters, P positions that go through the
blocks (padding too), and S pairs of a query and a key whose score is computed:

    there      2 P (W + A) + 4 S d          d: heads x head size, in every block; scores, and the sums over values
    back       2 P W + 4 P A + 8 S d        frozen weights pass the gradient on and get none, adapters get theirs too
    less       2 P (of the first block: W and the inner half of A of query, key and value)
               nothing below the first adapter is trained, so nobody asks what their inputs should have been
    again      2 S d where a fused kernel computes the scores anew on the way back
    again      the way there, where activations are recomputed, but for the outer half of each block's last adapter, which nothing needs;
               then the inputs of the first block get a gradient as well
    head       2 H V h for each time that H positions are held against V words of h numbers: there, back, and again where it is recomputed
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Network:
    """The sizes of a llama and of the adapters on all its linear layers. `queries` and `keys` are heads x head size."""

    blocks: int
    hidden: int
    intermediate: int
    queries: int
    keys: int
    vocabulary: int
    rank: int

    @classmethod
    def of(cls, config: Mapping[str, Any], *, rank: int) -> Network:
        """From a model's config.json."""
        heads = int(config["num_attention_heads"])
        size = int(config.get("head_dim") or config["hidden_size"] // heads)
        return cls(
            blocks=int(config["num_hidden_layers"]),
            hidden=int(config["hidden_size"]),
            intermediate=int(config["intermediate_size"]),
            queries=heads * size,
            keys=int(config["num_key_value_heads"]) * size,
            vocabulary=int(config["vocab_size"]),
            rank=rank,
        )

    @property
    def layers(self) -> tuple[tuple[int, int], ...]:
        """(inputs, outputs) of the linear layers of a block: query, key, value, output, gate, up, down."""
        h, i, q, k = self.hidden, self.intermediate, self.queries, self.keys
        return ((h, q), (h, k), (h, k), (q, h), (h, i), (h, i), (i, h))

    @property
    def weights(self) -> int:
        """Of all blocks, without embeddings, head and norms."""
        return self.blocks * sum(inputs * outputs for inputs, outputs in self.layers)

    @property
    def adapters(self) -> int:
        """Weights that are trained."""
        return self.blocks * self.rank * sum(inputs + outputs for inputs, outputs in self.layers)

    @property
    def parameters(self) -> int:
        """What is called the size of the model: blocks and embeddings, which are its head as well."""
        return self.weights + self.vocabulary * self.hidden


@dataclass(frozen=True, slots=True)
class Work:
    """What a training puts through the network. `pairs`: scores computed in one block, `fused` those of them that are computed again on the
    way back. `projected`: positions that go through the head, `head_passes` how often (there and back: 2). `tokens` are the real ones."""

    tokens: int
    positions: int
    pairs: int
    fused: int
    projected: int
    head_passes: int
    recomputed: bool = False

    @classmethod
    def total(cls, works: Iterable[Work]) -> Work:
        """Of several batches of one kind."""
        every = list(works)
        summed = {name: sum(getattr(work, name) for work in every) for name in ("tokens", "positions", "pairs", "fused", "projected")}
        return cls(**summed, head_passes=every[0].head_passes, recomputed=every[0].recomputed)


def executed(network: Network, work: Work) -> float:
    """Floating-point operations: see the module."""
    positions, queries = work.positions, network.queries * network.blocks
    there = 2 * positions * (network.weights + network.adapters) + 4 * work.pairs * queries
    back = 2 * positions * network.weights + 4 * positions * network.adapters + 8 * work.pairs * queries + 2 * work.fused * queries
    first = network.layers[:3]
    spared = 2 * positions * sum(inputs * outputs + network.rank * inputs for inputs, outputs in first)
    unneeded = 2 * positions * network.blocks * network.rank * network.hidden
    head = work.head_passes * 2 * work.projected * network.vocabulary * network.hidden
    return there + back + head + (there - unneeded if work.recomputed else -spared)


def nominal(network: Network, work: Work) -> float:
    """4 N a token: N weights there and N back, whatever is really computed."""
    return 4.0 * network.parameters * work.tokens


def scores_side_by_side(lengths: Sequence[int]) -> int:
    """Pairs computed where every row is laid out as long as the longest."""
    return len(lengths) * max(lengths) ** 2


def scores_one_by_one(lengths: Sequence[int]) -> int:
    """Pairs computed where each row is causal by itself."""
    return sum(length * (length + 1) // 2 for length in lengths)
