# SPDX-License-Identifier: Apache-2.0
"""An evaluation to look at: page, tables, plots, and a log for rerun."""
