"""A prepared data set -> one HTML page to look at."""

from bitsft.data.report.accounts import changes_examples as changes_examples
from bitsft.data.report.build import build_report as build_report
from bitsft.data.report.build import write_report as write_report
from bitsft.data.report.folder import report_from_folder as report_from_folder
