"""The price book: dated, sourced prices of training, of answers and of hours, one file of rows for each provider."""

from tuneport.prices.book import PriceBook
from tuneport.prices.price import OLD_AFTER_DAYS, UNITS, Price

__all__ = ["OLD_AFTER_DAYS", "UNITS", "Price", "PriceBook"]
