"""Which way a metric is better, told by its name where that is well known."""

from __future__ import annotations

import re

_LOWER = (
    "loss error err nll mse mae rmse rmsle mape cross entropy crossentropy bce ce kl divergence "
    "perplexity ppl bits bpc bpd wer cer fid lpips distance deviation brier ece logloss"
)
_HIGHER = (
    "accuracy acc precision recall sensitivity specificity f1 fbeta score auc auroc aucpr map ap "
    "iou miou jaccard dice r2 bleu rouge psnr ssim correlation kappa mcc top1 top5 likelihood "
    "ndcg mrr"
)
# Beside these a name tells nothing: scikit-learn's neg_mean_squared_error is a gain, and it is
# better if an accuracy drops or scatters less.
_TURNED = set("negative neg negated minus inverse inverted inv drop gap std".split())
_TURNING_SIGN = re.compile(r"\s*1?\s*[-\u2212]")  # "-loss", "1 - IoU"
_KNOWN = dict.fromkeys(_LOWER.split(), False) | dict.fromkeys(_HIGHER.split(), True)


def higher_is_better(name: str) -> bool:
    """Whether a metric of this name is better where it is higher.

    Raises:
        ValueError: the name tells nothing, or both.

    >>> higher_is_better("top5_accuracy"), higher_is_better("val_loss"), higher_is_better("NLL")
    (True, False, False)
    """
    parts = [part.lower() for part in re.findall(r"[A-Z]+(?![a-z])\d*|[A-Z]?[a-z]+\d*", name)]
    words = {name.lower(), *parts, *(part.rstrip("0123456789") for part in parts)}
    found = {_KNOWN[word] for word in words & _KNOWN.keys()}
    if parts and parts[-1] == "loss":  # a loss made of a score, such as dice
        found = {False}
    if words & _TURNED or _TURNING_SIGN.match(name) or len(found) != 1:
        raise ValueError(
            f"higher_is_better must be given for the metric {name!r}: its name does not tell"
        )
    return found.pop()
