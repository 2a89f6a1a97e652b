"""The public path of :mod:`clr_ignite.live.visdom_assets`, a command as well."""

import sys

from clr_ignite.live.visdom_assets import AssetError, in_place, install, main, static_folder

__all__ = ["AssetError", "in_place", "install", "main", "static_folder"]

if __name__ == "__main__":
    sys.exit(main())
