"""The model catalogue: bases that can be tuned, where and until when, and which is nearest to which; each fact dated and sourced."""

from tuneport.catalogue.catalogue import Catalogue, catalogue
from tuneport.catalogue.entry import Base
from tuneport.catalogue.nearest_bases import Nearest, nearest

__all__ = ["Base", "Catalogue", "Nearest", "catalogue", "nearest"]
