"""Pushing a trained model to the hub: only when asked to, private at first, weights and tokenizer alone."""

from __future__ import annotations

from pathlib import Path

from ..run.files import read_json
from ..run.stage import StageError

FILES = ("*.safetensors", "*.json", "*.jinja", "*.model", "*.txt")


def push(folder: Path, repo: str) -> str:
    """Upload a checkpoint (whole model or adapter) to ``repo``, made private if it is not there; returns its address.

    Raises StageError for a bad name, without a login, and when the hub refuses or cannot be reached.
    """
    from huggingface_hub import HfApi, get_token
    from huggingface_hub.utils import validate_repo_id

    check_folder(folder)
    try:
        validate_repo_id(repo)
    except ValueError as err:
        raise StageError(f"cannot push to {repo!r}: {err}") from None
    if get_token() is None:
        raise StageError(f"cannot push to {repo}: not logged in to the hub; run `hf auth login` or set HF_TOKEN")
    hub = HfApi()
    try:
        address = hub.create_repo(repo, private=True, exist_ok=True)
        hub.upload_folder(repo_id=address.repo_id, folder_path=folder.resolve(), allow_patterns=list(FILES))
    except Exception as err:  # the client's own errors, and those of whichever HTTP library it is built on
        raise StageError(f"cannot push to {repo}: {' '.join(str(err).split())}") from err
    return str(address)


def check_folder(folder: Path) -> None:
    """Raises StageError for a folder without a model, and for an adapter of one that nobody else has."""
    adapter = folder / "adapter_config.json"
    if not adapter.is_file() and not (folder / "config.json").is_file():
        raise StageError(f"{folder} holds no model to push")
    if adapter.is_file():
        base = read_json(adapter).get("base_model_name_or_path")
        if base is None or Path(base).exists():
            raise StageError(
                f"{folder} is an adapter of {base}, which nobody else has; push a whole model (train.lora.merge=true)"
            )
