"""Answers and log-probabilities: in batches what each row gives alone, ended where the model ends its turn."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tuneport_local.bases.decoding import common_length
from tuneport_local.bases.generation import generate, log_probabilities, stream
from tuneport_local.rows.rendering import RenderedRow, Template, render, render_prompt

from tuneport.errors import UsageError
from tuneport.examples import ChatExample, Message
from tuneport.provider import Generation

from .tiny import tiny_model, tiny_tokenizer

WORDS = ("Where is my card?", "I lost it.", "one two three " * 9, "hello", "Where is my card? " * 3)


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return tiny_tokenizer()


@pytest.fixture(scope="module")
def model() -> Any:
    return tiny_model(seed=5)


@pytest.fixture(scope="module")
def prompts(tokenizer: Any) -> list[list[int]]:
    return [render_prompt([Message("user", words)], tokenizer) for words in WORDS]


def alone(model: Any, prompt: list[int], count: int) -> list[int]:
    """Greedy, without a cache, without a batch."""
    ids = list(prompt)
    with torch.no_grad():
        for _ in range(count):
            ids.append(int(model(torch.tensor([ids])).logits[0, -1].argmax()))
            if ids[-1] == 2:
                break
    return ids[len(prompt) :]


def test_each_answer_of_a_batch_is_the_one_the_prompt_gets_alone_and_in_order(model: Any, tokenizer: Any, prompts: Any) -> None:
    answers = list(generate(model, tokenizer, prompts, generation=Generation(max_tokens=12)))

    expected = [alone(model, prompt, 12) for prompt in prompts]
    assert [answer.text for answer in answers] == [tokenizer.decode(ids, skip_special_tokens=True) for ids in expected]
    assert [answer.tokens for answer in answers] == [(len(prompt), 12) for prompt in prompts]
    assert {answer.finish for answer in answers} == {"length"}


def test_a_model_that_sees_a_window_answers_in_a_batch_as_it_does_alone(tokenizer: Any) -> None:
    """Prompts of unequal length with a common beginning that is longer than the window."""
    from transformers import MistralConfig, MistralForCausalLM

    torch.manual_seed(1)
    sizes = {"vocab_size": 320, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    windowed = MistralForCausalLM(MistralConfig(**sizes, num_key_value_heads=2, sliding_window=6, eos_token_id=2)).eval()
    for weights in windowed.parameters():
        torch.nn.init.normal_(weights, std=0.2)
    asked = [[*range(20, 40), *range(50, 50 + size)] for size in (3, 17, 9, 1)]

    answers = list(generate(windowed, tokenizer, asked, generation=Generation(max_tokens=10)))

    assert [answer.text for answer in answers] == [
        tokenizer.decode(alone(windowed, prompt, 10), skip_special_tokens=True) for prompt in asked
    ]


def test_a_long_neighbour_does_not_cut_an_answer_short(model: Any, tokenizer: Any) -> None:
    short, long = list(range(20, 60)), list(range(20, 260)) * 2 + list(range(20, 50))
    generation = Generation(max_tokens=12)

    [expected] = generate(model, tokenizer, [short], generation=generation)

    beside, last = generate(model, tokenizer, [short, long], generation=generation)

    assert beside == expected
    assert (beside.tokens[1], last.tokens[1]) == (12, 2)


def test_rows_that_are_asked_later_do_not_repeat_the_draws_of_the_first(model: Any, tokenizer: Any) -> None:
    generation, prompt = Generation(max_tokens=12, temperature=1.5, seed=7), [5, 6, 7]

    together = [answer.text for answer in generate(model, tokenizer, [prompt] * 4, generation=generation)]
    [later] = generate(model, tokenizer, [prompt], generation=generation, first=3)

    assert len(set(together)) == 4
    assert later.text == together[3]


def test_the_draws_follow_the_models_own_chances(model: Any, tokenizer: Any) -> None:
    prompt, temperature = [5, 6, 7], 0.05
    with torch.no_grad():
        chances = (model(torch.tensor([prompt])).logits[0, -1] / temperature).softmax(-1)
    likely = [int(token) for token in chances.argsort(descending=True)[:3]]

    drawn = generate(model, tokenizer, [prompt] * 1500, generation=Generation(max_tokens=1, temperature=temperature, seed=1))
    texts = [answer.text for answer in drawn]

    for token in likely:
        chance = float(chances[token])
        share = texts.count(tokenizer.decode([token])) / len(texts)
        assert share == pytest.approx(chance, abs=4 * (chance * (1 - chance) / len(texts)) ** 0.5)


class Scripted:
    """A model that answers each prompt with the tokens of a script, by the row's last prompt token."""

    def __init__(self, model: Any, script: dict[int, list[int]]) -> None:
        self._model, self._script = model, script
        self.config, self.generation_config = model.config, model.generation_config
        self.rows_seen: list[int] = []

    def parameters(self) -> Any:
        return self._model.parameters()

    def __call__(self, *, input_ids: Any, **given: Any) -> Any:
        answer = self._model(input_ids=input_ids, **given)
        self.rows_seen.append(len(input_ids))
        for row, ids in enumerate(input_ids.tolist()):
            follows = self._next.get(ids[-1]) if ids[-1] in self._next else None
            if follows is not None:
                answer.logits[row, -1, follows] = 1e4
        return answer

    @property
    def _next(self) -> dict[int, int]:
        return {one: other for start, answer in self._script.items() for one, other in zip([start, *answer], answer, strict=False)}


def test_an_answer_ends_at_the_models_end_of_turn_and_its_row_leaves_the_batch(model: Any, tokenizer: Any) -> None:
    end = 2
    scripted = Scripted(model, {100: [110, end], 101: [120, 121, 122, end]})

    answers = list(generate(scripted, tokenizer, [[1, 50, 100], [1, 60, 61, 101]], generation=Generation(max_tokens=20)))

    assert [answer.finish for answer in answers] == ["stop", "stop"]
    assert [answer.tokens[1] for answer in answers] == [1, 3]
    assert "<|im_end|>" not in answers[0].text + answers[1].text
    assert scripted.rows_seen == [2, 2, 1, 1]


def test_an_answer_ends_before_a_stop_string(model: Any, tokenizer: Any) -> None:
    ids = tokenizer("Yes No Red", add_special_tokens=False).input_ids
    script = {100: [*dict.fromkeys(ids), 2]}
    scripted = Scripted(model, script)

    [answer] = generate(scripted, tokenizer, [[1, 100]], generation=Generation(max_tokens=30, stop=(" No",)))

    assert answer.text == "Yes"
    assert answer.finish == "stop"
    assert "".join(stream(scripted, tokenizer, [1, 100], generation=Generation(max_tokens=30, stop=(" No",)))) == "Yes"


def test_a_streamed_answer_adds_up_to_the_whole_one(model: Any, tokenizer: Any, prompts: Any) -> None:
    generation = Generation(max_tokens=15, temperature=1.0, seed=4)

    [whole] = generate(model, tokenizer, prompts[:1], generation=generation)

    assert "".join(stream(model, tokenizer, prompts[0], generation=generation)).rstrip("\ufffd") == whole.text.rstrip("\ufffd")


def test_a_seed_gives_the_same_draws_whatever_the_batch_and_another_seed_others(model: Any, tokenizer: Any, prompts: Any) -> None:
    def draws(seed: int, rows: Any) -> list[str]:
        return [
            answer.text for answer in generate(model, tokenizer, rows, generation=Generation(max_tokens=12, temperature=1.5, seed=seed))
        ]

    assert draws(1, prompts) == draws(1, prompts)
    assert draws(1, prompts)[:2] == draws(1, prompts[:2])
    assert draws(1, prompts) != draws(2, prompts)


def test_a_small_top_p_leaves_only_the_likeliest_token(model: Any, tokenizer: Any, prompts: Any) -> None:
    greedy = list(generate(model, tokenizer, prompts, generation=Generation(max_tokens=8)))
    narrow = list(generate(model, tokenizer, prompts, generation=Generation(max_tokens=8, temperature=2.0, top_p=1e-6, seed=1)))

    assert [answer.text for answer in greedy] == [answer.text for answer in narrow]


def test_a_prompt_that_fills_what_the_model_sees_is_refused_and_one_that_nearly_does_is_cut_short(model: Any, tokenizer: Any) -> None:
    with pytest.raises(UsageError, match="512 tokens leaves no room"):
        list(generate(model, tokenizer, [[5] * 512], generation=Generation()))

    [answer] = generate(model, tokenizer, [[5] * 509], generation=Generation(max_tokens=50))
    assert answer.tokens[1] <= 3


def test_no_prompts_give_no_answers(model: Any, tokenizer: Any) -> None:
    assert list(generate(model, tokenizer, [], generation=Generation())) == []


@pytest.mark.parametrize(
    ("prompts", "length"), [([[1, 2, 3], [1, 2, 4]], 2), ([[1, 2], [1, 2]], 1), ([[1], [2]], 0), ([[1, 2, 3, 4], [1, 2]], 1), ([], 0)]
)
def test_what_prompts_have_in_common_leaves_a_token_of_each(prompts: list[list[int]], length: int) -> None:
    assert common_length(prompts) == length


def test_the_log_probability_of_an_answer_is_that_of_its_tokens_one_by_one(model: Any, tokenizer: Any) -> None:
    template = Template.of(tokenizer)
    rows = [
        render(ChatExample((Message("user", words), Message("assistant", "late " * (1 + place)))), tokenizer, template=template, line=place)
        for place, words in enumerate(WORDS)
    ]

    scores = list(log_probabilities(model, tokenizer, rows))

    for row, (score, tokens) in zip(rows, scores, strict=True):
        assert score == pytest.approx(one_by_one(model, row), abs=1e-3)
        assert tokens == row.trained_tokens


def test_a_reference_that_ends_beyond_what_the_model_sees_is_refused(model: Any, tokenizer: Any) -> None:
    row = RenderedRow(tuple([5] * 513), (False,) * 512 + (True,), 1)

    with pytest.raises(UsageError, match="513 tokens with its reference, and the model sees 512"):
        list(log_probabilities(model, tokenizer, [row]))


def one_by_one(model: Any, row: RenderedRow) -> float:
    with torch.no_grad():
        logs = model(torch.tensor([row.input_ids])).logits[0].log_softmax(-1)
    return sum(float(logs[place - 1, token]) for place, token in enumerate(row.input_ids) if row.loss_mask[place] and place)


def test_only_the_last_answer_is_measured_when_asked_for(tokenizer: Any) -> None:
    example = ChatExample((Message("user", "one"), Message("assistant", "Red"), Message("user", "two"), Message("assistant", "Blue")))

    row = render(example, tokenizer, template=Template.of(tokenizer), line=1, last_turn_only=True)

    learned = [token for token, taken in zip(row.input_ids, row.loss_mask, strict=True) if taken]
    assert tokenizer.decode(learned) == "Blue<|im_end|>"
