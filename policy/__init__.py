"""What a deploy may not do, as rules: asked by Pulumi as a policy pack, and of a plan by the review.

The rules are pure functions (``rules``). ``python -m policy`` serves those about objects to Pulumi's engine. Those
about what a plan takes away no policy pack sees: the review asks them (``plan``). Levels, parameters and exceptions
stand in one file per environment (``config``).
"""

from typing import Final

NAME: Final = "dapr-osm"
"""What the pack is called in Pulumi's events."""
