"""The kit's rules for a server: it answers, in order and without a look at the reference; unknown models are refused by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

import msgspec
import pytest

from tuneport.errors import UnknownModel, Unsupported
from tuneport.examples import ChatExample, Example, Message
from tuneport.model import Deployment, Model, Prediction
from tuneport.provider import Generation, Need, Server, given_by
from tuneport.testing.kit import Kit, expect, expect_error, not_given

SHORT = Generation(max_tokens=8)
TEXT: frozenset[Need] = frozenset({"text"})


def with_another_reference(row: ChatExample) -> ChatExample:
    """The row with other words as its last turn."""
    return msgspec.structs.replace(row, messages=(*row.messages[:-1], Message("assistant", "marmalade under a lighthouse")))


class ServerConformance(Kit):
    """Subclass it and define the fixtures `server`, `model` (one that it serves) and `rows` (at least two, which it can answer).

    With a tuned `model` the kit also sees whether models() lists it.
    """

    @pytest.fixture
    def server(self) -> Server:
        """The server under test."""
        return not_given("server", "the server under test.")  # type: ignore[no-any-return]

    @pytest.fixture
    def model(self) -> Model:
        """A model it serves."""
        return not_given("model", "a base or tuned model that the server serves.")  # type: ignore[no-any-return]

    @pytest.fixture
    def rows(self) -> Sequence[Example]:
        """Rows that end with the assistant's answer."""
        return not_given("rows", "at least two rows that end with the assistant's answer.")  # type: ignore[no-any-return]

    def test_the_server_has_every_method_of_the_contract(self, server: Server) -> None:
        expect(isinstance(server, Server), "every method and attribute of tuneport.provider.Server", type(server))
        known = set(get_args(Need))
        expect(server.gives <= known and "text" in server.gives, f"`gives` to hold 'text' and nothing but {sorted(known)}", server.gives)

    def test_what_a_model_gives_is_part_of_what_the_server_gives(self, server: Server, model: Model) -> None:
        gives = given_by(server, model)
        expect(bool(gives) and gives <= server.gives, f"some of {sorted(server.gives)} for {model.uri}", gives)

    def test_a_model_is_known_by_its_id(self, server: Server, model: Model) -> None:
        found = server.model(model.id)
        expect(found.id == model.id and found.uri == model.uri, f"model({model.id!r}) to be {model.uri}", found.uri)

    def test_an_unknown_model_is_refused_by_name(self, server: Server) -> None:
        name = "no-such-model-anywhere"
        error = expect_error(lambda: server.model(name), UnknownModel, when=f"model({name!r})")
        expect(name in str(error), f"a message that names {name!r}", str(error))

    def test_the_tuned_models_are_listed_once_each(self, server: Server, model: Model) -> None:
        ids = [one.id for one in server.models()]
        expect(len(ids) == len(set(ids)), "each model once in models()", ids)
        if model.kind == "tuned":
            expect(model.id in ids, f"{model.id}, which is tuned, in models()", ids)

    def test_every_row_gets_one_answer_in_order(self, server: Server, model: Model, rows: Sequence[Example]) -> None:
        answers = list(server.predict(model, rows, generation=SHORT, needs=TEXT))
        expect(len(answers) == len(rows), f"{len(rows)} answers to {len(rows)} rows", len(answers))
        expect(all(isinstance(answer, Prediction) for answer in answers), "every answer a Prediction", answers)
        expect(any(answer.text.strip() for answer in answers), "text in the answers to `rows`", answers)
        backwards = list(server.predict(model, list(reversed(rows)), generation=SHORT, needs=TEXT))
        texts, reversed_texts = [answer.text for answer in answers], [answer.text for answer in reversed(backwards)]
        expect(texts == reversed_texts, f"the same greedy answers whatever the order, {texts}", reversed_texts)

    def test_the_reference_is_not_shown(self, server: Server, model: Model, rows: Sequence[Example]) -> None:
        """The last turn of the assistant is what the answer is compared with: another one there must change nothing."""
        chats = [row for row in rows if isinstance(row, ChatExample) and row.messages[-1].role == "assistant"]
        if not chats:
            pytest.fail("the fixture `rows` must hold conversations that end with the assistant's answer", pytrace=False)
        answers = [answer.text for answer in server.predict(model, chats, generation=SHORT, needs=TEXT)]
        others = [answer.text for answer in server.predict(model, list(map(with_another_reference, chats)), generation=SHORT, needs=TEXT)]
        expect(others == answers, f"the same greedy answers whatever the reference says, {answers}", others)

    def test_no_rows_get_no_answers(self, server: Server, model: Model) -> None:
        answers = list(server.predict(model, [], generation=SHORT, needs=TEXT))
        expect(answers == [], "no answers to no rows", answers)

    def test_log_probabilities_are_given_or_refused_but_never_made_up(self, server: Server, model: Model, rows: Sequence[Example]) -> None:
        wanted: frozenset[Need] = frozenset({"text", "log_probabilities"})
        if "log_probabilities" not in server.gives:
            expect_error(
                lambda: server.predict(model, rows, generation=SHORT, needs=wanted), Unsupported, when="asking for log-probabilities"
            )
            return
        for answer in server.predict(model, rows, generation=SHORT, needs=wanted):
            value = answer.log_probability
            expect(value is not None and value <= 0, "a log-probability of the reference, at most 0", value)
            expect(answer.log_probability_tokens > 0, "the number of tokens it is over", answer.log_probability_tokens)

    def test_a_conversation_is_answered_piece_by_piece(self, server: Server, model: Model) -> None:
        pieces = list(server.chat(model, [Message("user", "Say something short.")], generation=SHORT))
        expect(all(isinstance(piece, str) for piece in pieces), "pieces of text", pieces)
        expect(bool("".join(pieces).strip()), "an answer to 'Say something short.'", pieces)

    def test_deploying_works_or_is_refused_with_a_reason(self, server: Server, model: Model) -> None:
        try:
            deployment = server.deploy(model, options={})
        except Unsupported as error:
            expect(len(str(error).split()) >= 3, "a sentence that says why not", str(error))
            return
        expect(isinstance(deployment, Deployment), "a Deployment", deployment)
        listed = [one.id for one in server.deployments()]
        expect(deployment.id in listed, f"{deployment.id} in deployments()", listed)
        server.undeploy(deployment.id)
        listed = [one.id for one in server.deployments()]
        expect(deployment.id not in listed, f"{deployment.id} gone from deployments() after undeploy()", listed)
