"""Named weights and samples: where they come from, what their bytes must be, and where they lie."""

from gerund.assets.catalog import ASSETS, Asset
from gerund.assets.hub import hub_folder
from gerund.assets.store import (
    cache_dir,
    derived,
    fetch,
    find_asset,
    install,
    is_here,
    is_offline,
    path_of,
    verified,
    verify,
)
from gerund.assets.transfer import DownloadProgress

__all__ = [
    "ASSETS",
    "Asset",
    "DownloadProgress",
    "cache_dir",
    "derived",
    "fetch",
    "find_asset",
    "hub_folder",
    "install",
    "is_here",
    "is_offline",
    "path_of",
    "verified",
    "verify",
]
