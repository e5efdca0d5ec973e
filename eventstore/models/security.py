"""Security: how secrets are recognised and redacted, and what is off limits."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from eventstore.models.layout import REQUIRED
from eventstore.models.record import Flag, Record, Text


class SensitivityLevel(StrEnum):
    """How sensitive a piece of data is."""

    PUBLIC = "Public"
    NORMAL = "Normal"
    SENSITIVE = "Sensitive"
    HIGHLY_SENSITIVE = "HighlySensitive"
    CRITICAL = "Critical"


class RedactionStrategy(StrEnum):
    """What replaces a piece of sensitive data."""

    MASK = "Mask"
    REMOVE = "Remove"
    HASH = "Hash"


class ClassificationRule(Record):
    """A pattern, and how sensitive what it matches is."""

    name: Text
    pattern: Text
    level: SensitivityLevel
    description: Text


class FeatureToggles(Record):
    """Which protections are on."""

    output_sanitizer: Annotated[Flag, REQUIRED] = True
    taint_tracking: Annotated[Flag, REQUIRED] = True
    tool_interceptor: Annotated[Flag, REQUIRED] = True
    injection_defense: Annotated[Flag, REQUIRED] = True


class SecurityConfig(Record):
    """The protections of one session; the constructor starts without any rules."""

    enabled: Annotated[Flag, REQUIRED] = True
    classification_rules: Annotated[tuple[ClassificationRule, ...], REQUIRED] = ()
    redaction_strategy: Annotated[RedactionStrategy, REQUIRED] = RedactionStrategy.REMOVE
    network_whitelist: Annotated[tuple[Text, ...], REQUIRED] = ()
    dangerous_commands: Annotated[tuple[Text, ...], REQUIRED] = ()
    features: Annotated[FeatureToggles, REQUIRED] = FeatureToggles()
