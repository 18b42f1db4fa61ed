"""A comparison -> one HTML page to look at."""

from bitsft.comparison.report.build import build_comparison_report as build_comparison_report
from bitsft.data.report.build import write_report as write_report
