"""Run a command of nnU-Net beside any PyTorch: nnunet_command.py nnUNetv2_predict_... arguments."""

from __future__ import annotations

import sys
from importlib.metadata import entry_points

from histohet.common.torchvision import import_with_torchvision

if __name__ == "__main__":  # nnU-Net starts processes that import this file
    import_with_torchvision("torchvision")
    sys.argv = sys.argv[1:]
    (command,) = entry_points(group="console_scripts", name=sys.argv[0])
    command.load()()
else:
    import_with_torchvision("torchvision")
