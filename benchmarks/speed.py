"""gerund against the obvious script, side by side in one run: the same videos, frames, weights and number of threads.

    python benchmarks/speed.py VIDEO... [--shape b16|b32] [--rounds 5] [--threads N] [--json FILE] [--svg FILE]

The obvious script decodes every frame with PyAV, keeps 16, prepares them with the `transformers` processor and encodes
them with its CLIP in float32. Weights are random with the sizes of the named model: speed does not depend on them.
Contenders take turns, video by video; figures are medians over all rounds of the processor time, or where torch finds a
GPU of the wall time, and both sides use it. Needs torch and
transformers beside gerund's extras onnx and int8.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import av
import numpy as np

from gerund.encoders.contrastive import ContrastiveEncoder
from gerund.encoders.engines import available_cores, compile_graph
from gerund.encoders.graph import Graph
from gerund.features import extract, extract_many
from gerund.video import Video
from gerund.video.sampling import segment_centres

FRAMES = 16
SHAPES = {"b16": (16, 768, 12, 12), "b32": (32, 768, 12, 12), "l14": (14, 1024, 24, 16)}


def write_checkpoint(folder: Path, shape: str) -> None:
    """A CLIP with random weights in the hub's layout."""
    import torch
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel

    patch, width, layers, heads = SHAPES[shape]
    config = CLIPConfig(
        vision_config={
            "patch_size": patch,
            "hidden_size": width,
            "intermediate_size": 4 * width,
            "num_hidden_layers": layers,
            "num_attention_heads": heads,
            "image_size": 224,
        }
    )
    torch.manual_seed(0)
    CLIPModel(config).save_pretrained(folder)
    CLIPImageProcessor().save_pretrained(folder)


def obvious(folder: Path, threads: int) -> Callable[[Path], np.ndarray]:
    """The script that anyone would write first."""
    import torch
    from transformers import CLIPImageProcessor, CLIPModel

    torch.set_num_threads(threads)
    device = "cuda" if on_gpu() else "cpu"
    model = CLIPModel.from_pretrained(folder).eval().to(device)
    processor = CLIPImageProcessor.from_pretrained(folder)

    def run(path: Path) -> np.ndarray:
        with av.open(str(path)) as container:
            images = [frame.to_image() for frame in container.decode(video=0)]
        chosen = [images[i] for i in segment_centres(len(images), FRAMES)]
        with torch.inference_mode():
            found = model.get_image_features(**processor(images=chosen, return_tensors="pt").to(device))
        tensor = found if isinstance(found, torch.Tensor) else found.pooler_output
        return torch.nn.functional.normalize(tensor, dim=-1).cpu().numpy()

    return run


def on_gpu() -> bool:
    """True where torch finds a GPU: then gerund's automatic choice and the obvious script both use it."""
    import torch

    return torch.cuda.is_available()


def contenders_here() -> list[tuple[str, str]]:
    """Names and precisions of gerund's side; int8 is for processors."""
    both = [("gerund fp32", "fp32"), ("gerund auto", "auto")]
    return both if on_gpu() else [*both, ("gerund int8", "int8")]


def seconds_of(run: Callable[[], object]) -> float:
    """Seconds that a call takes: of all processors together, or by the wall clock where a GPU does the work."""
    clock = time.perf_counter if on_gpu() else time.process_time
    begin = clock()
    run()
    return clock() - begin


def matmul_peak(precision: str, threads: int, width: int, rows: int) -> float:
    """Billions of operations per second of processor time in a chain of the encoder's own matrix products."""
    rng = np.random.default_rng(0)
    graph = Graph("peak")
    x = graph.input("x", [rows, width], "float32")
    for _ in range(8):
        x = graph.relu(graph.linear(x, rng.normal(0, 0.03, (4 * width, width)).astype(np.float32)))
        x = graph.linear(x, rng.normal(0, 0.03, (width, 4 * width)).astype(np.float32))
    graph.output("y", graph.mean(x, [1]))
    given = rng.normal(size=(rows, width)).astype(np.float32)
    calibration = [(given,)] if precision == "int8" else None
    engine = compile_graph(graph, precision=precision, threads=threads, calibration=calibration)
    engine(given)
    seconds = statistics.median(seconds_of(lambda: engine(given)) for _ in range(9))
    return 8 * 2 * 2 * 4 * width * width * rows / seconds / 1e9


def operations(shape: str) -> float:
    """Multiplications and additions of the image tower for one picture, in billions."""
    patch, width, layers, _ = SHAPES[shape]
    tokens = (224 // patch) ** 2 + 1
    layer = 2 * tokens * 12 * width * width + 4 * tokens * tokens * width
    return (layers * layer + 2 * (tokens - 1) * 3 * patch * patch * width) / 1e9


def synthetic(folder: Path, seconds: int, width: int, height: int) -> Path:
    """A moving pattern as H.264 with the encoder's usual settings."""
    path = folder / f"{seconds}s_{width}x{height}.mp4"
    rows, columns = np.mgrid[:height, :width]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for number in range(25 * seconds):
            wave = (rows * 2 + columns + 5 * number) % 256
            picture = np.stack([wave, wave[::-1], (wave + number) % 256], axis=-1).astype(np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return path


def compare(settings: argparse.Namespace, folder: Path) -> dict[str, object]:
    threads = settings.threads or available_cores()
    encoders = {
        name: ContrastiveEncoder(folder, name=settings.shape, precision=precision, threads=threads)
        for name, precision in contenders_here()
    }
    script = obvious(folder, threads)
    contenders: dict[str, Callable[[Path], np.ndarray]] = {"obvious": script}
    for name, encoder in encoders.items():
        contenders[name] = lambda path, encoder=encoder: extract(Video(path), encoder, dense=False).vectors

    times: dict[str, dict[str, list[float]]] = {name: {} for name in contenders}
    cosines: dict[str, list[float]] = {name: [] for name in contenders}
    for path in settings.videos:  # a warm-up, and the answers compared
        expected = script(path)
        for name, run in contenders.items():
            found = run(path)
            if len(found) == len(expected):
                cosines[name].append(float((found * expected).sum(axis=1).min()))
    for _ in range(settings.rounds):
        for path in settings.videos:
            for name, run in contenders.items():
                times[name].setdefault(path.name, []).append(seconds_of(lambda run=run, path=path: run(path)))

    print(f"processor seconds a video, 16 frames, {threads} threads, median of {settings.rounds} (times the obvious)")
    rows = {}
    for path in settings.videos:
        base = statistics.median(times["obvious"][path.name])
        rows[path.name] = {name: statistics.median(times[name][path.name]) for name in contenders}
        cells = "  ".join(f"{name} {value:.2f} ({base / value:.1f}x)" for name, value in rows[path.name].items())
        print(f"  {path.name}: {cells}")
    total = {name: sum(row[name] for row in rows.values()) for name in contenders}
    print("  all: " + "  ".join(f"{name} {v:.2f} ({total['obvious'] / v:.1f}x)" for name, v in total.items()))
    print("  worst cosine to the obvious script: " + ", ".join(f"{n} {min(v):.5f}" for n, v in cosines.items() if v))

    print("decoding alone, 16 frames")
    decoding = {}
    for path in settings.videos:

        def everything(path: Path = path) -> None:
            with av.open(str(path)) as container:
                _ = [frame.to_image() for frame in container.decode(video=0)]

        def planned(path: Path = path) -> None:
            video = Video(path)
            video.read(segment_centres(video.num_frames, FRAMES))

        pair = [(seconds_of(everything), seconds_of(planned)) for _ in range(settings.rounds)]
        decoding[path.name] = [statistics.median(column) for column in zip(*pair, strict=True)]
        print(f"  {path.name}: all frames {decoding[path.name][0]:.3f} s, planned {decoding[path.name][1]:.3f} s")

    print("encoding alone, 16 pictures at once, against a chain of the same matrix products in the same run")
    width = SHAPES[settings.shape][1]
    rows_in_batch = 16 * ((224 // SHAPES[settings.shape][0]) ** 2 + 1)
    pictures = np.random.default_rng(0).integers(0, 256, (16, 224, 224, 3), dtype=np.uint8)
    encoding = {}
    for name, precision in contenders_here():
        encoder = encoders[name]
        shares, rates = [], []
        for _ in range(settings.rounds):
            peak = matmul_peak(precision, threads, width, rows_in_batch)
            seconds = statistics.median(seconds_of(lambda e=encoder: e.encode_pictures(pictures)) for _ in range(5))
            rates.append(16 / seconds)
            shares.append(rates[-1] * operations(settings.shape) / peak)
        encoding[name] = {"pictures_per_core_second": statistics.median(rates), "share": statistics.median(shares)}
        print(f"  {name}: {statistics.median(rates):.1f} pictures per core and second, {statistics.median(shares):.0%}")
    return {"end_to_end": rows, "raw": times, "cosines": cosines, "decoding": decoding, "encoding": encoding}


def scaling(settings: argparse.Namespace, folder: Path) -> dict[str, object]:
    """Cost against length, resolution, number of videos and number of actions, with the default precision."""
    encoder = ContrastiveEncoder(folder, name=settings.shape, threads=settings.threads)
    found: dict[str, object] = {}
    for title, videos in (
        ("length (320x240)", [synthetic(folder, s, 320, 240) for s in (5, 20, 80)]),
        (
            "resolution (10 s)",
            [synthetic(folder, 10, w, h) for w, h in ((320, 240), (640, 480), (1280, 720), (1920, 1080))],
        ),
    ):
        extract(Video(videos[0]), encoder, dense=False)
        cost = {
            path.stem: statistics.median(
                seconds_of(lambda p=path: extract(Video(p), encoder, dense=False)) for _ in range(settings.rounds)
            )
            for path in videos
        }
        found[title] = cost
        print(f"processor seconds against {title}: " + ", ".join(f"{k} {v:.2f}" for k, v in cost.items()))
    clip = synthetic(folder, 5, 320, 240)
    cost = {}
    for count in (1, 4, 16):
        clips = [Video(clip) for _ in range(count)]
        cost[count] = seconds_of(lambda clips=clips: list(extract_many(clips, [encoder], dense=False))) / count
    found["videos"] = cost
    print("processor seconds a video against number of videos: " + ", ".join(f"{k}: {v:.2f}" for k, v in cost.items()))
    vectors = extract(Video(clip), encoder, dense=False).vectors
    cost = {}
    for count in (10, 1000, 100_000):
        classes = np.random.default_rng(0).normal(size=(count, encoder.dim)).astype(np.float32)
        cost[count] = statistics.median(seconds_of(lambda c=classes: vectors.mean(axis=0) @ c.T) for _ in range(9))
    found["actions"] = cost
    print(
        "processor seconds of scoring against number of actions: " + ", ".join(f"{k}: {v:.5f}" for k, v in cost.items())
    )
    return found


def draw(rows: dict[str, dict[str, float]], target: Path) -> None:
    """Bars, one group a video, as an SVG that needs nothing else."""
    colours = {"obvious": "#98a2b3", "gerund fp32": "#67c1d4", "gerund auto": "#0e7490", "gerund int8": "#164e63"}
    longest = max(value for row in rows.values() for value in row.values())
    lines, y = [], 20
    for name, row in rows.items():
        lines.append(f'<text x="10" y="{y + 12}" font-weight="bold">{name}</text>')
        y += 20
        for contender, value in row.items():
            width = 420 * value / longest
            lines.append(f'<text x="10" y="{y + 12}">{contender}</text>')
            lines.append(f'<rect x="110" y="{y}" width="{width:.1f}" height="15" rx="3" fill="{colours[contender]}"/>')
            lines.append(f'<text x="{116 + width:.1f}" y="{y + 12}">{value:.2f} s</text>')
            y += 19
        y += 12
    style = 'font-family="sans-serif" font-size="12" fill="#344054"'
    target.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" width="640" height="{y}" {style}>'
        f'<rect width="100%" height="100%" fill="white"/>{"".join(lines)}</svg>\n'
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("videos", type=Path, nargs="+")
    parser.add_argument("--shape", choices=list(SHAPES), default="b16")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--no-scaling", action="store_true", help="leave out cost against length, size and number")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--svg", type=Path)
    settings = parser.parse_args()
    packages = ("av", "numpy", "openvino", "torch", "transformers")
    machine = {
        "processor": platform.processor() or platform.machine(),
        "cores": available_cores(),
        "python": platform.python_version(),
        "load": os.getloadavg(),
        **{name: version(name) for name in packages},
    }
    print(", ".join(f"{key} {value}" for key, value in machine.items()))
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_checkpoint(folder, settings.shape)
        found = {"machine": machine, "shape": settings.shape, **compare(settings, folder)}
        if not settings.no_scaling:
            found["scaling"] = scaling(settings, folder)
    if settings.json:
        settings.json.write_text(json.dumps(found, indent=1) + "\n")
    if settings.svg:
        draw(found["end_to_end"], settings.svg)


if __name__ == "__main__":
    main()
