"""Data sets: which there are, what their lists say, and whether a user's copy is whole."""

from gerund.bench.datasets.catalog import DATASETS, Dataset
from gerund.bench.datasets.finding import CheckReport, check, find_dataset, find_files, read_listing
from gerund.bench.datasets.listing import ListedVideo, Listing

__all__ = [
    "DATASETS",
    "CheckReport",
    "Dataset",
    "ListedVideo",
    "Listing",
    "check",
    "find_dataset",
    "find_files",
    "read_listing",
]
