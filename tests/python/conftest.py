"""The scripts' own modules are found as the scripts find them."""
import os
import pathlib
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.environ.get("SAPIMEM_SOURCE_DIR", pathlib.Path(__file__).parents[2]), "scripts"))
