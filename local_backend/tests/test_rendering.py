"""Rows become tokens, and only the assistant's words with their end of turn are learned."""

from __future__ import annotations

import time
from typing import Any

import pytest
from tuneport_local.rows.prepared import CONVERSATIONS, notices, prepare
from tuneport_local.rows.rendering import RenderedRow, Template, render, render_prompt

from tuneport.errors import DatasetError, UsageError
from tuneport.examples import ChatExample, Message, PreferenceExample, Tool, ToolCall

from .tiny import CHATML, tiny_tokenizer

LLAMA3 = (
    "{{ bos_token }}{% for message in messages %}<|start_header_id|>{{ message['role'] }}<|end_header_id|>\n\n"
    "{{ message['content'] | trim }}<|eot_id|>{% endfor %}"
    "{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
)
WITH_MARKS = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{% if message['role'] == 'assistant' %}"
    "{% generation %}{{ message['content'] }}<|im_end|>{% endgeneration %}{% else %}{{ message['content'] }}<|im_end|>{% endif %}\n"
    "{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
FORGETS_THOUGHTS = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{% if message['role'] == 'assistant' and not loop.last %}"
    "{{ message['content'].split('</think>')[-1] }}{% else %}{{ message['content'] }}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
WITH_TOOLS = (
    "{% if tools %}<|im_start|>system\n{{ tools | tojson }}<|im_end|>\n{% endif %}"
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}"
    "{% for call in message.tool_calls or [] %}<call>{{ call.function | tojson }}</call>{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
NO_END = (
    "{% for message in messages %}{{ message['role'] }}: {{ message['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant: {% endif %}"
)
THINKS_FIRST = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['role'] == 'assistant' and loop.last %}<think>\n</think>\n{% endif %}"
    "{{ message['content'] }}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SHOUTS = "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] | upper }}<|im_end|>\n{% endfor %}"


def chat(*turns: tuple[str, str], **fields: Any) -> ChatExample:
    return ChatExample(tuple(Message(role, content) for role, content in turns), **fields)


def rendered(example: ChatExample, template: str | None = CHATML) -> tuple[RenderedRow, str, str]:
    """The row, its whole text and the text of what is learned."""
    tokenizer = tiny_tokenizer(template=template)
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|eot_id|>", "<|start_header_id|>", "<|end_header_id|>"]})
    row = render(example, tokenizer, template=Template.of(tokenizer), line=7)
    learned = [token for token, taken in zip(row.input_ids, row.loss_mask, strict=True) if taken]
    return row, tokenizer.decode(list(row.input_ids)), tokenizer.decode(learned)


ONE = chat(("user", "Where is my card?"), ("assistant", "late 12"))
MANY = chat(
    ("system", "Be tiny."), ("user", "one"), ("assistant", "Red"), ("user", "two <b>"), ("assistant", "Blue é🙂"), ("user", "three")
)


@pytest.mark.parametrize(
    ("template", "end"), [(CHATML, "<|im_end|>"), (LLAMA3, "<|eot_id|>"), (WITH_MARKS, "<|im_end|>"), (FORGETS_THOUGHTS, "<|im_end|>")]
)
def test_only_the_assistants_words_and_their_end_of_turn_are_learned(template: str, end: str) -> None:
    assert rendered(ONE, template)[2] == f"late 12{end}"
    assert rendered(MANY, template)[2] == f"Red{end}Blue é🙂{end}"


def test_the_text_is_what_the_chat_template_writes_and_its_own_system_prompt_is_not_learned() -> None:
    row, text, learned = rendered(ONE)

    assert text == (
        "<|im_start|>system\nYou are tiny.<|im_end|>\n<|im_start|>user\nWhere is my card?<|im_end|>\n"
        "<|im_start|>assistant\nlate 12<|im_end|>\n"
    )
    assert "tiny" not in learned
    assert row.line == 7


def test_a_turn_of_weight_zero_is_read_but_not_learned() -> None:
    example = ChatExample(
        (Message("user", "one"), Message("assistant", "Red", weight=0), Message("user", "two"), Message("assistant", "Blue"))
    )

    _, text, learned = rendered(example)

    assert "Red" in text
    assert learned == "Blue<|im_end|>"


def test_words_that_begin_or_end_with_blanks_are_learned_as_they_are() -> None:
    assert rendered(chat(("user", "one"), ("assistant", " Red\n\nBlue ")))[2] == " Red\n\nBlue <|im_end|>"


def test_a_template_that_trims_the_words_trims_what_is_learned() -> None:
    assert rendered(chat(("user", "one"), ("assistant", " Red ")), LLAMA3)[2] == "Red<|eot_id|>"


def test_the_tokens_before_the_answer_are_those_of_the_prompt_at_generation() -> None:
    tokenizer = tiny_tokenizer()
    row = render(ONE, tokenizer, template=Template.of(tokenizer), line=1)

    prompt = render_prompt(ONE.messages[:1], tokenizer)

    assert list(row.input_ids[: len(prompt)]) == prompt
    assert row.loss_mask.index(True) == len(prompt)


def test_a_tool_call_of_the_assistant_is_learned() -> None:
    call = Message("assistant", None, tool_calls=(ToolCall("look_up", '{"card": 5}'),))
    example = ChatExample((Message("user", "late"), call, Message("tool", "lost"), Message("assistant", "Yes")), tools=(Tool("look_up"),))

    learned = rendered(example, WITH_TOOLS)[2]

    assert "look_up" in learned
    assert learned.startswith("<call>")
    assert learned.endswith("</call><|im_end|>Yes<|im_end|>")


def test_tools_are_refused_by_a_template_that_has_no_place_for_them() -> None:
    with pytest.raises(DatasetError, match="line 7: the row has tools"):
        rendered(ChatExample(ONE.messages, tools=(Tool("look_up"),)))


def test_a_template_that_hides_where_the_words_are_is_refused_with_a_sentence() -> None:
    with pytest.raises(DatasetError, match="does not show where the assistant's words begin"):
        rendered(ONE, SHOUTS)


def test_what_a_template_writes_between_its_prompt_and_the_words_is_the_models_to_write() -> None:
    example = chat(("user", "one"), ("assistant", "Red"), ("user", "two"), ("assistant", "Blue"))

    assert rendered(example, THINKS_FIRST)[2] == "Red<|im_end|><think>\n</think>\nBlue<|im_end|>"


def test_a_thought_that_the_template_forgets_is_refused_rather_than_learned_in_part() -> None:
    example = chat(("user", "one"), ("assistant", "hm</think>Red"), ("user", "two"), ("assistant", "Blue"))

    with pytest.raises(DatasetError, match="line 7"):
        rendered(example, FORGETS_THOUGHTS)


def test_a_template_that_never_ends_a_turn_is_refused_because_the_model_would_not_stop() -> None:
    with pytest.raises(DatasetError, match="would not learn to stop"):
        rendered(ONE, NO_END)


def test_the_developers_words_are_a_system_prompt_where_the_template_knows_no_developer() -> None:
    text = rendered(chat(("developer", "Be late."), ("user", "one"), ("assistant", "Red")))[1]

    assert text.startswith("<|im_start|>system\nBe late.<|im_end|>")


def test_without_a_chat_template_a_completion_follows_its_prompt_and_ends_the_text() -> None:
    row, text, learned = rendered(chat(("user", "one two"), ("assistant", " three"), style="completion"), None)

    assert text == "one two three<|endoftext|>"
    assert learned == " three<|endoftext|>"
    assert row.trained_tokens == len([taken for taken in row.loss_mask if taken])


def test_without_a_chat_template_a_conversation_is_refused() -> None:
    with pytest.raises(DatasetError, match="no chat template"):
        rendered(MANY, None)
    with pytest.raises(UsageError, match="no chat template"):
        render_prompt([Message("system", "Be tiny."), Message("user", "one")], tiny_tokenizer(template=None))


def test_a_tokenizer_that_marks_the_beginning_of_words_learns_the_same_words() -> None:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    pieces = {"<unk>": 0, "<s>": 1, "</s>": 2, "▁one": 3, "▁Red": 4, "▁Blue": 5, "▁two": 6, "▁": 7, "Red": 8}
    backend = Tokenizer(models.WordLevel(pieces, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    backend.decoder = decoders.Metaspace(prepend_scheme="first")
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, bos_token="<s>", eos_token="</s>", unk_token="<unk>")
    tokenizer.chat_template = (
        "{% for m in messages %}{% if m['role'] == 'user' %}<s> {{ m['content'] }}{% else %} {{ m['content'] }}</s>{% endif %}{% endfor %}"
    )
    example = chat(("user", "one"), ("assistant", "Red"), ("user", "two"), ("assistant", "Blue"))

    row = render(example, tokenizer, template=Template.of(tokenizer), line=1)

    learned = [token for token, taken in zip(row.input_ids, row.loss_mask, strict=True) if taken]
    assert learned == [4, 2, 5, 2]


def test_rendering_a_long_conversation_takes_time_in_proportion_to_its_turns() -> None:
    tokenizer = tiny_tokenizer()
    template = Template.of(tokenizer)

    def seconds(turns: int) -> float:
        example = chat(*((("user", "Where is my card? " * 5) if turn % 2 == 0 else ("assistant", "late " * 5)) for turn in range(turns)))
        best = 9.0
        for _ in range(5):
            begun = time.process_time()
            render(example, tokenizer, template=template, line=1)
            best = min(best, time.process_time() - begun)
        return best

    assert seconds(400) < 8 * seconds(100)


# --- many rows ---------------------------------------------------------------------------------------------------------------------------

LONG = chat(("user", "Where is my card? " * 40), ("assistant", "late"))
LONG_ANSWER = chat(("user", "one"), ("assistant", "late 5 " * 60))


def prepared(*examples: Any, max_length: int = 100, too_long: Any = "refuse") -> Any:
    return prepare(
        enumerate(examples, 3), tiny_tokenizer(), kind=CONVERSATIONS, max_length=max_length, too_long=too_long, name="rows.jsonl"
    )


def test_rows_over_the_limit_are_refused_with_their_number_their_lines_and_the_limit() -> None:
    with pytest.raises(DatasetError, match=r"rows\.jsonl: 2 rows longer than 100 tokens: lines 4, 6\.") as refused:
        prepared(ONE, LONG, ONE, LONG)

    assert refused.value.line == 4


def test_rows_over_the_limit_are_dropped_when_asked_for_and_named() -> None:
    rows = prepared(ONE, LONG, ONE, too_long="drop")

    assert [row.line for row in rows.rows] == [3, 5]
    assert notices(rows, name="train", max_length=100) == ["train: 1 row longer than 100 tokens, left out: line 4"]


def test_rows_over_the_limit_are_cut_when_asked_for_and_named_and_left_out_when_nothing_learned_remains() -> None:
    rows = prepared(ONE, LONG_ANSWER, LONG, too_long="truncate")

    assert [len(row.input_ids) for row in rows.rows][1] == 100
    assert rows.truncated == (4,)
    assert rows.dropped == (5,)


def test_data_in_which_nothing_would_be_learned_are_refused() -> None:
    silent = ChatExample((Message("user", "one"), Message("assistant", "Red", weight=0)))

    with pytest.raises(DatasetError, match="nothing would be trained: none of the 2 rows"):
        prepared(silent, silent)
    with pytest.raises(DatasetError, match="no rows"):
        prepared()
    with pytest.raises(DatasetError, match="nothing would be trained: 1 of 1 rows are over"):
        prepared(LONG, too_long="drop")


def test_a_row_without_a_learned_turn_among_others_is_left_out_and_named() -> None:
    silent = ChatExample((Message("user", "one"), Message("assistant", "Red", weight=0)))

    rows = prepared(ONE, silent)

    assert rows.masked == (4,)
    assert "line 4" in notices(rows, name="train", max_length=100)[0]


def test_a_row_of_another_kind_is_refused_by_its_line() -> None:
    pair = PreferenceExample(
        prompt=(Message("user", "one"),), chosen=(Message("assistant", "Red"),), rejected=(Message("assistant", "No"),)
    )

    with pytest.raises(DatasetError, match=r"rows\.jsonl: line 4: a preference row"):
        prepared(ONE, pair)
