"""The training loop: its schedule, its exactness, and that a killed run ends as if it had never been killed."""

from __future__ import annotations

import csv
import inspect
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from gerund.errors import GerundError, UsageError
from gerund.methods.training.schedule import Schedule

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402  only where PyTorch is installed

from gerund.methods.training import run_folder  # noqa: E402
from gerund.methods.training.fitting import Group, fit_network, learned, load_learned  # noqa: E402
from gerund.methods.training.processes import find_device  # noqa: E402

N, D, E = 23, 6, 3
PAPER = Schedule(1e-4, warmup_steps=1700, period_steps=17_000, batch=128)


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Tensors this small are slower on several threads, much so beside other work."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


class KilledError(Exception):
    """Stands for whatever ends a process."""


def make_network(width=5):
    torch.manual_seed(7)
    return nn.Sequential(nn.Linear(D, width), nn.BatchNorm1d(width), nn.Dropout(0.5), nn.Linear(width, E))


def make_loss(network, kill_at=None, seen=None):
    """A regression on fixed data that also draws from the generator and may raise at some call."""
    random = np.random.default_rng(3)
    x = torch.from_numpy(random.standard_normal((N, D)).astype(np.float32))
    y = torch.from_numpy(random.standard_normal((N, E)).astype(np.float32))
    calls = [0]

    def loss(places, generator):
        if kill_at is not None and calls[0] == kill_at:
            raise KilledError
        calls[0] += 1
        if seen is not None:
            seen.append(places.tolist())
        noise = 0.1 * torch.randn(len(places), D, generator=generator)
        return ((network(x[places] + noise) - y[places]) ** 2).mean()

    return loss


def settings(**changes):
    rate = Schedule(0.02, warmup_steps=5, period_steps=40, batch=8)
    return {"epochs": 4, "batch": 8, "schedule": rate, "weight_decay": 1e-3, **changes}


def validation(network):
    """Some number that goes up and down with the weights."""
    return float(torch.sin(50 * network[0].weight.sum()))


def equal(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def whole_run(**changes):
    network = make_network()
    history = fit_network(network, make_loss(network), N, **settings(**changes))
    return network, history


@pytest.mark.parametrize(
    ("step", "rate"),
    [
        (0, "7.8125000e-07"),
        (1, "7.8348298e-07"),
        (850, "8.8388348e-06"),
        (1699, "9.9714993e-05"),
        (1700, "1.0000000e-04"),
        (1701, "9.9997072e-05"),
        (5000, "8.2141887e-05"),
        (10_000, "3.7227882e-05"),
        (17_000, "0.0000000e+00"),
    ],
)
def test_schedule_gives_the_released_codes_rates(step, rate):
    """Base 1e-4, batch 128, 1,700 steps of warm-up, 17,000 in all: what the released code printed."""
    assert f"{PAPER.lr_at(step):.7e}" == rate


def test_schedule_is_pytorchs_chained_cosine_also_beyond_its_end():
    """After the warm-up the rates are those of PyTorch's recursion, which falls to 0, climbs and falls again."""
    rate = Schedule(0.5, warmup_steps=7, period_steps=50, batch=16)
    parameter = nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([{"params": [parameter], "lr": 0.5, "initial_lr": 0.5}], lr=0.5)
    chained = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=50, last_epoch=6)
    optimizer.param_groups[0]["lr"] = 0.5
    for step in range(8, 170):
        optimizer.step()
        chained.step()
        assert rate.lr_at(step) == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-9, abs=1e-12), step
    assert rate.lr_at(100) == pytest.approx(0.5)


def test_schedule_of_one_graph_has_no_warm_up():
    """With a batch of 1 the warm-up multiplies by 1, and without a period the rate stays."""
    assert [Schedule(1e-3, 20, None, 1).lr_at(step) for step in (0, 10, 20, 500)] == [1e-3] * 4


@pytest.mark.parametrize("wrong", [{"lr": 0}, {"lr": 1, "batch": 0}, {"lr": 1, "warmup_steps": 5, "period_steps": 5}])
def test_schedule_refuses_what_cannot_be_a_rate(wrong):
    """No negative rates, and a warm-up ends before the period does."""
    with pytest.raises(UsageError):
        Schedule(**wrong)


def test_a_run_is_a_plain_loop_of_adam_with_clipped_gradients():
    """Weights after a run equal, to the last bit, those of a loop written out here on the batches that it drew."""
    seen, network = [], nn.Linear(D, E)
    start = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    x = torch.from_numpy(np.random.default_rng(1).standard_normal((N, D)).astype(np.float32))

    def loss_of(net, places):
        return (net(x[places]) ** 3).sum(1).mean()

    def loss(places, generator):
        seen.append(places)
        return loss_of(network, places)

    given = settings(clip=0.1)
    history = fit_network(network, loss, N, **given)

    other = nn.Linear(D, E)
    other.load_state_dict(start)
    adam = torch.optim.Adam(other.parameters(), lr=1.0, weight_decay=1e-3)
    losses = []
    for step, places in enumerate(seen):
        value = loss_of(other, places)
        adam.zero_grad()
        value.backward()
        assert nn.utils.clip_grad_norm_(other.parameters(), 0.1) > 0.1  # so clipping plays a part
        adam.param_groups[0]["lr"] = given["schedule"].lr_at(step)
        adam.step()
        losses.append(float(value.detach()) * len(places))
    assert equal(network.state_dict(), other.state_dict())
    assert [epoch.loss for epoch in history.epochs] == pytest.approx([sum(losses[i : i + 3]) / N for i in (0, 3, 6, 9)])


def test_every_epoch_meets_every_example_once_in_an_order_of_its_own():
    """The batches of an epoch are a permutation of all places; no two epochs have the same."""
    seen, network = [], make_network()
    fit_network(network, make_loss(network, seen=seen), N, **settings())
    epochs = [[*first, *second, *third] for first, second, third in zip(*[iter(seen)] * 3, strict=True)]
    assert [len(places) for places in seen[:3]] == [8, 8, 7]
    assert all(sorted(epoch) == list(range(N)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 4


def test_every_step_draws_anew():
    """The generator that a loss gets and PyTorch's own give other numbers in every step, and not the same ones."""
    drawn, network = [], nn.Linear(D, E)

    def loss(places, generator):
        drawn.extend([float(torch.rand((), generator=generator)), float(torch.rand(()))])
        return network.weight.sum()

    fit_network(network, loss, N, **settings())
    assert len(set(drawn)) == 24


def test_the_seed_decides_everything_and_the_callers_generator_is_left_alone():
    """Equal seeds give equal weights whatever was drawn before; PyTorch's own generator goes on as if nothing ran."""
    torch.manual_seed(1)
    one, _ = whole_run()
    torch.manual_seed(2)
    network, loss = make_network(), None
    loss = make_loss(network)
    torch.manual_seed(3)
    expected = torch.rand(3)
    torch.manual_seed(3)
    fit_network(network, loss, N, **settings())
    assert torch.equal(torch.rand(3), expected)
    assert equal(one.state_dict(), network.state_dict())
    assert not equal(one.state_dict(), whole_run(seed=5)[0].state_dict())


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("keep", ["last", "best", "all"])
def test_a_run_that_is_stopped_again_and_again_ends_as_if_it_never_was(tmp_path, seed, keep):
    """Weights, history, kept epochs and log equal those of a run in one go, to the last bit, wherever it stopped."""
    random = np.random.default_rng(seed)
    every, steps = int(random.integers(1, 4)), int(random.integers(0, 3))
    given = settings(epochs=5, validate=validation, validate_every=every, checkpoint_steps=steps, keep=keep)
    whole, expected = whole_run(**given, folder=tmp_path / "whole")
    in_memory, _ = whole_run(**given)
    stops = 0
    while True:
        network = make_network()
        loss = make_loss(network, kill_at=int(random.integers(1, 9)))
        try:
            history = fit_network(network, loss, N, **given, folder=tmp_path / "stopped")
            break
        except KilledError:
            stops += 1
            if stops > 6:  # checkpoints may be further apart than it is allowed to run
                loss = make_loss(network := make_network())
                history = fit_network(network, loss, N, **given, folder=tmp_path / "stopped")
                break
    assert stops > 0
    assert equal(whole.state_dict(), network.state_dict()) and equal(whole.state_dict(), in_memory.state_dict())
    assert (history.epochs, history.kept) == (expected.epochs, expected.kept)
    assert list(history.snapshots) == list(expected.snapshots)
    assert all(equal(history.weights(number), expected.weights(number)) for number in history.snapshots)
    assert (tmp_path / "stopped/log.csv").read_bytes() == (tmp_path / "whole/log.csv").read_bytes()


def _run_until_killed(folder):
    """What the child process does: a checkpoint after every step, of weights that take a while to write."""
    torch.set_num_threads(1)
    network = make_network(width=1500)
    fit_network(network, make_loss(network), N, **settings(epochs=400, checkpoint_steps=1), folder=Path(folder))


def test_a_run_goes_on_after_sigkill_at_any_moment(tmp_path):
    """A process killed while it computes or writes leaves a folder from which the run ends bit for bit as it should."""
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import test_fitting; test_fitting._run_until_killed(sys.argv[2])"
    )
    child = subprocess.Popen([sys.executable, "-c", code, str(Path(__file__).parent), str(tmp_path)])
    while child.poll() is None and not (tmp_path / "checkpoint.pt").exists():
        time.sleep(0.01)
    time.sleep(float(np.random.default_rng().uniform(0.05, 0.3)))
    child.send_signal(signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    done = torch.load(tmp_path / "checkpoint.pt", weights_only=True)["step"]
    epochs = -(-done // 3) + 1
    network = make_network(width=1500)
    fit_network(network, make_loss(network), N, **settings(epochs=epochs, checkpoint_steps=1), folder=tmp_path)
    whole = make_network(width=1500)
    fit_network(whole, make_loss(whole), N, **settings(epochs=epochs))
    assert 0 < done <= 3 * epochs
    assert equal(network.state_dict(), whole.state_dict())


def test_a_finished_run_can_be_prolonged(tmp_path):
    """Two epochs and then five in the same folder give what five in one go give; fewer than done are refused."""
    whole_run(epochs=2, folder=tmp_path)
    longer, _ = whole_run(epochs=5, folder=tmp_path)
    assert equal(longer.state_dict(), whole_run(epochs=5)[0].state_dict())
    with pytest.raises(UsageError, match="past 3 epochs"):
        whole_run(epochs=3, folder=tmp_path)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"seed": 1}, "seed was 2020 and is now 1"),
        ({"schedule": Schedule(0.1)}, "schedule was"),
        ({"groups": {"3": Group(freeze=True)}}, "groups was"),
        ({"settings": {"videos": "b"}}, "videos was 'a' and is now 'b'"),
    ],
)
def test_a_folder_belongs_to_one_configuration(tmp_path, change, word):
    """Other settings or other data are refused by name; only starting anew is allowed to take the folder over."""
    given = {"settings": {"videos": "a"}, "epochs": 1, "folder": tmp_path}
    whole_run(**given)
    with pytest.raises(UsageError, match=word):
        whole_run(**{**given, **change})
    fresh, _ = whole_run(**{**given, **change, "resume": False})
    assert equal(fresh.state_dict(), whole_run(**{**given, **change, "folder": None})[0].state_dict())


def test_the_log_has_a_row_for_every_step(tmp_path):
    """Steps from 0 on with their epoch, rate, loss, gradient and, where an epoch ended, its validation."""
    _, history = whole_run(folder=tmp_path, validate=validation, validate_every=2)
    rows = list(csv.DictReader((tmp_path / "log.csv").open()))
    assert [int(row["step"]) for row in rows] == list(range(12))
    assert [int(row["epoch"]) for row in rows] == [1] * 3 + [2] * 3 + [3] * 3 + [4] * 3
    assert [float(row["lr"]) for row in rows] == [settings()["schedule"].lr_at(step) for step in range(12)]
    assert [float(row["validation"]) for row in rows if row["validation"]] == [
        epoch.validation for epoch in history.epochs if epoch.validation is not None
    ]
    assert np.mean([float(row["loss"]) for row in rows[:3]] @ np.array([8, 8, 7])) / N == pytest.approx(
        history.epochs[0].loss
    )
    assert json.loads((tmp_path / "run.json").read_text())["num_examples"] == N


def test_the_best_epoch_is_the_first_of_those_that_validate_best():
    """The network ends with the weights that it had after that epoch."""
    values = iter([0.2, 0.7, 0.7, 0.1])
    network, history = whole_run(keep="best", validate=lambda network: next(values))
    assert history.kept == 2
    assert equal(learned(network), learned(whole_run(epochs=2)[0]))


def test_all_candidates_can_be_had_again():
    """Each kept epoch has the weights of a run that ended there; others were not kept."""
    network, history = whole_run(keep="all", validate_every=3)
    assert list(history.snapshots) == [3, 4]
    load_learned(network, history.weights(3))
    assert equal(learned(network), learned(whole_run(epochs=3)[0]))
    with pytest.raises(UsageError, match="there are 3, 4"):
        history.weights(2)


def test_groups_are_frozen_or_trained_in_their_own_way():
    """A frozen part keeps its weights; a rate of 0 does too; weight decay works on the group that has it alone."""
    before = make_network().state_dict()
    network = make_network()
    groups = {"0": Group(freeze=True), "3": Group(lr_mult=0.0), "3.bias": Group(weight_decay=0.5)}
    seen = []
    fit_network(network, make_loss(network, seen=seen), N, **settings(groups=groups))
    after = network.state_dict()
    assert torch.equal(before["0.weight"], after["0.weight"]) and torch.equal(before["3.weight"], after["3.weight"])
    assert not torch.equal(before["3.bias"], after["3.bias"]) and not torch.equal(before["1.weight"], after["1.weight"])
    assert "0.weight" not in learned(network) and "1.running_mean" in learned(network)
    plain = make_network()
    fit_network(plain, make_loss(plain), N, **settings(groups={**groups, "3.bias": Group(weight_decay=0.0)}))
    assert not torch.equal(plain.state_dict()["3.bias"], after["3.bias"])


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        ({"groups": {"nowhere": Group()}}, "no parameters in nowhere"),
        ({"groups": {str(n): Group(freeze=True) for n in (0, 1, 3)}}, "nothing is trained"),
        ({"keep": "best"}, "needs validate"),
        ({"batch": 0}, "at least 1"),
        ({"device": "abacus"}, "not one of auto, cpu, cuda"),
    ],
)
def test_settings_that_cannot_be_right_are_refused(wrong, word):
    """Before anything is trained, in words that name them."""
    with pytest.raises(UsageError, match=word):
        whole_run(**wrong)


def test_a_loss_that_is_no_number_ends_the_run_and_spares_the_checkpoint(tmp_path):
    """The error names the step; the folder still has the state from before it, and the run can go on from there."""
    network = make_network()
    good = make_loss(network)
    calls = []

    def loss(places, generator):
        calls.append(1)
        return good(places, generator) * (float("nan") if len(calls) == 8 else 1)

    with pytest.raises(GerundError, match="astray at step 7"):
        fit_network(network, loss, N, **settings(), folder=tmp_path)
    assert torch.load(tmp_path / "checkpoint.pt", weights_only=True)["step"] == 6
    assert equal(whole_run(folder=tmp_path)[0].state_dict(), whole_run()[0].state_dict())


def test_a_damaged_checkpoint_is_named(tmp_path):
    """It is an error that says which file and what to do, not a fresh start."""
    whole_run(folder=tmp_path)
    path = tmp_path / "checkpoint.pt"
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(GerundError, match=r"checkpoint\.pt.*remove it"):
        whole_run(folder=tmp_path)


def test_weights_stay_float32_when_computing_in_bfloat16():
    """Inside the loss matrix products are bfloat16; the run still ends near to the float32 one."""
    kinds, network = set(), make_network()
    inner = make_loss(network)

    def loss(places, generator):
        kinds.add((torch.ones(2, 2) @ torch.ones(2, 2)).dtype)
        return inner(places, generator)

    fit_network(network, loss, N, **settings(amp=True))
    assert kinds == {torch.bfloat16}
    assert all(p.dtype == torch.float32 for p in network.parameters())
    difference = (network[3].weight - whole_run()[0][3].weight).abs().max()
    assert 0 < difference < 0.05


def test_progress_is_told():
    """The last call has all steps done, and a loss."""
    told = []
    whole_run(progress=lambda *numbers: told.append(numbers))
    assert told[-1][:2] == (12, 12) and told[-1][2] > 0


def test_tensorboard_is_told_what_the_log_says(tmp_path, monkeypatch):
    """Where it is installed: every number under its name at its step, and a run that goes on drops what comes again."""
    made = []

    class SummaryWriter:
        def __init__(self, folder, purge_step):
            self.folder, self.purge_step, self.told, self.flushed = folder, purge_step, [], 0
            made.append(self)

        def add_scalar(self, name, value, step):
            self.told.append((name, value, step))

        def flush(self):
            self.flushed += 1

    monkeypatch.setattr(run_folder, "find_spec", lambda name: name == "tensorboard")
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", SimpleNamespace(SummaryWriter=SummaryWriter))
    folder = run_folder.RunFolder(tmp_path, {})
    folder.log([(4, 1, 0.5, 2.0, 3.0, None), (5, 1, 0.25, 1.0, 2.5, 0.75)])
    folder.log([(6, 2, 0.125, 0.5, 2.0, None)])
    (board,) = made
    assert (board.folder, board.purge_step, board.flushed) == (str(tmp_path / "tensorboard"), 4, 2)
    assert board.told == [
        ("lr", 0.5, 4), ("loss", 2.0, 4), ("gradient", 3.0, 4),
        ("lr", 0.25, 5), ("loss", 1.0, 5), ("gradient", 2.5, 5), ("validation", 0.75, 5),
        ("lr", 0.125, 6), ("loss", 0.5, 6), ("gradient", 2.0, 6),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("there", "asked", "rank", "found"),
    [
        (False, "auto", "", "cpu"), (False, "cpu", "1", "cpu"), (True, "cpu", "1", "cpu"), (True, "auto", "", "cuda:0"),
        (True, "auto", "2", "cuda:2"), (True, "cuda", "1", "cuda:1"), (True, "cuda:3", "1", "cuda:3"),
    ],
)  # fmt: skip
def test_every_process_has_its_own_device(monkeypatch, there, asked, rank, found):
    """CUDA where it is there; of several processes on a machine each takes, and makes current, the one of its place."""
    current = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there)
    monkeypatch.setattr(torch.cuda, "set_device", current.append)
    monkeypatch.setenv("LOCAL_RANK", rank)
    assert find_device(asked) == torch.device(found)
    assert current == ([found] if asked in ("auto", "cuda") and there else [])


@pytest.mark.parametrize(("asked", "message"), [("gpu", "not one of auto"), ("cuda", "no CUDA"), ("cuda:1", "no CUDA")])
def test_a_device_that_is_not_there_is_named(monkeypatch, asked, message):
    """Before anything is computed."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UsageError, match=message):
        find_device(asked)


def _run_as(rank, port, batch=11):
    """One of two processes; the start of the first counts, and a batch of one leaves the second without a share."""
    os.environ.update(WORLD_SIZE="2", RANK=str(rank), MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    torch.set_num_threads(1)
    return _plain_run(batch, seed=rank)


def _plain_run(batch, seed=0):
    torch.manual_seed(seed)
    network = nn.Linear(D, E)
    x = torch.from_numpy(np.random.default_rng(1).standard_normal((N, D)).astype(np.float32))
    fit_network(network, lambda places, generator: (network(x[places]) ** 2).mean(), N, **settings(batch=batch))
    return network


def test_two_processes_learn_what_one_learns(monkeypatch):
    """Sharing every batch, of which the last has one example, they end with the weights of a single process."""
    alone = _plain_run(11)
    for name in ("WORLD_SIZE", "RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.setenv(name, "")  # so that what is set below goes again
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    code = "import os, sys; sys.path.insert(0, sys.argv[1]); import test_fitting; test_fitting._run_as(1, sys.argv[2])"
    code += "; os._exit(0)"  # PyTorch's threads can crash an interpreter that shuts down while they are at work
    other = subprocess.Popen([sys.executable, "-c", code, str(Path(__file__).parent), str(port)])
    shared = _run_as(0, port)
    assert other.wait(60) == 0
    assert not torch.distributed.is_initialized(), "the group ends with the run, so that another may begin"
    for name, tensor in alone.state_dict().items():
        torch.testing.assert_close(shared.state_dict()[name], tensor, rtol=1e-5, atol=1e-6)


def test_the_training_loop_does_what_its_documentation_says_by_default():
    """Methods that learn by gradient leave these to it."""
    parameters = inspect.signature(fit_network).parameters.values()
    found = {each.name: each.default for each in parameters if each.default is not inspect.Parameter.empty}
    assert found == {
        "groups": None, "weight_decay": 0.0, "optimizer": "adam", "clip": 10.0, "seed": 2020, "device": "cpu",
        "amp": False, "folder": None, "settings": None, "validate": None, "validate_every": 1, "checkpoint_steps": 0,
        "resume": True, "progress": None, "keep": "last", "rules": (), "drop_last": False, "accumulate": 1,
        "half": "bf16", "recompute": (),
    }  # fmt: skip
    assert vars(Group()) == {"weight_decay": None, "lr_mult": 1.0, "freeze": False}
