"""What the API takes and gives: one module per area, and nothing here does anything."""
