"""What a run directory holds: the one place that knows its file and folder names.

``docs/run_directory.md`` is written from the docstrings here (``python tools/run_directory.py``).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

UNTRAINED = "untrained"
RESOLVED = "config.resolved.yaml"


def iteration_folder(iteration: int) -> str:
    """The folder of an iteration; -1 is the untrained team."""
    return UNTRAINED if iteration < 0 else f"it{iteration:03d}"


def iteration_number(folder: str) -> int:
    """The iteration of a folder's name. Raises ValueError for another name."""
    if folder == UNTRAINED:
        return -1
    number = folder.removeprefix("it")
    if number == folder or not number.isdecimal():
        raise ValueError(f"{folder!r} is no folder of an iteration")
    return int(number)


@dataclass(frozen=True, slots=True)
class StageDirectory:
    """One stage of one iteration; which of the files there are depends on the stage."""

    path: Path

    def __truediv__(self, name: str) -> Path:
        """A file of a stage of your own."""
        return self.path / name

    @property
    def marker(self) -> Path:
        """Written last: the stage is committed. Its numbers, seconds, model, and the size of each of its files."""
        return self.path / "DONE.json"

    @property
    def episodes(self) -> Path:
        """`generate`, `evaluate`, and the probe of `grow`: every dialogue, complete with sampled token ids; `collect`:
        the trajectories of all sources; `imagine`: the trials that are learned from."""
        return self.path / "episodes.jsonl"

    def also(self, name: str) -> Path:
        """`evaluate`: the dialogues in a further environment, under its name in `evaluate.also`."""
        return self.path / f"also-{name}.jsonl"

    @property
    def trials(self) -> Path:
        """`imagine`: every trial, with the task that was imagined and how it was judged."""
        return self.path / "trials.jsonl"

    @property
    def rewards(self) -> Path:
        """`rank`: the reward of each dialogue and its terms, or why it has none."""
        return self.path / "rewards.jsonl"

    @property
    def selected(self) -> Path:
        """`select`: the dialogues that are trained on, by falling reward."""
        return self.path / "selected.jsonl"

    @property
    def dropped(self) -> Path:
        """`select`: the instances left out, `collect`: the rows of data left out, `imagine`: the trials left out, each
        with its reason."""
        return self.path / "dropped.jsonl"

    @property
    def rows(self) -> Path:
        """`rows` and `mix`: token ids with their loss mask, as they are trained on."""
        return self.path / "rows.jsonl"

    @property
    def policy_rows(self) -> Path:
        """`advantages`: token ids, mask, stored log-probabilities, and the advantage of each turn."""
        return self.path / "policy_rows.jsonl"

    @property
    def memory(self) -> Path:
        """`advantages`, and `train` of grpo-live: what the advantage estimator keeps for the next iteration."""
        return self.path / "memory.json"

    @property
    def optimizer(self) -> Path:
        """`train` of online methods: the optimiser's moments, with which the next iteration continues."""
        return self.path / "optimizer.safetensors"

    @property
    def rounds(self) -> Path:
        """`train` of grpo-live: a line for each sampling round; its dialogues are in a folder of its own."""
        return self.path / "rounds.jsonl"

    @property
    def draws(self) -> Path:
        """`mix`: for each row its source, its number there, the iteration it was new in, and how often it had come."""
        return self.path / "draws.jsonl"

    @property
    def trees(self) -> Path:
        """`grow`: trees of dialogues, a line for each finished round."""
        return self.path / "trees.jsonl"

    @property
    def pairs(self) -> Path:
        """`pairs`: preference pairs of turns, as token ids and as text."""
        return self.path / "pairs.jsonl"

    @property
    def groups(self) -> Path:
        """`tryout` and `influence`: a line for each group of pairs: their rows, its influence, which are kept."""
        return self.path / "groups.jsonl"

    def tried(self, name: str) -> Path:
        """`influence`: dialogues with the adapter of a group, or without any; removed when they are counted."""
        return self.path / f"tried-{name}.jsonl"

    @property
    def model(self) -> Path:
        """`train`: the trained weights (safetensors), tokenizer and chat template; there only when whole."""
        return self.path / "model"

    @property
    def adapter(self) -> Path:
        """`train` with `train.lora.merge=false`: the adapter alone."""
        return self.path / "adapter"

    def own(self, name: str) -> StageDirectory:
        """`train` with `train.sharing` other than `shared`: the same files for each agent, or group of agents."""
        from optima_agents.team_file import OWN

        return StageDirectory(self.path / (OWN + quote(name, safe="")))

    @property
    def team(self) -> Path:
        """`train` with `train.sharing` other than `shared`: which weights each agent plays with; this folder is a team
        that `--team` and `make_team` take."""
        return self.path / "team.yaml"

    @property
    def job(self) -> Path:
        """`train` in several processes: what they are to do, while they do it."""
        return self.path / "job.json"

    @property
    def scratch(self) -> Path:
        """`train`: a folder that the trainer insists on, while it trains; nothing is saved in it."""
        return self.path / "trainer"


@dataclass(frozen=True, slots=True)
class RunDirectory:
    """One run. Whatever begins with a dot is of no interest to a reader."""

    path: Path

    @property
    def resolved(self) -> Path:
        """Every setting of the run, defaults included; what makes the folder a run directory."""
        return self.path / RESOLVED

    @property
    def environment(self) -> Path:
        """Versions and machine that the run was begun with."""
        return self.path / "env.json"

    @property
    def inputs(self) -> Path:
        """Digests of the local data and model that the run was begun with, by setting."""
        return self.path / "inputs.json"

    @property
    def state(self) -> Path:
        """The next step, the current model, and how many steps are done."""
        return self.path / "state.json"

    @property
    def results(self) -> Path:
        """A row for each evaluated model: score, tokens, intervals, failures."""
        return self.path / "results.json"

    @property
    def metrics(self) -> Path:
        """A line for each committed stage, with all its numbers."""
        return self.path / "metrics.jsonl"

    @property
    def report(self) -> Path:
        """Results, plots and dialogues in one page."""
        return self.path / "report.html"

    @property
    def model(self) -> Path:
        """A link to the trained weights (or adapter) of the last iteration, made when the run is finished."""
        return self.path / "model"

    @property
    def log(self) -> Path:
        """What the libraries printed in child processes."""
        return self.path / "run.log"

    @property
    def tensorboard(self) -> Path:
        """With `tracker=tensorboard`: its event files."""
        return self.path / "tensorboard"

    @property
    def lock(self) -> Path:
        """Held while a process works in the directory."""
        return self.path / ".lock"

    @property
    def lock_holder(self) -> Path:
        """Process and host that hold the lock."""
        return self.path / ".lock.holder"

    @property
    def worker_lock(self) -> Path:
        """Held by the child process that writes."""
        return self.path / ".worker.lock"

    def machine_log(self, rank: int) -> Path:
        """What the training processes of the ``rank``-th machine printed (``optima join``)."""
        return self.path / f"machine{rank}.log"

    def jobs(self) -> list[Path]:
        """What training processes are to do just now, or were when they were killed."""
        own = [job for _, stage in self.stages("train") for job in stage.path.glob("own-*/job.json")]
        return [stage.job for _, stage in self.stages("train") if stage.job.is_file()] + own

    def exists(self) -> bool:
        """Whether there is a run."""
        return self.resolved.is_file()

    def stage(self, path: str) -> StageDirectory:
        """The directory of a step such as ``it000/generate``, there or not."""
        return StageDirectory(self.path / path)

    def of_iteration(self, iteration: int, stage: str) -> StageDirectory:
        """The directory of the named stage of an iteration, there or not; -1 is the untrained team."""
        return self.stage(f"{iteration_folder(iteration)}/{stage}")

    def iterations(self) -> list[int]:
        """The iterations that left a folder, in order; -1, the untrained team, first."""
        found = []
        for folder in self.path.iterdir() if self.path.is_dir() else ():
            with suppress(ValueError):
                found += [iteration_number(folder.name)] if folder.is_dir() else []
        return sorted(found)

    def stages(self, name: str | None = None) -> Iterator[tuple[int, StageDirectory]]:
        """Every directory of a stage (or of the stage ``name``) with its iteration, by iteration and name."""
        for iteration in self.iterations():
            for folder in sorted((self.path / iteration_folder(iteration)).iterdir()):
                if folder.is_dir() and folder.name[0] != "." and name in (None, folder.name):
                    yield iteration, StageDirectory(folder)
