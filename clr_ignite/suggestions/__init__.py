"""From the curve of a range test to learning rates: one file for each rule.

Every rule takes two sequences, rates and values, in the order of the sweep; entries that are not
finite are left out. What are no numbers is a TypeError; rates that fall are a ValueError.
``bounds_below_minimum`` reads a loss and is what ``suggest()`` uses by default; ``smith_bounds``
reads accuracy by the rule of arXiv:1506.01186, section 3.3, ``bounds_from_loss`` a loss in the same
way; ``steepest``, ``minimum``, ``valley`` and ``slide`` are fastai's suggestion functions, each one
rate from a loss. ``choose_setting`` takes the curves of several settings.
"""

from clr_ignite._metrics import higher_is_better
from clr_ignite.suggestions.bounds import Bounds
from clr_ignite.suggestions.lowest import bounds_below_minimum
from clr_ignite.suggestions.peers import minimum, slide, steepest, valley
from clr_ignite.suggestions.settings import Choice, Standing, choose_setting
from clr_ignite.suggestions.smith import bounds_from_loss, smith_bounds

__all__ = [
    "Bounds",
    "Choice",
    "Standing",
    "bounds_below_minimum",
    "bounds_from_loss",
    "choose_setting",
    "higher_is_better",
    "minimum",
    "slide",
    "smith_bounds",
    "steepest",
    "valley",
]
