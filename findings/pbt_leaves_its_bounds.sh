#!/bin/sh
# One expects: PopulationBasedTraining with hyperparam_mutations {"momentum": tune.uniform(0.5, 0.99), "width": tune.qrandint(32,
#   256, 32)} tries momenta from 0.5 to 0.99 and multiples of 32: "the distribution of a continuous parameter".
# What happens: the distribution is for first values and resampling alone. A perturbed value, three of four by default, is the old
#   one times 0.8 or 1.2, neither clipped nor put on the grid: momenta beyond 1 are trained with, and widths such as 138.
#   Nothing is said; a population whose score favours large values is driven on without end.
# Whom it concerns: whoever searches momentum, dropout, betas or sizes by PBT: keep to the bounds in custom_explore_fn.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet "ray[tune]==2.60.0" numpy==2.4.6
cat > "$folder/show.py" <<'END'
import logging
import random
import sys
import time
import warnings

import numpy
import ray
from ray import tune
from ray.tune.schedulers import PopulationBasedTraining

warnings.simplefilter("ignore")


class Training(tune.Trainable):
    def setup(self, config):
        self.config = config

    def reset_config(self, config):
        self.config = config
        return True

    def step(self):
        time.sleep(0.2)  # or the first is done before the others begin
        return {"score": self.config["momentum"], "momentum": self.config["momentum"], "width": self.config["width"]}

    def save_checkpoint(self, folder):
        return {}

    def load_checkpoint(self, checkpoint):
        pass


random.seed(0)
numpy.random.seed(0)
ray.init(num_cpus=4, logging_level=logging.ERROR, log_to_driver=False, include_dashboard=False)
scheduler = PopulationBasedTraining(
    time_attr="training_iteration",
    perturbation_interval=1,
    hyperparam_mutations={"momentum": tune.uniform(0.5, 0.99), "width": tune.qrandint(32, 256, 32)},
    quantile_fraction=0.5,
    log_config=False,
)
tuner = tune.Tuner(
    Training,
    tune_config=tune.TuneConfig(metric="score", mode="max", scheduler=scheduler, num_samples=4, reuse_actors=True),
    run_config=tune.RunConfig(storage_path=sys.argv[1], stop={"training_iteration": 12}, verbose=0),
)
runs = [result.metrics_dataframe for result in tuner.fit()]
momenta = sorted({round(value, 3) for run in runs for value in run["momentum"].tolist()})
widths = sorted({value for run in runs for value in run["width"].tolist()})
outside = [value for value in momenta if not 0.5 <= value <= 0.99]
off_grid = [value for value in widths if value % 32 or not 32 <= value <= 256]
print("Python", sys.version.split()[0], "ray", ray.__version__)
print("momenta that were used, expected from 0.5 to 0.99:", momenta)
print("widths that were used, expected multiples of 32 up to 256:", widths)
print("outside:", outside, off_grid)
sys.exit(0 if outside and off_grid else 1)
END
"$folder/venv/bin/python" "$folder/show.py" "$folder/results" 2> "$folder/log" || { cat "$folder/log"; exit 1; }
