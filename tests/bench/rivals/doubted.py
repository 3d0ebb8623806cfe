"""Copies of images by CleanVision and labels that look wrong by cleanlab, as their documentation shows them.

python doubted.py LIBRARIES MODEL DATA PICTURES

LIBRARIES: the folder that the two are installed in. PICTURES: a folder with all images as PNGs.
"""

import sys

import keras
import numpy as np

sys.path.append(sys.argv[1])

from cleanlab.filter import find_label_issues
from cleanvision import Imagelab

if __name__ == "__main__":  # both start processes, which import this file again
    model = keras.models.load_model(sys.argv[2], compile=False)
    with np.load(sys.argv[3]) as data:
        for part in ("train", "test"):
            images = data[f"x_{part}"].astype("float32")[..., np.newaxis] / 255
            predicted = model.predict(images, batch_size=500, verbose=0)
            find_label_issues(data[f"y_{part}"], predicted, return_indices_ranked_by="self_confidence")
    found = Imagelab(data_path=sys.argv[4], verbose=False)
    found.find_issues({"exact_duplicates": {}, "near_duplicates": {}}, verbose=False)
