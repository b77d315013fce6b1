"""Protocols, runs and reports: the only room that sees test labels."""

from gerund.bench.datasets import Listing, read_listing
from gerund.bench.protocols.benchmark import Benchmark, Split
from gerund.bench.protocols.benchmarks import BENCHMARKS, find_benchmark
from gerund.bench.runs.evaluate import evaluate
from gerund.bench.runs.material import Material
from gerund.bench.runs.report import Report
from gerund.bench.runs.request import Request
from gerund.bench.runs.run import run
from gerund.bench.runs.toyworld import ToyWorld

__all__ = [
    "BENCHMARKS",
    "Benchmark",
    "Listing",
    "Material",
    "Report",
    "Request",
    "Split",
    "ToyWorld",
    "evaluate",
    "find_benchmark",
    "read_listing",
    "run",
]
