"""The emulated Azure Resource Manager: generic resources, their types, limits and faults, over HTTPS."""
