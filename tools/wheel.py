"""Puts the portal's built pages into the wheel; a wheel without both builds is not built at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class PortalPages(BuildHookInterface):
    """Hatch calls it before it builds a wheel. An editable install reads the pages from the clone instead."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add both bundles, or say which is missing.

        Raises:
            FileNotFoundError: they were not built.
        """
        if version == "editable":
            return
        for name in ("vue", "react"):
            folder = Path(self.root) / "portal" / "dist" / name
            if not (folder / "manifest.json").is_file():
                raise FileNotFoundError(f"{folder} is not there: build the portal's pages with `make portal`")
            build_data["force_include"][str(folder)] = f"chainfleet/portal/web/{name}"
