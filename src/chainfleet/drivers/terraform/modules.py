"""Where the Terraform modules of this installation lie."""

from __future__ import annotations

from pathlib import Path

from chainfleet.model.errors import EnvironmentProblem


def modules_folder() -> Path:
    """Folder with `azure/network` and the like: packaged with chainfleet, or of a source checkout.

    Raises:
        EnvironmentProblem: neither is there.
    """
    here = Path(__file__).resolve()
    packaged = here.with_name("modules")
    checkout = here.parents[4] / "terraform"
    for folder in (packaged, checkout):
        if (folder / "azure" / "network" / "main.tf").is_file():
            return folder
    raise EnvironmentProblem(
        f"the Terraform modules are missing: neither {packaged} nor {checkout} has them",
        way_out="reinstall chainfleet",
    )
