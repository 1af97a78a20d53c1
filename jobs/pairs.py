"""Pictures of a real image, the synthetic one nearest to it, and their difference."""

from __future__ import annotations

from io import BytesIO
from typing import Final

import numpy as np
from matplotlib.figure import Figure as Canvas

from privacy_eval.folder.groups import Groups
from privacy_eval.report import Figure
from privacy_eval.site.inside import InsideFindings, Pair

_MOST_TILES: Final = 4
_TILE_INCHES: Final = 1.4
_DOTS: Final = 110
_ROWS: Final = ("real", "synthetic", "difference")


def pair_pictures(groups: Groups, inside: InsideFindings) -> list[Figure]:
    """One figure a pair, as the images were read (not registered).

    Of volumes the middle axial slice of each sequence (at most four), or of a single sequence the middle slices along
    the three axes; two-dimensional images as they are.
    """
    return [_pair_picture(groups, pair, pair in inside.to_review) for pair in inside.pairs]


def _pair_picture(groups: Groups, pair: Pair, review: bool) -> Figure:
    group, who = (groups.members, "Member") if pair.group == "members" else (groups.holdout, "Holdout image")
    real = _tiles(group.images.images[pair.real], group.affine is None)
    synthetic = _tiles(groups.synthetic.images.images[pair.synthetic], group.affine is None)
    title = f"{who} {group.names[pair.real]} and synthetic {groups.synthetic.names[pair.synthetic]}"
    ending = " More alike than any two people here: look at it." if review else ""
    return Figure(title, _drawn(real, synthetic), f"Correlation {pair.before:.3f} as they are, {pair.after:.3f} after "
                  f"registration to each other. Difference: red where the synthetic image is brighter.{ending}")


def _drawn(real: list[np.ndarray], synthetic: list[np.ndarray]) -> bytes:
    """A PNG of three rows, one column a tile; of a single tile one row."""
    single = len(real) == 1
    wide, tall = real[0].shape[1], max(tile.shape[0] for tile in real)
    height = _TILE_INCHES * float(np.clip(tall / wide, 0.5, 2)) + (0.3 if single else 0.05)
    rows, columns = (1, 3) if single else (3, len(real))
    canvas = Canvas(figsize=(_TILE_INCHES * columns + 0.3, height * rows), layout="constrained")
    axes = canvas.subplots(rows, columns, squeeze=False)
    axes = axes.T if single else axes
    for column, (one, other) in enumerate(zip(real, synthetic, strict=True)):
        low, high = float(min(one.min(), other.min())), float(max(one.max(), other.max()))
        difference = other - one if one.ndim == 2 else (other - one).mean(axis=2)
        reach = (high - low) or 1.0
        for row, tile in enumerate((one, other)):
            axes[row, column].imshow(tile, cmap="gray", vmin=low, vmax=high, interpolation="nearest")
        axes[2, column].imshow(difference, cmap="RdBu_r", vmin=-reach, vmax=reach, interpolation="nearest")
    for (row, column), axis in np.ndenumerate(axes):
        axis.set(xticks=[], yticks=[])
        if single:
            axis.set_title(_ROWS[row], fontsize=9)
        elif column == 0:
            axis.set_ylabel(_ROWS[row], fontsize=9)
    file = BytesIO()
    canvas.savefig(file, format="png", dpi=_DOTS)
    return file.getvalue()


def _tiles(image: np.ndarray, is_png: bool) -> list[np.ndarray]:
    """Two-dimensional tiles, rows downwards; of an RGB PNG one tile with its colours, (rows, columns, 3)."""
    if image.ndim == 4 and len(image) == 1:
        slices = [np.take(image[0], length // 2, axis) for axis, length in enumerate(image.shape[1:])]
    elif image.ndim == 4:
        slices = [sequence[..., sequence.shape[-1] // 2] for sequence in image]
    elif is_png and len(image) == 3:
        return [np.moveaxis(image, 0, 2)]
    else:
        slices = list(image)
    # NIfTI axes run to the right, front and top; a PNG's are rows and columns already.
    return [tile if is_png else np.rot90(tile) for tile in slices[:_MOST_TILES]]
