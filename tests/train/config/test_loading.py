"""Recipes: packaged ones load, overrides apply, and every mistake is named with the way out."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from optima_train.config.loading import RECIPES, ConfigError, TrainConfig, check, dump, flatten, load


@pytest.mark.parametrize("recipe", sorted(path.stem for path in RECIPES.glob("*.yaml")))
def test_packaged_recipes_load_and_survive_a_round_trip(recipe: str) -> None:
    config = load(recipe)
    assert config.name == recipe
    assert check(yaml.safe_load(dump(config)), TrainConfig) == config


def test_paper_constants_of_2wmh_isft() -> None:
    config = load("2wmh-isft")  # Table 8
    assert (config.iterations, config.train.learning_rate, config.train.epochs, config.train.batch_size) == (
        6,
        2e-5,
        2,
        32,
    )
    assert config.reward.weights == {"task": 1.0, "tokens": 0.6, "readability": 1.0}
    assert (config.select.threshold, config.select.top_share, config.generate.samples) == (0.5, 0.7, 10)
    assert (config.train.start, config.select.order) == ("previous", "threshold-first")


def test_overrides_apply_last_and_scientific_numbers_are_numbers() -> None:
    config = load("quickstart", ["train.learning_rate=1e-6", "env.args.distractors=3", "generate.formats=null"])
    assert config.train.learning_rate == 1e-6
    assert config.env.args == {"distractors": 3}
    assert config.generate.formats is None


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("train.learning_rat=1", "unknown key train.learning_rat; did you mean train.learning_rate?"),
        ("train.lora.rnk=4", "did you mean train.lora.rank?"),
        ("zzz=1", "unknown key zzz; known here: name, method"),
        ("generate.samples=-1", "generate.samples: Input should be greater than or equal to 1, got -1"),
        ("generate.samples=2.5", "generate.samples: Input should be a valid integer"),
        ("select.threshold=.nan", "select.threshold: Input should be a finite number"),
        ("train.learning_rate=.inf", "train.learning_rate: Input should be a finite number"),
        ("train.learning_rate='1e-6'", "train.learning_rate: Input should be a valid number, got '1e-6'"),
        ("reward.weights.tokens=-0.6", "reward.weights.tokens: Input should be greater than or equal to 0"),
        ("train.micro_batch=3", "batch_size 16 is not a multiple of micro_batch 3"),
        ("generate.formats=[]", "generate.formats is empty"),
        ("seed=true", "seed: Input should be a valid integer"),
        ("name=../up", "name: "),
        ("env.args.day=2020-01-01", "no plain value"),
        ("model=[", "override model: "),
        ("model", "is not of the form key=value"),
    ],
)
def test_mistakes_are_named(override: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load("quickstart", [override])
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_unknown_recipe_gets_a_suggestion() -> None:
    with pytest.raises(ConfigError, match="did you mean quickstart"):
        load("quikstart")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("extends: a\nname: a\n", "extends itself"),
        ("extends: base\nseed: 1\nseed: 2\n", "key 'seed' is given twice"),
        ("- a\n- b\n", "a recipe is a mapping"),
        ("a: !!python/object/apply:os.system ['true']\n", "could not determine a constructor"),
        ("name: a\n", "model must be set"),
    ],
)
def test_bad_files_are_named(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(file)
    assert message in str(caught.value)


def test_a_recipe_extends_its_neighbour(tmp_path: Path) -> None:
    (tmp_path / "low.yaml").write_text("extends: quickstart\nname: low\ntrain: {epochs: 7}\n")
    (tmp_path / "high.yaml").write_text("extends: low\nname: high\nseed: 5\n")
    config = load(tmp_path / "high.yaml")
    assert (config.name, config.seed, config.train.epochs, config.model) == ("high", 5, 7, "tiny")
    assert flatten(config)["train.epochs"] == 7


@pytest.mark.parametrize(("old", "new"), [("rooms", "per-kind"), ("stages", "per-stage"), ("inline", "inline")])
def test_the_old_name_of_isolation_is_read_as_the_new_one(tmp_path: Path, old: str, new: str) -> None:
    file = tmp_path / "old.yaml"
    file.write_text(f"extends: quickstart\nprocesses: {old}\ntrain: {{processes: 2, batch_size: 32}}\n")
    assert (load(file).isolation, load(file).train.processes) == (new, 2)
    assert load("quickstart", [f"processes={old}"]).isolation == new, "over what the recipe says by the new name"
    assert load(file, ["isolation=one"]).isolation == "one"


@pytest.mark.parametrize("value", ["8", "room", "[inline]", "{a: 1}"])
def test_what_the_old_name_never_took_is_an_unknown_key(value: str) -> None:
    with pytest.raises(ConfigError, match="unknown key processes"):
        load("quickstart", [f"processes={value}"])
