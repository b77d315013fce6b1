"""Pixels and time, nothing about meaning: reading, sampling, resizing.

`reader` has `Video`, a file as frames and seconds; `memory` the same for frames that are in memory. Below it `media`
opens files, and `decoding` finds their frames (`index`) and pictures, by a plan where seeking pays (`planner`), within
`limits`. Commands decode elsewhere: a `worker` is a process that reads one `Video` after the other, `process` is it as
its parent sees it, `workers` are all of them, and `messages` pass between. Folders of `pictures` are read by their
`numbering`. `clips` of many videos are decoded `ahead`, chosen by `clipping`. `sampling` and `transforms` are pure
functions; `identity` names a video by its content, `files` finds videos, `preview` makes one for a browser.
"""

from gerund.video.reader import Video

__all__ = ["Video"]
