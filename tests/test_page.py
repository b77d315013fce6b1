"""The page: self-contained, safe against its own labels, and with a video that a browser plays."""

from __future__ import annotations

import base64
import io
import json
import re
from urllib.parse import unquote

import av
import numpy as np
import pytest

from gerund.page import Located, Made, data_url, write_page
from gerund.types import Segment, Segments
from gerund.video import Video
from gerund.video.preview import encode_preview
from gerund.video.workers import Workers
from stub import write_colours


def embedded(url):
    """Kind and bytes of a data address."""
    kind, content = re.fullmatch(r"data:([^;]+);base64,(.*)", url).groups()
    return kind, base64.b64decode(content)


def test_the_page_needs_nothing_else(tmp_path):
    """No address outside the page is named, and the data in it reads back, also with hostile labels and names."""
    video = write_colours(tmp_path / "<b>é.mp4", ["red"])
    label = "</script><script>alert(1)</script> & \u2028 'x'"
    results = [
        Located(video, 1.0, Segments([Segment(0.25, 0.75, label, 2.0, 0.5)])),
        Located(tmp_path / "gone.mp4", None, Segments(), "no such file"),
    ]
    write_page(tmp_path / "page.html", "i3d-minilm", results)
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert not re.search(r"""(src|href)\s*=\s*["']?(?!data:)[a-z]+:""", text)
    assert "http" not in text.split('id="data"')[0]
    raw = re.search(r'id="data">(.*?)</script>', text, re.DOTALL)[1]
    data = json.loads(raw)
    assert data["videos"][0]["segments"][0]["action"] == label
    assert data["videos"][1]["error"] == "no such file"
    assert embedded(data["videos"][0]["source"]) == ("video/mp4", video.read_bytes())


def test_what_browsers_cannot_play_becomes_a_preview(tmp_path):
    """MPEG-4 in AVI is embedded as H.264 with the same length and the same pictures at the same times."""
    source = tmp_path / "a.avi"
    with av.open(str(source), "w") as container:
        stream = container.add_stream("mpeg4", rate=10, options={"b:v": "4M"})
        stream.width, stream.height, stream.pix_fmt = 66, 50, "yuv420p"
        for level in range(0, 250, 10):
            picture = np.full((50, 66, 3), level, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    with Workers() as workers:
        kind, content = embedded(data_url(source, workers))
    assert kind == "video/mp4"
    target = tmp_path / "preview.mp4"
    target.write_bytes(content)
    preview = Video(target)
    assert preview.num_frames == 25
    np.testing.assert_allclose(preview.times_s, np.arange(25) / 10, atol=1e-3)
    levels = preview.read().frames.mean(axis=(1, 2, 3))
    np.testing.assert_allclose(levels, np.arange(0, 250, 10), atol=8)


def test_a_preview_is_small_and_even(tmp_path):
    """A large odd-sized video shrinks to 360 lines with even sides, which H.264 needs."""
    source = tmp_path / "big.mp4"
    with av.open(str(source), "w") as container:
        stream = container.add_stream("libx264", rate=60)
        stream.width, stream.height, stream.pix_fmt = 1000, 721, "yuv444p"
        for _ in range(12):
            picture = np.zeros((721, 1000, 3), np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    with av.open(io.BytesIO(encode_preview(Video(source)))) as container:
        stream = container.streams.video[0]
        assert (stream.width, stream.height) == (498, 360)
        assert stream.codec_context.pix_fmt == "yuv420p"
        assert sum(1 for _ in container.decode(stream)) == 6


def test_a_preview_has_the_last_line_too(tmp_path):
    """A white line at the lower edge of a small black video is white in its preview, and as wide."""
    source = tmp_path / "line.mp4"
    with av.open(str(source), "w") as container:
        stream = container.add_stream("libx264", rate=5, options={"qp": "0"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv444p"
        picture = np.zeros((48, 64, 3), np.uint8)
        picture[-4:] = 255
        for _ in range(3):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    with av.open(io.BytesIO(encode_preview(Video(source)))) as container:
        seen = next(container.decode(video=0)).to_ndarray(format="gray").astype(float)
    assert seen.shape == (48, 64)
    assert np.abs(seen - picture[..., 0]).mean() < 4, "nothing was cut and stretched"


def test_a_page_that_cannot_be_written_leaves_nothing(tmp_path):
    """An error while writing leaves neither a page nor a piece of one."""
    with pytest.raises(OSError, match="nothere"):
        write_page(tmp_path / "nothere" / "page.html", "m", [])
    assert list(tmp_path.iterdir()) == []


def entries(page):
    """What a page holds of its videos."""
    raw = re.search(r'id="data">(.*?)</script>', page.read_text(encoding="utf-8"), re.DOTALL)[1]
    return json.loads(raw)["videos"]


def located(path):
    return Located(path, 1.0, Segments([Segment(0.25, 0.75, "waving", 2.0, 0.5)]))


def test_embedding_stops_at_the_stated_total(tmp_path, monkeypatch):
    """Videos are embedded while they fit, the first that does not and all after it are linked; the sizes are told."""
    paths = [write_colours(tmp_path / f"{name}.mp4", ["red"]) for name in "abc"]
    monkeypatch.setattr("gerund.page.EMBED_TOTAL_BYTES", int(paths[0].stat().st_size * 4 / 3 * 1.5))
    page = tmp_path / "page.html"
    results = [located(path) for path in paths]
    for embed, held in (("auto", 1), ("none", 0), ("all", 3)):
        made = write_page(page, "m", results, embed=embed)
        assert (made.num_embedded, made.num_linked, made.problems) == (held, 3 - held, ())
        assert made.size_bytes == page.stat().st_size
        words = {0: "; no video embedded, 3 only", 1: "; 1 video embedded, 2 only", 3: "; 3 videos embedded"}
        assert words[held] in made.words() and ("linked" in made.words()) == (held < 3)
        assert [item["source"].startswith("data:") for item in entries(page)] == [place < held for place in range(3)]
        assert [item["linked"] for item in entries(page)] == [place >= held for place in range(3)]


def test_sizes_are_told_in_fitting_units():
    """Small pages in kilobytes, others in megabytes; one linked video is not them."""
    assert Made(12_345, 1, 1).words() == "12 kB; 1 video embedded, 1 only linked, so keep it where it is"
    assert Made(100_000, 2, 0).words() == "0.1 MB; 2 videos embedded"


def test_a_link_leads_to_the_file_and_nowhere_else(tmp_path):
    """Relative to the page, escaped, and never an address on the network, whatever the file is called."""
    (tmp_path / "pages").mkdir()
    for name in ("a b#?%.mp4", "http:", "é/c: d.mp4"):
        path = tmp_path / "videos" / name
        page = tmp_path / "pages" / "page.html"
        write_page(page, "m", [located(path)], embed="none")
        source = entries(page)[0]["source"]
        assert source.startswith("./../videos/")
        assert not re.search(r"[#?:% ]", unquote(source[5:]).replace(name, "")) and unquote(source[2:]).endswith(name)
        assert ":" not in source and "#" not in source


def test_a_preview_that_cannot_be_made_costs_itself(tmp_path):
    """The answer stays on the page with a linked player; the video and the reason are told; the others are embedded."""
    good = write_colours(tmp_path / "good.mp4", ["red"])
    bad = tmp_path / "bad.mp4"
    bad.write_text("no video")
    page = tmp_path / "page.html"
    made = write_page(page, "m", [located(bad), located(good)])
    first, second = entries(page)
    assert (first["error"], first["linked"], len(first["segments"])) == (None, True, 1)
    assert second["source"].startswith("data:")
    ((video, reason),) = made.problems
    assert video == str(bad) and "no preview could be made" in reason


def test_a_note_stands_beside_its_answer(tmp_path):
    """What is to be known about one video is on the page with it."""
    video = write_colours(tmp_path / "a.mp4", ["red"])
    write_page(tmp_path / "page.html", "m", [Located(video, 1.0, Segments(), note="a still picture")])
    assert entries(tmp_path / "page.html")[0]["note"] == "a still picture"
