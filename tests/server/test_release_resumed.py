from __future__ import annotations

from pathlib import Path

import pytest
from release_case import GRID, METADATA, contents, volume, write_release

from fl_components.server.release import ReleaseWriter, read_release
from fl_components.server.release_partial import JOURNAL

MADE_WITH = {"precision": "float32", "population": "c" * 64}


class Power(Exception):  # noqa: N818 - not an error: a cut
    pass


def write(folder: Path, count: int, cut_after: int | None = None, made_with: dict[str, str] = MADE_WITH) -> int:
    """Write volumes 1 to `count`, losing power after some; how many an earlier writing had left."""
    with ReleaseWriter(folder, GRID, METADATA, made_with=made_with, count=count) as writer:
        done = writer.done
        for number in range(done + 1, count + 1):
            writer.add(*volume(number))
            if number == cut_after:
                raise Power
    return done


def interrupted(folder: Path, cut_after: int, count: int = 4) -> Path:
    with pytest.raises(Power):
        write(folder, count, cut_after)
    assert not folder.exists()
    return folder.with_name(f".{folder.name}.partial")


def test_an_interrupted_writing_goes_on_and_ends_in_the_same_bytes(tmp_path: Path) -> None:
    interrupted(tmp_path / "release", 3)
    assert write(tmp_path / "release", 4) == 3
    assert contents(tmp_path / "release") == contents(write_release(tmp_path / "whole", volumes=4))
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["release", "whole"]


def test_a_half_written_volume_and_a_torn_line_are_made_again(tmp_path: Path) -> None:
    partial = interrupted(tmp_path / "release", 2)
    (partial / "sub-synth0003" / "anat").mkdir(parents=True)
    (partial / "sub-synth0003" / "anat" / "half.nii.gz").write_bytes(b"half")
    with (partial / JOURNAL).open("a") as stream:
        stream.write('{"name": "sub-synth0003", "fi')
    assert write(tmp_path / "release", 4) == 2
    assert contents(tmp_path / "release") == contents(write_release(tmp_path / "whole", volumes=4))


def test_a_volume_that_the_disk_lost_is_made_again_with_all_after_it(tmp_path: Path) -> None:
    partial = interrupted(tmp_path / "release", 3)
    lost = next((partial / "sub-synth0002").rglob("*_T2w.nii.gz"))
    lost.write_bytes(lost.read_bytes()[:40])
    assert write(tmp_path / "release", 4) == 1
    assert contents(tmp_path / "release") == contents(write_release(tmp_path / "whole", volumes=4))


@pytest.mark.parametrize("other", [{"precision": "bfloat16"}, {"population": "d" * 64}])
def test_other_volumes_are_not_mixed_in(tmp_path: Path, other: dict[str, str]) -> None:
    interrupted(tmp_path / "release", 2)
    assert write(tmp_path / "release", 4, made_with=MADE_WITH | other) == 0


def test_a_shorter_release_takes_over_no_more_than_it_has(tmp_path: Path) -> None:
    interrupted(tmp_path / "release", 3)
    assert write(tmp_path / "release", 2) == 2
    assert len(list(read_release(tmp_path / "release"))) == 2
    assert contents(tmp_path / "release") == contents(write_release(tmp_path / "whole", volumes=2))
