from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from startup_kit import NOW, Party, make_party, write_kit

from fl_components.doctor.finding import Finding
from fl_components.doctor.kit import Kit, check_kit
from privacy_eval.errors import InputError


@pytest.fixture(scope="module")
def authority() -> Party:
    return make_party("study")


@pytest.fixture
def kit(tmp_path: Path, authority: Party) -> Kit:
    return Kit(write_kit(tmp_path / "kit", make_party("east", authority), authority, "east", "server1:8002"))


def findings(kit: Kit, site: str = "east") -> dict[str, Finding]:
    return {one.check: one for one in check_kit(kit, site)}


def replace_site(kit: Kit, party: Party) -> None:
    party.write(kit.startup / "client.crt", kit.startup / "client.key")


def test_a_good_kit_has_nothing_to_fix(kit: Kit) -> None:
    found = findings(kit)
    assert {one.status for one in found.values()} == {"ok"}
    assert set(found) == {"root certificate", "site certificate", "kit's name", "issuer", "key's mode", "key",
                          "lock-down"}
    assert not any(one.advice for one in found.values())
    assert kit.server() == ("server1:8002", "server1")


def test_private_key_is_in_no_finding(kit: Kit) -> None:
    secret = (kit.startup / "client.key").read_text().splitlines()[1]
    assert secret not in str(findings(kit))


@pytest.mark.parametrize(("begin", "end", "status", "words"), [
    (-400, -1, "fix", "expired"),
    (-1, 29, "look", "28 days left"),
    (-1, 40, "ok", "39 days left"),
    (2, 400, "fix", "not yet"),
])
def test_validity_of_the_sites_certificate(kit: Kit, authority: Party, begin: int, end: int, status: str,
                                           words: str) -> None:
    replace_site(kit, make_party("east", authority, NOW + timedelta(days=begin), NOW + timedelta(days=end)))
    found = findings(kit)["site certificate"]
    assert found.status == status
    assert words in found.found
    assert f"{NOW + timedelta(days=end):%Y-%m-%d}" in found.found


def test_expired_authority(tmp_path: Path) -> None:
    old = make_party("study", None, NOW - timedelta(days=400), NOW - timedelta(days=2))
    kit = Kit(write_kit(tmp_path / "kit", make_party("east", old), old, "east", "server1:8002"))
    assert "expired" in findings(kit)["root certificate"].found


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o606, 0o400, 0o700])
def test_mode_of_the_key(kit: Kit, mode: int) -> None:
    (kit.startup / "client.key").chmod(mode)
    found = findings(kit)["key's mode"]
    assert found.status == "fix"
    assert f"{mode:04o}" in found.found
    assert "chmod 600" in found.advice


def test_another_sites_kit(kit: Kit) -> None:
    found = findings(kit, "west")["kit's name"]
    assert found.status == "fix"
    assert "never use another site's kit" in found.advice


def test_names_that_disagree_within_the_kit(kit: Kit) -> None:
    path = kit.startup / "fed_client.json"
    content = json.loads(path.read_text())
    content["client"]["fqsn"] = "relay.west"
    path.write_text(json.dumps(content))
    assert "relay.west" in findings(kit)["kit's name"].found
    assert findings(kit)["kit's name"].status == "fix"


def test_certificate_of_another_authority(kit: Kit) -> None:
    replace_site(kit, make_party("east", make_party("study")))  # the same name, another key
    assert findings(kit)["issuer"].status == "fix"


def test_key_of_another_certificate(kit: Kit, authority: Party, tmp_path: Path) -> None:
    make_party("east", authority).write(tmp_path / "unused", kit.startup / "client.key")
    assert findings(kit)["key"].status == "fix"


@pytest.mark.parametrize(("file", "check"), [("client.crt", "site certificate"), ("client.key", "key"),
                                             ("rootCA.pem", "root certificate")])
@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_text("garbage")], ids=["missing", "garbage"])
def test_missing_or_damaged_part(kit: Kit, file: str, check: str, damage: Callable[[Path], object]) -> None:
    damage(kit.startup / file)
    found = findings(kit)[check]
    assert found.status == "fix"
    assert file in found.found


def test_kit_that_was_not_locked_down(kit: Kit) -> None:
    (kit.folder / "local" / "privacy.json").unlink()
    found = findings(kit)["lock-down"]
    assert (found.status, found.found) == ("fix", "local/ lacks privacy.json")


@pytest.mark.parametrize("content", ["{}", '{"servers": []}', '{"servers": [{}]}', "no json"])
def test_kit_without_a_server(kit: Kit, content: str) -> None:
    (kit.startup / "fed_client.json").write_text(content)
    with pytest.raises(InputError, match=r"fed_client\.json"):
        kit.server()
    assert findings(kit)["kit's name"].status == "fix"
