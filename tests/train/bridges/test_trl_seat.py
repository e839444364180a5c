"""TRL's own GRPOTrainer with a seat as its environment: five real steps, and the dialogues are the native ones."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any

import pytest

trl = pytest.importorskip("trl")

from support.chats import make_tokenizer  # noqa: E402
from support.random_llama import save_random_llama  # noqa: E402
from support.scripted import Scripted, line, native, same  # noqa: E402

from optima_agents import rollout  # noqa: E402
from optima_agents.scripted import Scripted as Lines  # noqa: E402
from optima_envs import scenario  # noqa: E402
from optima_train.bridges.seat import Seat  # noqa: E402
from optima_train.bridges.trl_seat import OVER, TrlSeat, trl_environment, trl_rows  # noqa: E402

SAID = ["I do not know yet.", "Zed is led by <A> Kim </A>", "<A> Noor </A>"]
PARTNER = ["Noor mentors Kim.", "<A> Noor </A>"]


def test_a_hundred_dialogues_are_the_native_ones():
    played = scenario("twohop-asym")
    env = TrlSeat(seat := Seat(played, partners=Scripted()))
    for index, wanted in enumerate(native(played)):
        told = [env.reset(**trl_rows(played, 100)[index])]
        while seat.episode is None:
            turns = wanted.turns[: 2 * len(told) - 2]
            heard = tuple((turn.agent, turn.text) for turn in turns)
            told.append(env.say(line("Alice", wanted.instance.question, heard)))
        assert same(seat.episode).to_line() == wanted.to_line()
        assert (told[-1], env.say("more"), env.get_reward()) == (OVER, OVER, wanted.score)
        assert told[1:-1] == [f"Bob: {turn.text}" for turn in wanted.turns if turn.agent == "Bob"][: len(told) - 2]
        assert wanted.instance.private["Bob"] not in "".join(told)
    seat.close()


def test_it_is_what_trl_asks_of_an_environment():
    public = [name for name, _ in inspect.getmembers(TrlSeat, inspect.isfunction) if not name.startswith("_")]
    assert public == ["get_reward", "reset", "say"]
    from transformers.utils.chat_template_utils import get_json_schema

    schema = get_json_schema(TrlSeat.say)["function"]
    assert (schema["name"], list(schema["parameters"]["properties"])) == ("say", ["text"])
    assert TrlSeat(Seat(scenario("twohop-asym"))).get_reward() == 0.0


@pytest.fixture
def trainer(tmp_path: Path):
    """A real trainer whose model's words are given: what it samples is replaced, all else is TRL's."""
    from datasets import Dataset

    tokenizer = make_tokenizer("chatml")
    tokenizer.chat_template = (Path(trl.__file__).parent / "chat_templates" / "qwen2_5.jinja").read_text()
    model = save_random_llama(
        tmp_path / "model", tokenizer, num_attention_heads=2, max_position_embeddings=4096, tie_word_embeddings=True
    )
    played = scenario("twohop-asym")
    seats: list[Seat] = []

    def make() -> TrlSeat:
        env = trl_environment(played, partners=Lines(PARTNER))()
        seats.append(env._seat)
        return env

    class Speaking(trl.GRPOTrainer):
        spoken = 0

        def _generate_and_score_completions(self, inputs: Any) -> Any:
            self.spoken = 0
            found = super()._generate_and_score_completions(inputs)
            ended.extend((row["index"], seat.episode) for row, seat in zip(inputs, seats, strict=True))
            return found

        def _generate_single_turn(self, prompt_ids: Any, *rest: Any, **more: Any) -> Any:
            text, self.spoken = "done", self.spoken + 1
            if self.spoken <= len(SAID):
                call = {"name": "say", "arguments": {"text": SAID[self.spoken - 1]}}
                text = f"<tool_call>\n{json.dumps(call)}\n</tool_call>"
            return [tokenizer(f"{text}<|im_end|>")["input_ids"] for _ in prompt_ids], None

    ended: list[tuple[int, Any]] = []
    config = trl.GRPOConfig(
        output_dir=str(tmp_path / "out"), per_device_train_batch_size=4, num_generations=2, max_steps=5, use_cpu=True,
        report_to=[], max_completion_length=900, save_strategy="no", bf16=False, logging_steps=1, beta=0.0,
    )  # fmt: skip
    made = Speaking(
        model=str(model), args=config, processing_class=tokenizer, environment_factory=make,
        train_dataset=Dataset.from_list(trl_rows(played, 20)),
    )  # fmt: skip
    yield made, ended, played
    for seat in seats:
        seat.close()


@pytest.mark.filterwarnings("ignore")
def test_five_steps_of_the_real_trainer(trainer):
    made, ended, played = trainer
    made.train()
    assert made.state.global_step == 5
    team = {"Alice": Lines(SAID), "Bob": Lines(PARTNER)}
    wanted = {at: same(episode) for at, episode in enumerate(rollout(played, team, episodes=20))}
    assert len(ended) == 5 * 4
    for index, episode in ended:
        assert same(episode) == wanted[index]
    scores = [log["rewards/TrlSeat/mean"] for log in made.state.log_history if "rewards/TrlSeat/mean" in log]
    by_step = [ended[at : at + 4] for at in range(0, 20, 4)]
    assert scores == pytest.approx([sum(e.score for _, e in step) / 4 for step in by_step])
    assert all(
        log["tools/failure_frequency"] == 0 for log in made.state.log_history if "tools/failure_frequency" in log
    )
