"""Forecasts: how long a deployment takes, what decides it, what can go wrong, before anything is made."""

from .answer import forecast
from .learned import Learned
from .question import Hands, Question
from .tuning import Risk

__all__ = ["Hands", "Learned", "Question", "Risk", "forecast"]
