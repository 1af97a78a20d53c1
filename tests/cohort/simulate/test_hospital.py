from __future__ import annotations

import json
import pickle
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from fl_components.cohort.simulate import hospital
from fl_components.cohort.simulate.hospital import (
    SITE_NAMES,
    SimulatedSite,
    simulate_site,
    simulate_subject,
    site_profile,
    site_sizes,
)
from privacy_eval.errors import InputError

ENDINGS = ("t1", "t1ce", "t2", "flair", "seg")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> SimulatedSite:
    folder = tmp_path_factory.mktemp("site")
    return simulate_site("south", 1, 2, folder / "data", folder / "truth", seed=3)


def test_layout_is_brats(site: SimulatedSite) -> None:
    assert site.cases == ("south_001", "south_002")
    for case in site.cases:
        expected = {f"{case}_{ending}.nii.gz" for ending in ENDINGS}
        assert {path.name for path in (site.data / case).iterdir()} == expected
        assert {path.name for path in site.truth.glob(f"{case}*")} == {f"{case}_dseg.nii.gz", f"{case}.json"}


def test_headers(site: SimulatedSite) -> None:
    for ending in ENDINGS:
        image = nib.load(site.data / "south_001" / f"south_001_{ending}.nii.gz")
        assert nib.aff2axcodes(image.affine) == ("L", "P", "S")
        qform, qcode = image.get_qform(coded=True)
        sform, scode = image.get_sform(coded=True)
        np.testing.assert_allclose(qform, sform, atol=1e-5)
        assert qcode == scode == 1
        assert image.header.get_xyzt_units()[0] == "mm"
        assert image.get_data_dtype() == (np.uint8 if ending == "seg" else np.int16)
        assert image.header.get_zooms() == pytest.approx((site.scanner.spacing_mm,) * 3)


def test_mask_speaks_the_dialect_and_agrees_with_the_truth(site: SimulatedSite) -> None:
    for case in site.cases:
        mask = np.asarray(nib.load(site.data / case / f"{case}_seg.nii.gz").dataobj)
        truth = np.asarray(nib.load(site.truth / f"{case}_dseg.nii.gz").dataobj)
        assert set(np.unique(mask)) <= {0, 1, 2, 4}
        for on_disk, label in ((1, 4), (2, 5), (4, 6)):
            np.testing.assert_array_equal(mask == on_disk, truth == label)


def test_orientation_is_real(site: SimulatedSite) -> None:
    """The cerebellum lies low and behind: brain is missing low in front, in world coordinates."""
    image = nib.as_closest_canonical(nib.load(site.truth / "south_001_dseg.nii.gz"))
    brain = np.asarray(image.dataobj) > 0
    low = brain[:, :, : int(np.argwhere(brain)[:, 2].mean()) - 12]
    _, posterior_to_anterior, _ = np.argwhere(low).mean(axis=0)
    assert posterior_to_anterior < np.argwhere(brain)[:, 1].mean()


def test_subjects_do_not_depend_on_order(site: SimulatedSite, tmp_path: Path) -> None:
    simulate_subject("south", 1, 1, tmp_path / "data", tmp_path / "truth", 3)
    for ending in ENDINGS:
        name = f"south_002_{ending}.nii.gz"
        assert (tmp_path / "data/south_002" / name).read_bytes() == (site.data / "south_002" / name).read_bytes()


def test_made_subjects_are_kept_and_damaged_ones_made_again(site: SimulatedSite,
                                                            monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    real = hospital.make_subject
    monkeypatch.setattr(hospital, "make_subject", lambda *arguments: made.append(1) or real(*arguments))
    volume = site.data / "south_001" / "south_001_t2.nii.gz"
    whole = volume.read_bytes()
    arguments = ("south", 1, 0, site.data, site.truth, 3)

    simulate_subject(*arguments)
    assert not made
    volume.write_bytes(whole[:1000])
    simulate_subject(*arguments)
    assert len(made) == 1
    assert volume.read_bytes() == whole
    (site.truth / "south_001.json").write_text("{")
    simulate_subject(*arguments)
    assert len(made) == 2
    monkeypatch.setattr(hospital, "SIMULATOR_VERSION", "another")
    simulate_subject(*arguments)
    assert len(made) == 3


def test_record_tells_how_it_was_made(site: SimulatedSite) -> None:
    record = json.loads((site.truth / "south_002.json").read_text())
    assert record["seed"] == [3, 1, 1]
    assert record["scanner"] == site.scanner.name
    assert record["traits"]["tumour"]["volume_ml"] > 0
    assert set(record["findings"]) == {"cyst", "haemorrhage", "calcification"}


def test_progress_is_told(site: SimulatedSite) -> None:
    told: list[str] = []
    simulate_site("south", 1, 2, site.data, site.truth, 3, told.append)
    assert told == ["south_001", "south_002"]


@pytest.mark.parametrize("n_sites", range(1, len(SITE_NAMES) + 1))
def test_sizes_leave_thirty_members_and_holdout(n_sites: int) -> None:
    sizes = site_sizes(n_sites)
    assert len(sizes) == n_sites
    assert min(sizes) >= 78
    assert n_sites == 1 or len(set(sizes)) > 1


def test_four_sites_suffice_for_the_audit() -> None:
    assert sum(site_sizes(4)) >= 475
    assert sum(int(0.4 * size) for size in site_sizes(4)) >= 180


def test_impossible_number_of_sites_is_refused() -> None:
    with pytest.raises(InputError, match="expected 1 to 12"):
        site_sizes(13)


def test_profiles_are_fixed_by_index_and_seed() -> None:
    profiles = [site_profile(index, 0) for index in range(8)]
    assert len({repr(scanner) for scanner, _ in profiles}) == 8
    assert site_profile(6, 0) == profiles[6]
    assert site_profile(6, 1) != profiles[6]


def test_making_a_subject_can_be_sent_to_another_process() -> None:
    assert pickle.loads(pickle.dumps(simulate_subject)) is simulate_subject
