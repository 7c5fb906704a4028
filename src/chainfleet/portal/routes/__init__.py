"""The routes under `/api/v1`: thin, each names its permission."""
