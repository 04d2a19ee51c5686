"""Build objects from the command line with Hydra, which no other folder of the package imports."""

from routerbench.config import schema  # noqa: F401 (registers the top level of conf/)
from routerbench.config.building import (
    chosen,
    configuration,
    fit_of,
    folder_of,
    get_class,
    instantiate,
    instantiate_data,
    recipes_of,
    refuse_beside,
    router_of,
    to_dict,
    word_of,
)
from routerbench.config.overrides import Range, overrides, recompose, search_space, words
from routerbench.config.running import OutputFolder, check_seeds, make_folder, one_line_errors, running

__all__ = [
    "OutputFolder",
    "Range",
    "check_seeds",
    "chosen",
    "configuration",
    "fit_of",
    "folder_of",
    "get_class",
    "instantiate",
    "instantiate_data",
    "make_folder",
    "one_line_errors",
    "overrides",
    "recipes_of",
    "recompose",
    "refuse_beside",
    "router_of",
    "running",
    "search_space",
    "to_dict",
    "word_of",
    "words",
]
