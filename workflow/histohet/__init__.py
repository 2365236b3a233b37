"""histohet: intratumoral heterogeneity from H&E whole-slide images.

The library knows the science and the file formats. It never imports snakemake and knows no path of
the workflow, so every function can be called, and tested, alone.

Conventions that hold everywhere
--------------------------------
- Coordinates are integers, pixels of level 0, top-left corner, in the order (x, y).
- Lengths carry their unit in the name: ``_um`` micrometre, ``_px`` pixel, ``mpp`` micrometre per
  pixel.
- Images are ``uint8`` arrays of shape (height, width, 3) in RGB order.
- Expected trouble (no tissue, scale unknown, too few tiles) is an
  `histohet.common.outcome.Outcome`; anything else raises.
"""

__version__ = "0.1.0"
