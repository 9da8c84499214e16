import os

import pytest

from jsra.runtime.launcher import adopt

SRUN = {"SLURM_STEP_NUM_TASKS": "8", "SLURM_PROCID": "5", "SLURM_LOCALID": "1", "PMIX_RANK": "5"}


@pytest.fixture
def environment(monkeypatch):
    for name in [n for n in os.environ if n.startswith(("OMPI_", "SLURM_", "PMI"))]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(os, "environ", os.environ.copy())
    return os.environ


def words(environment):
    return {name[len("OMPI_COMM_WORLD_") :]: v for name, v in environment.items() if name.startswith("OMPI_COMM_WORLD_")}


def test_tasks_of_srun_are_ranks(environment):
    environment.update(SRUN)
    adopt()
    assert words(environment) == {"SIZE": "8", "RANK": "5", "LOCAL_RANK": "1"}


@pytest.mark.parametrize("name, value", [("SLURM_STEP_NUM_TASKS", "1"), ("PMIX_RANK", None), ("SLURM_STEP_NUM_TASKS", None)])
def test_one_task_or_a_batch_script_is_no_rank(environment, name, value):
    environment.update({k: v for k, v in SRUN.items() if k != name})
    if value:
        environment[name] = value
    adopt()
    assert words(environment) == {}


def test_mpirun_within_slurm_knows_better(environment):
    environment.update(SRUN, OMPI_COMM_WORLD_SIZE="2", OMPI_COMM_WORLD_RANK="1")
    adopt()
    assert words(environment) == {"SIZE": "2", "RANK": "1"}
