"""The stack's settings: every key of its config, declared once and checked all at once before anything is touched.

``keys`` declares them; modules named after a topic hold the rules of single values, ``between`` those between settings;
``read`` puts all of it together, and ``documents`` writes ``Pulumi.yaml``'s schema and the tables of
``docs/settings.md``. Nothing here knows Pulumi.
"""

from settings.names import LONGEST_APP_ID
from settings.numbers import MOST_REPLICAS
from settings.problem import Problem, SettingsError
from settings.project import PROJECT, ROOT, VERSION
from settings.read import APP_KEYS, KEYS, POLICY_KEYS, SECRET_KEYS, declared_defaults, load, parse
from settings.result import Chart, Images, Settings

__all__ = [
    "APP_KEYS",
    "KEYS",
    "LONGEST_APP_ID",
    "MOST_REPLICAS",
    "POLICY_KEYS",
    "PROJECT",
    "ROOT",
    "SECRET_KEYS",
    "VERSION",
    "Chart",
    "Images",
    "Problem",
    "Settings",
    "SettingsError",
    "declared_defaults",
    "load",
    "parse",
]
