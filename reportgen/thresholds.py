"""From where on something in a report is a finding."""

from dataclasses import dataclass


@dataclass(frozen=True)
class FindingThresholds:
    """From where on something is a finding. Shares lie between 0 and 1; every value itself is a finding's.

    few_images: below this many, correlations between units are uncertain. improvement: of the validation loss in
    the last epoch, as a share of the best before. loss_rise, loss_rise_epochs: of the validation loss, as a share of
    the lowest, in each of so many last epochs. accuracy_gap: training accuracy less test accuracy.
    class_gap: recall of the other classes together less that of the class. pair_share, pair_count: images of a
    class taken for one other class, as a share of the class and as a number. confidence: the probability at which a
    mistake is a confident one. calibration: expected calibration error. imbalance: images of the largest class for
    one of the smallest. repeated: share of a part's images that repeat an earlier one. died_share, died_units: units
    of a layer that died for good in the same epoch, as a share of the layer and as a number. heavy: share of the
    parameters, which a layer must exceed. order_gain: accuracy that another order of the classes gains. mild_cost:
    accuracy that a mild change of the pictures costs. leaked: share of the test images that have a copy in the training
    split. suspect_labels: labels of a split that look wrong, as a share of those looked through. suspect_precision:
    average precision of the search for them, below which many of them are no warning. selective: the AUROC from which
    on a unit without effect is worth a word. unselective: that below which one that is needed is.
    """

    few_images: int = 1000
    improvement: float = 0.01
    loss_rise: float = 0.1
    loss_rise_epochs: int = 2
    accuracy_gap: float = 0.05
    class_gap: float = 0.05
    pair_share: float = 0.05
    pair_count: int = 10
    confidence: float = 0.99
    calibration: float = 0.05
    imbalance: float = 10.0
    repeated: float = 0.01
    died_share: float = 0.1
    died_units: int = 4
    heavy: float = 0.8
    order_gain: float = 0.1
    mild_cost: float = 0.05
    leaked: float = 0.05
    suspect_labels: float = 0.02
    suspect_precision: float = 0.5
    selective: float = 0.9
    unselective: float = 0.7
