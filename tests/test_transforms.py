from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gerund.errors import UsageError
from gerund.video.transforms import centre_crop, resize_short_side, short_side_size

sides = st.integers(1, 3000)


def _picture(height: int, width: int) -> np.ndarray:
    """Noise over a slope: sharp and smooth parts, no two channels alike."""
    rng = np.random.default_rng(height * 10_000 + width)
    slope = np.linspace(0, 160, width)[None, :, None] + np.array([0, 20, 60])
    return (slope + rng.integers(0, 36, (height, width, 3))).astype(np.uint8)


@given(sides, sides, st.integers(1, 512))
def test_short_side_becomes_what_was_asked_and_the_shape_is_kept(height_px, width_px, short_px):
    """The shorter side is exact; the longer is the exact ratio rounded down, and turning the picture turns the size."""
    height, width = short_side_size(height_px, width_px, short_px)
    assert min(height, width) == short_px
    long_given, short_given = max(height_px, width_px), min(height_px, width_px)
    assert max(height, width) * short_given <= long_given * short_px < (max(height, width) + 1) * short_given
    assert (height <= width) == (height_px <= width_px) or height == width
    assert short_side_size(width_px, height_px, short_px) == (width, height)


@pytest.mark.parametrize(
    ("given_size", "short_px", "expected"),
    [
        ((240, 320), 256, (256, 341)),
        ((320, 240), 256, (341, 256)),
        ((240, 320), 224, (224, 298)),
        ((1080, 1920), 224, (224, 398)),
        ((256, 256), 224, (224, 224)),
        ((1, 1), 224, (224, 224)),
        ((2, 5), 3, (3, 7)),
    ],
)
def test_short_side_size_by_hand(given_size, short_px, expected):
    """UCF101's 320 x 240 becomes 341 x 256, as published preprocessings have it; and other sizes worked by hand."""
    assert short_side_size(*given_size, short_px) == expected


@pytest.mark.parametrize("bicubic", [False, True], ids=["bilinear", "bicubic"])
@pytest.mark.parametrize(
    ("size", "short_px"),
    [((240, 320), 224), ((240, 320), 256), ((97, 53), 32), ((53, 97), 112), ((31, 64), 31), ((300, 20), 8)],
)
def test_resizing_equals_torch_with_antialiasing(size, short_px, bicubic):
    """An independent implementation of the same filters agrees to one level of 255, but for a pixel in ten thousand."""
    torch = pytest.importorskip("torch", reason="torch is the oracle of this test")
    picture = _picture(*size)
    ours = resize_short_side(picture, short_px, bicubic=bicubic)
    channels_first = torch.from_numpy(picture).permute(2, 0, 1)[None]
    theirs = torch.nn.functional.interpolate(
        channels_first, short_side_size(*size, short_px), mode="bicubic" if bicubic else "bilinear", antialias=True
    )
    difference = np.abs(ours.astype(int) - theirs[0].permute(1, 2, 0).numpy().astype(int))
    assert ours.shape == (*short_side_size(*size, short_px), 3)
    assert (difference > 1).mean() < 1e-4
    assert difference.max() <= 2
    assert difference.mean() < 0.25


def test_bilinear_and_bicubic_are_different_filters():
    """The switch changes the picture."""
    picture = _picture(240, 320)
    assert (resize_short_side(picture, 224) != resize_short_side(picture, 224, bicubic=True)).mean() > 0.1


@pytest.mark.parametrize("bicubic", [False, True])
def test_resizing_to_the_same_size_changes_nothing(bicubic):
    """A picture whose shorter side fits already comes back bit for bit."""
    picture = _picture(48, 64)
    np.testing.assert_array_equal(resize_short_side(picture, 48, bicubic=bicubic), picture)


def test_halving_averages_neighbours():
    """Antialiasing by hand: black and white columns, halved, are grey away from the border, not black or white."""
    columns = np.zeros((32, 64, 3), np.uint8)
    columns[:, ::2] = 255
    halved = resize_short_side(columns, 16)
    np.testing.assert_allclose(halved[:, 4:-4].astype(int), 127, atol=2)


def test_resizing_takes_turned_pictures():
    """A view with strides of its own, such as a turned picture, is resized like its copy."""
    turned = np.rot90(_picture(40, 60))
    np.testing.assert_array_equal(resize_short_side(turned, 20), resize_short_side(turned.copy(), 20))


@given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 60))
def test_centre_crop_leaves_equal_borders(height, width, size_px):
    """The square is cut with as much left over on either side; an odd row or column more at the bottom and right."""
    picture = np.stack(np.broadcast_arrays(np.arange(height)[:, None], np.arange(width), 7), axis=2).astype(np.uint8)
    if size_px > min(height, width):
        with pytest.raises(UsageError, match=f"cannot cut {size_px} x {size_px} pixels out of {width} x {height}"):
            centre_crop(picture, size_px)
        return
    square = centre_crop(picture, size_px)
    assert square.shape == (size_px, size_px, 3)
    (top, left, _), (bottom, right, _) = square[0, 0].tolist(), square[-1, -1].tolist()
    assert height - 1 - bottom - top in (0, 1)
    assert width - 1 - right - left in (0, 1)
    np.testing.assert_array_equal(square, picture[top : bottom + 1, left : right + 1])


def test_centre_crop_by_hand():
    """Of 5 x 8 pixels the central 2 x 2 start at row 1, column 3."""
    picture = np.arange(5 * 8 * 3, dtype=np.uint8).reshape(5, 8, 3)
    np.testing.assert_array_equal(centre_crop(picture, 2), picture[1:3, 3:5])
