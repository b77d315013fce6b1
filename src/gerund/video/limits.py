"""How much one video may cost before it is given up."""

from __future__ import annotations

from dataclasses import dataclass

from gerund.errors import UsageError

OUT_OF_MEMORY = "reading it takes more memory than there is, or than one video may have; scale it down first"


@dataclass(frozen=True)
class Limits:
    """Bounds on reading one video file; whoever meets one is named with the bound, and its neighbours go on.

    Attributes:
        pixels: of one picture; 8192 x 8192 by default, four times 8K television and what its decoders can hold.
        aspect: how many times as long as wide a picture may be; of a longer strip, the square that networks look at
            shows next to nothing.
        memory_bytes: of the address space of a process that decodes, its libraries included.
        step_s: processor time of one step (a packet, a picture, opening the file), and half of the time that the file
            may keep everyone waiting without any work being done.
        cpu_s: processor time for one video, whatever its size.
        cpu_s_per_mb: and for each megabyte of the file.

    Raises:
        UsageError: a bound is not above 0.

    Example:
        >>> Limits(cpu_s=10, cpu_s_per_mb=2).video_cpu_s(3_000_000), Limits().video_cpu_s(2_000_000)
        (16.0, 120.0)
    """

    pixels: int = 2**26
    aspect: float = 64.0
    memory_bytes: int = 3 * 2**30
    step_s: float = 30.0
    cpu_s: float = 60.0
    cpu_s_per_mb: float = 30.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not value > 0:
                raise UsageError(f"{name} must be above 0, got {value}")

    def video_cpu_s(self, size_bytes: int) -> float:
        """The processor time that a file of some size may take in all."""
        return self.cpu_s + self.cpu_s_per_mb * size_bytes / 1e6
