"""Whole model folders from the model hub, through the hub's own client and its cache.

What other programs have fetched is found there and not fetched again. The client resumes, checks sizes, and writes
atomically. Unlike the files of the catalogue, a hub model has no hash that gerund knew beforehand: its fingerprint is
computed from the bytes when it is loaded.

The client is the extra ``hub``. Single files of the catalogue, which have hashes, come from the hub through
`gerund.assets.transfer` like those from a package index, so that they need no extra and are verified in one place.
"""

from __future__ import annotations

from pathlib import Path

from gerund.assets.store import is_offline
from gerund.errors import AssetError

_WANTED = ("*.json", "*.txt", "*.safetensors")
_FALLBACK = "pytorch_model.bin"


def hub_folder(repository: str, *, file: str = "", revision: str = "main", fetch: bool = True) -> Path:
    """The folder of a hub model with its configuration, tokenizer and weights, fetched on first use.

    Safetensors are taken where the repository has them, else the plain archive that the safe reader can open.

    Args:
        repository: ``"owner/name"``.
        file: take this weight file alone, whatever else is there.
        revision: branch, tag or commit.
        fetch: False looks into the hub's cache only.

    Raises:
        AssetError: it is not in the hub's cache and cannot be fetched.
    """
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError
    except ImportError as error:
        raise AssetError(
            f"{repository} comes from the model hub, whose client is not here: pip install 'gerund[hub]'; or fetch the "
            "folder elsewhere and pass it: --model FOLDER"
        ) from error

    def snapshot(*patterns: str) -> Path:
        return Path(
            snapshot_download(
                repository, revision=revision, allow_patterns=list(patterns), local_files_only=not fetch or is_offline()
            )
        )

    try:
        folder = snapshot(*((file,) if file else _WANTED))
        if not any(folder.glob(file or "*.safetensors")):
            folder = snapshot(file or _FALLBACK, *_WANTED)
    except LocalEntryNotFoundError as error:
        why = "GERUND_OFFLINE forbids to fetch it" if is_offline() else "the model hub cannot be reached"
        raise AssetError(
            f"{repository} is not in the hub's cache and {why}. Fetch the folder elsewhere (config.json, "
            "preprocessor_config.json, tokenizer.json, model.safetensors) and pass it: --model FOLDER; or use the "
            "default model, which needs no hub"
        ) from error
    except (HfHubHTTPError, OSError, ValueError) as error:
        raise AssetError(f"{repository}: the model hub answered: {error}") from error
    return folder
