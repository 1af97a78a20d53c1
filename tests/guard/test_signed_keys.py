"""A key counts if the site of its name signed it for this job with a certificate of this federation."""

from __future__ import annotations

import datetime
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from nvflare.apis.fl_constant import FLContextKey
from nvflare.lighter.utils import Identity, generate_cert, generate_keys, serialize_cert, serialize_pri_key

from fl_components.guard.declaration import CERTIFICATE_BYTES, SIGNATURE_BYTES
from fl_components.guard.secure_sum import KEY_BYTES, MaskKey
from fl_components.guard.signed_keys import KeySigner
from privacy_eval.errors import InputError


class Authority:
    """Whoever provisions: a root certificate, and kits as NVFlare makes them."""

    def __init__(self) -> None:
        self.private, self.public = generate_keys()
        self.name = Identity("fedsynth")
        self.root = generate_cert(self.name, self.name, self.private, self.public, ca=True)

    def kit(self, folder: Path, name: str, **validity: datetime.datetime) -> Path:
        startup = folder / name / "startup"
        startup.mkdir(parents=True)
        private, public = generate_keys()
        certificate = generate_cert(Identity(name, name), self.name, self.private, public, **validity)
        (startup / "client.crt").write_bytes(serialize_cert(certificate))
        (startup / "client.key").write_bytes(serialize_pri_key(private))
        (startup / "rootCA.pem").write_bytes(serialize_cert(self.root))
        return startup


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture(scope="module")
def kits(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("kits")
    return {name: authority.kit(folder, name) for name in ("east", "west", "server")}


KEY = MaskKey().public


def test_what_a_site_signed_is_its_key(kits: dict[str, Path]) -> None:
    sent = KeySigner("west", "job", kits["west"]).signed(KEY)
    assert sent.shape == (KEY_BYTES + CERTIFICATE_BYTES + SIGNATURE_BYTES,)
    np.testing.assert_array_equal(KeySigner("east", "job", kits["east"]).genuine({"west": sent})["west"], KEY)


def test_another_key_name_or_job_is_refused(kits: dict[str, Path]) -> None:
    east = KeySigner("east", "job", kits["east"])
    sent = KeySigner("west", "job", kits["west"]).signed(KEY)
    for place in (0, KEY_BYTES - 1, KEY_BYTES + 300, len(sent) - SIGNATURE_BYTES + 5):
        changed = sent.copy()
        changed[place] ^= 1
        with pytest.raises(InputError, match="'west' is not signed for this job"):
            east.genuine({"west": changed})
    with pytest.raises(InputError, match="'north' is not signed for this job"):
        east.genuine({"north": sent})
    with pytest.raises(InputError, match="'west' is not signed for this job"):
        KeySigner("east", "another job", kits["east"]).genuine({"west": sent})


def test_the_server_s_own_certificate_signs_for_nobody_else(kits: dict[str, Path]) -> None:
    """It is of the same root; it signs exactly what west would sign."""
    forged = KeySigner("west", "job", kits["server"]).signed(KEY)
    with pytest.raises(InputError, match="key of site 'west' is signed by 'server'"):
        KeySigner("east", "job", kits["east"]).genuine({"west": forged})


def test_another_root_and_an_expired_certificate_are_refused(authority: Authority, kits: dict[str, Path],
                                                             tmp_path: Path) -> None:
    east = KeySigner("east", "job", kits["east"])
    long_ago = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    strangers = (Authority().kit(tmp_path / "stranger", "west"),
                 authority.kit(tmp_path / "old", "west", not_valid_before=long_ago,
                               not_valid_after=long_ago + datetime.timedelta(days=9)))
    for kit in strangers:
        with pytest.raises(InputError, match="VerificationError"):
            east.genuine({"west": KeySigner("west", "job", kit).signed(KEY)})


@pytest.mark.parametrize("sent", [np.zeros(KEY_BYTES + CERTIFICATE_BYTES + SIGNATURE_BYTES, np.uint8), KEY])
def test_an_unsigned_key_is_refused_where_there_are_certificates(kits: dict[str, Path], sent: np.ndarray) -> None:
    with pytest.raises(InputError, match="not signed"):
        KeySigner("east", "job", kits["east"]).genuine({"west": sent})


def test_in_the_simulator_keys_travel_unsigned() -> None:
    sent = KeySigner("west", "job", None).signed(KEY)
    assert not sent[KEY_BYTES:].any()
    np.testing.assert_array_equal(KeySigner("east", "job", None).genuine({"west": sent})["west"], KEY)


def test_a_deployed_site_has_its_kit_and_the_simulator_none(kits: dict[str, Path]) -> None:
    workspace = SimpleNamespace(get_startup_kit_dir=lambda: str(kits["east"]))
    engine = SimpleNamespace(get_workspace=lambda: workspace)
    for scope, signed in (({"site_file": "x"}, True), (None, False)):
        context = SimpleNamespace(get_prop={FLContextKey.SCOPE_PROPERTIES: scope}.get, get_job_id=lambda: "job",
                                  get_engine=lambda: engine)
        assert KeySigner.of_process(context, "east", "0" * 64).signed(KEY)[KEY_BYTES:].any() == signed
