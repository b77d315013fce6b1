"""The one door to media files: a plain file of this machine, in a format that holds its own pictures."""

from __future__ import annotations

import os
import shutil
import socket
from pathlib import Path

import av
import numpy as np
import pytest

from gerund.errors import VideoError
from gerund.video import Video
from gerund.video.limits import Limits
from gerund.video.media import FORMATS, _reason
from stub import write_colours


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    return write_colours(tmp_path_factory.mktemp("media") / "good.mp4", ["red"])


def playlists(target):
    """Files that lead to another file or host, in every dialect that FFmpeg follows."""
    return {
        "hls.m3u8": f"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\n{target}\n#EXT-X-ENDLIST\n",
        "list.ffconcat": f"ffconcat version 1.0\nfile '{target}'\n",
        "dash.mpd": f"<?xml version='1.0'?><MPD><BaseURL>{target}</BaseURL></MPD>",
        "session.sdp": "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nc=IN IP4 127.0.0.1\r\nm=video 5004 RTP/AVP 96\r\n",
        "list.pls": f"[playlist]\nFile1={target}\n",
        "list.asx": f"<asx><entry><ref href='{target}'/></entry></asx>",
    }


@pytest.mark.parametrize("ending", ["", ".mp4", ".mkv"])
@pytest.mark.parametrize("name", playlists(""))
def test_what_leads_elsewhere_is_refused_whatever_its_ending(name, ending, video, tmp_path, listener):
    """A playlist that names a good video, or this machine's port, is an error with the reason, and nobody calls."""
    for target in (video, f"http://{listener.host}/x.mp4", f"file://{video}"):
        path = tmp_path / (name + ending)
        path.write_text(playlists(target)[name])
        with pytest.raises(VideoError, match="playlist or a description of a stream"):
            _ = Video(path).num_frames
    assert listener.visits == 0


def test_names_that_look_like_addresses_are_names(run, video, tmp_path, listener, monkeypatch):
    """Files called as protocols are read as files, by every command and by the page, and nobody calls."""
    monkeypatch.chdir(tmp_path)
    host = Path("http:") / listener.host
    host.mkdir(parents=True)
    names = ["concert: live.mp4", "tcp:x.mp4", "concat:a|b.mp4", str(host / "x.mp4"), "rtmp:y.mp4", "pipe:0.mp4"]
    for name in names:
        shutil.copy(video, name)
    (tmp_path / "list.mp4").write_text(playlists(f"http://{listener.host}/x.mp4")["hls.m3u8"])
    for words in (["classify", "."], ["locate", ".", "--html", "page.html", "--vtt", "vtt"]):
        result = run(*words, "--actions", "showing red, showing blue")
        assert result.exit_code == 1, result.output
        assert "1 not answered" in result.stderr and "list.mp4: it is a playlist" in " ".join(result.stderr.split())
        assert all(name in result.stdout for name in names)
    assert Path("page.html").read_text().count("data:video/mp4;base64") == len(names)
    assert listener.visits == 0


def test_formats_are_few_and_hold_their_pictures():
    """No demuxer that follows names, hosts, scripts or devices is on the list."""
    outside = {
        "hls",
        "concat",
        "dash",
        "sdp",
        "rtsp",
        "image2",
        "lavfi",
        "applehttp",
        "webm_dash_manifest",
        "tty",
        "imf",
    }
    assert not outside & set(FORMATS)
    assert {"mov", "mp4", "matroska", "webm", "avi", "gif"} <= set(FORMATS)


def test_pipes_and_devices_are_refused_without_being_opened(tmp_path):
    """A FIFO would be waited for, a socket or a device could be anything; each is named."""
    os.mkfifo(tmp_path / "pipe.mp4")
    plug = socket.socket(socket.AF_UNIX)
    plug.bind(str(tmp_path / "plug.mp4"))
    try:
        for path in (tmp_path / "pipe.mp4", tmp_path / "plug.mp4", Path("/dev/zero")):
            with pytest.raises(VideoError, match="a pipe or a device"):
                _ = Video(path).num_frames
    finally:
        plug.close()


def test_pictures_that_grow_on_the_way_meet_the_limit(tmp_path):
    """A file whose first picture is small and whose second is not fails at the second, not with the memory."""
    path = tmp_path / "grows.mkv"
    parts = []
    for number, side in enumerate((64, 256)):
        part = tmp_path / f"{number}.h264"
        with av.open(str(part), "w", format="h264") as container:
            stream = container.add_stream("libx264", rate=8)
            stream.width, stream.height, stream.pix_fmt = side, side, "yuv420p"
            for _ in range(4):
                picture = np.zeros((side, side, 3), np.uint8)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            container.mux(stream.encode())
        parts.append(part.read_bytes())
    path = tmp_path / "grows.h264"
    path.write_bytes(b"".join(parts))
    assert Video(path).num_frames == 8
    small = Video(path, limits=Limits(pixels=64 * 64))
    try:
        seen = small.num_frames
    except VideoError:
        return
    assert seen <= 4


def test_clocks_that_run_for_years_are_refused(tmp_path):
    """Two pictures with eleven days and more between them are damage: sampling by time would ask for millions."""
    path = tmp_path / "years.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=8)
        stream.width, stream.height, stream.pix_fmt = 16, 16, "yuv444p"
        for stamp in (0, 2_000_000 * 8):
            frame = av.VideoFrame.from_ndarray(np.zeros((16, 16, 3), np.uint8), format="rgb24")
            frame.pts = stamp
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with pytest.raises(VideoError, match="clock runs to"):
        _ = Video(path).num_frames


def test_what_ffmpeg_cannot_decode_yet_is_said_in_our_words(tmp_path):
    """Nobody who has a video wants to be asked for a patch of FFmpeg."""
    error = av.error.PatchWelcomeError(-1, "Not yet implemented in FFmpeg, patches welcome")
    assert _reason(tmp_path / "a.mp4", error) == (
        "it is coded in a way that FFmpeg cannot decode yet; convert it to H.264 first"
    )
