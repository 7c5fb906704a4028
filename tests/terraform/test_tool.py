"""Which Terraform is used, and what is said where there is none."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from chainfleet.drivers.terraform import embedded, tool
from chainfleet.drivers.terraform.tool import check_tool
from chainfleet.model.errors import EnvironmentProblem


def program(folder: Path, name: str, version: str) -> None:
    path = folder / name
    path.write_text(f'#!/bin/sh\nprintf \'{{"terraform_version": "{version}"}}\'\n')
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def test_tofu_comes_before_terraform(tmp_path: Path) -> None:
    program(tmp_path, "tofu", "1.9.0")
    program(tmp_path, "terraform", "1.11.4")
    found = check_tool({"PATH": str(tmp_path)})
    assert (found.name, found.version, found.command) == ("tofu", "1.9.0", (str(tmp_path / "tofu"),))


def test_one_that_is_too_old_is_passed_over(tmp_path: Path) -> None:
    program(tmp_path, "tofu", "1.4.7")
    program(tmp_path, "terraform", "1.5.0-beta1")
    assert check_tool({"PATH": str(tmp_path)}).name == "terraform"


def test_without_any_the_error_says_what_was_found_and_how_to_get_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "library", lambda: None)
    program(tmp_path, "terraform", "1.3.9")
    with pytest.raises(EnvironmentProblem) as caught:
        check_tool({"PATH": str(tmp_path)})
    assert f"{tmp_path / 'terraform'} is version 1.3.9" in caught.value.message
    assert "1.5 or newer" in caught.value.message
    assert "chainfleet[embedded]" in caught.value.way_out


def test_one_that_does_not_answer_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "library", lambda: None)
    path = tmp_path / "terraform"
    path.write_text("#!/bin/sh\nexit 1\n")
    path.chmod(0o755)
    with pytest.raises(EnvironmentProblem, match="does not answer"):
        check_tool({"PATH": str(tmp_path)})


def test_the_terraform_of_this_machine_is_found() -> None:
    found = check_tool(os.environ)
    assert tool._numbers(found.version) >= tool.MINIMUM


@pytest.mark.skipif(embedded.library() is None, reason="the embedded extra is not installed")
def test_the_embedded_one_is_found_where_nothing_is_on_the_path(tmp_path: Path) -> None:
    found = check_tool({"PATH": str(tmp_path), "TF_CLI_CONFIG_FILE": os.devnull})
    assert found.name == "embedded terraform"
    assert found.command[-1].endswith("embedded.py")
