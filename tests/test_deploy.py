"""What `deploy/` says, against the code that it deploys."""

from __future__ import annotations

import re

import yaml
from conftest import REPOSITORY

from serving.guard import OPEN_PATHS
from serving.settings import Settings

DEPLOY = REPOSITORY / "deploy"


def test_every_variable_of_the_environment_is_documented_and_no_other():
    source = (REPOSITORY / "serving" / "settings.py").read_text()
    read = set(re.findall(r'"(PROGNOSIS_[A-Z_]+|MLFLOW_TRACKING_URI)"', source))
    table = re.findall(r"^\| `([A-Z_]+)` \|", (DEPLOY / "README.md").read_text(), flags=re.MULTILINE)
    assert len(read) > 10
    assert sorted(table) == sorted(read)


def test_the_numbers_in_the_table_are_those_of_the_settings():
    text = (DEPLOY / "README.md").read_text()
    defaults = dict(re.findall(r"^\| `PROGNOSIS_([A-Z_]+)` \| ([\w.]+)", text, flags=re.MULTILINE))
    assert defaults["HOST"] == Settings.host
    for name in ("PORT", "WORKERS", "POLL_SECONDS", "TIMEOUT_SECONDS", "BODY_LIMIT_BYTES"):
        assert float(defaults[name]) == getattr(Settings, name.lower())
    guarded = Settings.from_environment({"PROGNOSIS_TOKENS_FILE": "tokens"})
    assert float(defaults["RATE_PER_MINUTE"]) == guarded.requests_per_minute
    assert float(defaults["PROFILES_PER_MINUTE"]) == guarded.profiles_per_minute


def test_the_compose_file_starts_what_is_built_guarded_and_on_this_machine_only():
    described = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    services = described["services"]
    assert set(services) == {"service", "mlflow", "bucket", "postgres", "store"}
    targets = set(re.findall(r"^FROM .* AS (\w+)$", (DEPLOY / "Containerfile").read_text(), flags=re.MULTILINE))
    for each in services.values():
        assert "build" not in each or each["build"]["target"] in targets
        assert all(port.startswith("127.0.0.1:") for port in each.get("ports", ()))
        assert set(each["networks"]) <= set(described["networks"])
    service = services["service"]
    assert service["read_only"] is True
    assert service["environment"]["PROGNOSIS_TOKENS_FILE"].startswith("/etc/prognosis/")
    assert "./tokens:/etc/prognosis:ro" in service["volumes"]


def test_the_image_runs_as_nobody_special_and_asks_whether_it_is_ready():
    text = (DEPLOY / "Containerfile").read_text()
    users = re.findall(r"^USER (\d+)$", text, flags=re.MULTILINE)
    assert users == ["10001"]
    asked = re.search(r"http://127\.0\.0\.1:3000(/\w+)", text)
    assert asked is not None
    assert asked[1] == "/readyz"
    assert asked[1] in OPEN_PATHS
