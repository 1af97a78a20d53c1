"""The files that lock a party down."""

from __future__ import annotations

import inspect
import json
from pathlib import Path

import pytest
import tomli_w
from nvflare.apis.fl_component import FLComponent
from nvflare.app_common.widgets.component_path_authorizer import ComponentPathAuthorizer
from nvflare.fuel.sec.authz import AuthzContext, Person
from nvflare.fuel.utils.class_loader import load_class
from nvflare.security.security import COMMAND_CATEGORIES, FLAuthorizer
from small_run import small_study

from jobs.recipes import CLASS_ALLOW_LIST, SITE_COMPONENTS
from poc_workspace.lockdown import HEARTBEAT_S, authorization, differing, lock_server, lock_site
from privacy_eval.errors import InputError

ROLES = ["project_admin", "org_admin", "lead", "member", "a role nobody heard of"]
SHIPPED = {
    "format_version": 2, "class_list_enforcement_mode": "warn", "class_allow_list": ["nvflare."],
    "allow_log_streaming": True, "client": {"retry_timeout": 30},
    "components": [{"id": "process_launcher", "path": "a.B"}, {"id": "site_log_streamer", "path": "a.C"},
                   {"id": "log_receiver", "path": "a.D"}]}
SERVERS = {**SHIPPED, "servers": [{"heart_beat_timeout": 600, "max_num_clients": 100}],
           "snapshot_persistor": {"path": "a.E", "args": {"uri_root": "/", "storage": {
               "path": "a.F", "args": {"root_dir": "/tmp/nvflare/snapshot-storage", "uri_root": "/"}}}},
           "components": [*SHIPPED["components"], {"id": "job_manager", "path": "a.G", "args": {
               "uri_root": "/tmp/nvflare/jobs-storage", "job_store_id": "job_store"}}]}


def provisioned(folder: Path, config: str, shipped: dict) -> Path:
    for name, file, content in (("local", "resources.json.default", shipped),
                                ("startup", config, {"client": {"fqsn": "east"}})):
        (folder / name).mkdir(parents=True)
        (folder / name / file).write_text(json.dumps(content))
    return folder


@pytest.fixture
def kit(tmp_path: Path) -> Path:
    """A kit as provisioned, with a site's settings beside it, locked down."""
    provisioned(tmp_path, "fed_client.json", SHIPPED)
    (tmp_path / "site.toml").write_text(tomli_w.dumps({
        "name": "east", "study": "study.toml", "state": "state", "data": {"root": "data", "dialect": "brats2020"},
        "policy": {"tasks": ["summarise", "train"]}}))
    lock_site(tmp_path, tmp_path / "site.toml")
    return tmp_path


@pytest.fixture
def server_kit(tmp_path: Path) -> Path:
    """The server's kit, locked down."""
    kit = provisioned(tmp_path / "server", "fed_server.json", SERVERS)
    lock_server(kit, tmp_path / "storage")
    return kit


def read(kit: Path, name: str) -> dict:
    return json.loads((kit / "local" / name).read_text())


def may(role: str, right: str, org: str = "nvidia") -> bool:
    person = Person("somebody@nvidia.com", org, role)
    allowed, _ = FLAuthorizer("nvidia", authorization()).authorize(AuthzContext(right, person, person))
    return allowed


def test_resources_allow_our_classes_alone_and_stream_no_log(kit: Path) -> None:
    found = read(kit, "resources.json")
    assert found["class_list_enforcement_mode"] == "enforce"
    assert found["class_allow_list"] == sorted(SITE_COMPONENTS)  # a server's controllers are nothing for a site
    assert found["allow_log_streaming"] is False
    assert [part["id"] for part in found["components"]] == ["process_launcher", "job_checker", "wire_guard"]
    assert found["client"] == SHIPPED["client"]


def test_allow_list_names_existing_classes_exactly() -> None:
    for path in CLASS_ALLOW_LIST:
        assert inspect.isclass(load_class(path))


@pytest.mark.parametrize(("path", "allowed"), [
    *((path, path in SITE_COMPONENTS) for path in CLASS_ALLOW_LIST),
    ("fl_components.client.executor.SiteExecutor", False),
    ("fl_components.client.train_executor.TrainExecutorOther", False),
    ("nvflare.app_common.np.np_trainer.NPTrainer", False),
    ("subprocess.Popen", False)])
def test_nvflare_reads_the_list_as_meant(kit: Path, path: str, allowed: bool) -> None:
    policy, mode, uses_default = ComponentPathAuthorizer()._get_policy_from_file(str(kit / "local/resources.json"))
    assert mode == "enforce"
    assert not uses_default
    assert any(ComponentPathAuthorizer._path_matches_prefix(path, entry) for entry in policy) is allowed


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("right", ["byoc", "server-predeployed-flwr", "clone_job", "show_errors", "show_stats", "ls",
                                   "cat", "tail", "sys_info", "shutdown", "restart", "report_env"])
def test_nobody_has_the_dangerous_rights(role: str, right: str) -> None:
    assert not may(role, right)


def test_no_shell_or_remote_control_command_was_forgotten() -> None:
    for command, category in COMMAND_CATEGORIES.items():
        if category in ("shell_commands", "operate"):
            assert not any(may(role, str(command)) for role in ROLES)


@pytest.mark.parametrize(("role", "allowed"), list(zip(ROLES, [True, False, True, False, False], strict=True)))
def test_coordinators_alone_submit(role: str, allowed: bool) -> None:
    assert may(role, "submit_job") is allowed


def test_org_admin_may_stop_jobs_at_its_own_site_alone() -> None:
    assert may("org_admin", "abort_job")
    assert not may("org_admin", "abort_job", org="elsewhere")


def test_privacy_scope_names_the_sites_own_file(kit: Path) -> None:
    content = read(kit, "privacy.json")
    assert [scope["name"] for scope in content["scopes"]] == [content["default_scope"]]
    assert content["scopes"][0]["properties"] == {"site_file": str(kit / "site.toml")}


def test_policy_of_the_site_is_compiled_into_its_filter_and_its_checker(kit: Path) -> None:
    (part,) = read(kit, "privacy.json")["scopes"][0]["task_result_filters"]
    assert part["args"] == {"site_file": str(kit / "site.toml"), "tasks": ["summarise", "train"]}
    checker, own_guard = read(kit, "resources.json")["components"][-2:]
    assert checker["args"] == {"components": SITE_COMPONENTS, "tasks": ["summarise", "train"]}
    (job_guard,) = read(kit, "privacy.json")["components"]
    assert own_guard == job_guard


def test_named_parts_can_be_built_as_written(kit: Path) -> None:
    (tmp := kit / "study.toml").write_text(tomli_w.dumps(small_study()))
    resources, privacy = read(kit, "resources.json"), read(kit, "privacy.json")
    parts = [*resources["components"][-2:], *privacy["components"], *privacy["scopes"][0]["task_result_filters"]]
    assert tmp.exists()
    for part in parts:
        assert isinstance(load_class(part["path"])(**part["args"]), FLComponent)


def test_server_has_no_scope_and_stores_in_a_place_of_its_own(server_kit: Path, tmp_path: Path) -> None:
    found = read(server_kit, "resources.json")
    assert not (server_kit / "local/privacy.json").exists()
    assert found["class_allow_list"] == CLASS_ALLOW_LIST
    assert found["servers"] == [{"heart_beat_timeout": HEARTBEAT_S, "max_num_clients": 100}]
    stored = [part["args"] for part in found["components"] if part["id"] == "job_manager"]
    assert stored == [{"uri_root": str(tmp_path / "storage/jobs"), "job_store_id": "job_store"}]
    assert found["snapshot_persistor"]["args"]["storage"]["args"]["root_dir"] == str(tmp_path / "storage/snapshots")
    assert "/tmp/nvflare" not in (server_kit / "local/resources.json").read_text()


def test_project_admin_alone_may_keep_a_site_out_and_at_the_server_alone(server_kit: Path) -> None:
    authorizer = FLAuthorizer("consortium", read(server_kit, "authorization.json"))
    for role in ROLES:
        person = Person("somebody@nvidia.com", "nvidia", role)
        for right in ("disable_client", "enable_client"):
            allowed, _ = authorizer.authorize(AuthzContext(right, person, person))
            assert allowed is (role == "project_admin")
            assert not may(role, right)
        assert not authorizer.authorize(AuthzContext("shutdown", person, person))[0]


@pytest.mark.parametrize("name", ["resources.json", "authorization.json", "privacy.json"])
def test_locking_down_again_changes_nothing(kit: Path, name: str) -> None:
    before = read(kit, name)
    lock_site(kit, kit / "site.toml")
    assert read(kit, name) == before


def test_what_a_lock_down_would_write_today_is_compared(kit: Path) -> None:
    site = kit / "site.toml"
    assert differing(kit, site) == []
    own = read(kit, "resources.json")
    own["components"].insert(0, own["components"].pop())
    own["components"].append({"id": "resource_manager", "path": "a.H", "args": {}})
    (kit / "local/resources.json").write_text(json.dumps(own))
    assert differing(kit, site) == []  # the owner's business
    own["class_allow_list"].append("a.Hostile")
    (kit / "local/resources.json").write_text(json.dumps(own))
    (kit / "local/authorization.json").unlink()
    assert differing(kit, site) == ["resources.json", "authorization.json"]
    lock_site(kit, site)
    site.write_text(site.read_text().replace('"train",\n', ""))
    assert differing(kit, site) == ["resources.json", "privacy.json"]


def test_what_the_owner_put_into_the_resources_stays(kit: Path) -> None:
    own = read(kit, "resources.json")
    own["components"].append({"id": "resource_manager", "path": "a.H", "args": {"num_of_gpus": 2}})
    (kit / "local/resources.json").write_text(json.dumps(own))
    lock_site(kit, kit / "site.toml")
    parts = {part["id"]: part for part in read(kit, "resources.json")["components"]}
    assert parts["resource_manager"]["args"] == {"num_of_gpus": 2}
    assert "job_checker" in parts


def test_what_is_no_kit_or_no_site_is_said(tmp_path: Path, kit: Path, server_kit: Path) -> None:
    with pytest.raises(InputError, match="no startup kit of a site"):
        lock_site(tmp_path / "nowhere", kit / "site.toml")
    with pytest.raises(InputError, match="no startup kit of a site"):
        lock_site(server_kit, kit / "site.toml")
    with pytest.raises(InputError, match="no startup kit of a server"):
        lock_server(kit, tmp_path)
    with pytest.raises(InputError, match=r"site\.toml"):
        lock_site(kit, tmp_path / "absent" / "site.toml")
    (kit / "startup/fed_client.json").write_text(json.dumps({"client": {"fqsn": "west"}}))
    with pytest.raises(InputError, match=r"the kit of 'west', but .* is of 'east'"):
        lock_site(kit, kit / "site.toml")
