"""A report by fg-data-profiling (formerly ydata-profiling) on the table that export.py made.

python profiled.py TABLE.npz REPORT.html
"""

import sys

import numpy as np
import pandas
from data_profiling import ProfileReport

with np.load(sys.argv[1]) as data:
    columns = {f"{layer} {unit}": data[layer][:, unit] for layer in data.files for unit in range(data[layer].shape[1])}
# in full it draws a picture for every pair of columns
ProfileReport(pandas.DataFrame(columns), title="Units", minimal=True, progress_bar=False).to_file(sys.argv[2])
