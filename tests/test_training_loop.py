"""What three systems need of the training loop: schedules, groups, accumulation, 16 bits, recomputing, averaging."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from gerund.errors import GerundError, UsageError
from gerund.methods.training.schedule import CosineSchedule, Schedule, StepSchedule, make_schedule

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402  only where PyTorch is installed

from gerund.methods.training import fitting  # noqa: E402
from gerund.methods.training.dry_run import DryRun, DryRunOver, try_out  # noqa: E402
from gerund.methods.training.fitting import Group, Rule, fit_network  # noqa: E402
from gerund.methods.training.history import average  # noqa: E402
from gerund.methods.training.parameters import SPARE_VECTORS, divide  # noqa: E402
from gerund.methods.training.precision import Precision  # noqa: E402
from gerund.methods.training.recompute import recomputed  # noqa: E402
from hidden_map import hidden_map  # noqa: E402
from test_fitting import (  # noqa: E402
    D,
    E,
    KilledError,
    N,
    equal,
    make_loss,
    make_network,
    one_thread,
    settings,
    whole_run,
)  # fmt: skip

assert one_thread  # its being here makes it hold here


# Schedules


@pytest.mark.parametrize(
    ("epoch", "rate"),
    [(0, 3.33e-8), (0.5, 8.57475e-7), (1, 1.68165e-6), (2, 3.33e-6), (2.5, 3.324919e-6), (12, 1.68165e-6),
     (21.99, 3.330203e-8), (22, 3.33e-8), (40, 3.33e-8)],
)  # fmt: skip
def test_cosine_schedule_gives_the_rates_of_stdd(epoch, rate):
    """Two epochs of linear warm-up and twenty of half a cosine, of 100 steps each, worked out from its formula."""
    schedule = CosineSchedule(3.33e-6, period_steps=2200, warmup_steps=200, start_lr=3.33e-8, end_lr=3.33e-8)
    assert schedule.lr_at(round(100 * epoch)) == pytest.approx(rate, rel=1e-6)


@pytest.mark.parametrize(
    ("schedule", "make"),
    [
        (StepSchedule(0.5, period_steps=7), lambda o: torch.optim.lr_scheduler.StepLR(o, 7, 0.1)),
        (StepSchedule(0.5, falls=(6, 12), factor=0.3), lambda o: torch.optim.lr_scheduler.MultiStepLR(o, [6, 12], 0.3)),
        (CosineSchedule(0.5, 20, end_lr=0.1), lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, 20, 0.1)),
        (
            StepSchedule(0.5, warmup_steps=4, start_lr=0.05),
            lambda o: torch.optim.lr_scheduler.LinearLR(o, start_factor=0.1, total_iters=4),
        ),
    ],
)
def test_schedules_are_pytorchs(schedule, make):
    """Step by step the rates equal those of PyTorch's own scheduler."""
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.5)
    other = make(optimizer)
    for step in range(20):
        assert schedule.lr_at(step) == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-6), step
        optimizer.step()
        other.step()


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [
        (CosineSchedule, {"lr": 0.0, "period_steps": 5}), (CosineSchedule, {"lr": 1.0, "period_steps": 5, "end_lr": 2}),
        (CosineSchedule, {"lr": 1.0, "period_steps": 5, "warmup_steps": 5}), (StepSchedule, {"lr": float("inf")}),
        (StepSchedule, {"lr": 1.0, "period_steps": 3, "falls": (1,)}), (StepSchedule, {"lr": 1.0, "factor": 0.0}),
        (StepSchedule, {"lr": 1.0, "start_lr": -1.0}), (StepSchedule, {"lr": 1.0, "warmup_steps": -1}),
    ],
)  # fmt: skip
def test_schedules_that_cannot_be_are_refused(kind, wrong):
    """No rate is negative or above the highest, a warm-up ends before the period does, and falls are of one kind."""
    with pytest.raises(UsageError):
        kind(**wrong)


def test_a_schedule_by_its_name():
    """Each name is its schedule over all steps; another name is an error."""
    same = {"warmup_steps": 3, "period_steps": None, "batch": 8, "num_steps": 100}
    assert make_schedule("exponential", 0.1, **same) == Schedule(0.1, 3, 100, 8)
    assert make_schedule("cosine", 0.1, **same) == CosineSchedule(0.1, 100, 3)
    assert make_schedule("step", 0.1, **same) == StepSchedule(0.1, 34, warmup_steps=3)
    assert make_schedule("step", 0.1, **{**same, "period_steps": 5}).period_steps == 5
    with pytest.raises(UsageError, match="'exponential', 'cosine' or 'step'"):
        make_schedule("linear", 0.1, **same)


# Batches


def test_the_small_last_batch_is_left_out():
    """Every epoch has whole batches only, of other examples each time, and its loss is the mean over these."""
    seen, network = [], make_network()
    history = fit_network(network, make_loss(network, seen=seen), N, **settings(drop_last=True))
    assert [len(places) for places in seen] == [8] * 8
    epochs = [set(first + second) for first, second in zip(*[iter(seen)] * 2, strict=True)]
    assert all(len(epoch) == 16 for epoch in epochs) and len(set(map(frozenset, epochs))) == 4
    network = make_network()
    loss = make_loss(network)
    ones = fit_network(
        network, lambda places, generator: 0 * loss(places, generator) + 1, N, **settings(drop_last=True)
    )
    assert [epoch.loss for epoch in ones.epochs] == [1.0] * 4 != [epoch.loss for epoch in history.epochs]


def test_leaving_out_all_examples_is_refused():
    """A batch that is larger than everything leaves nothing to learn from."""
    with pytest.raises(UsageError, match="leaves out all 23 examples"):
        whole_run(drop_last=True, batch=24)


def plain_run(**changes):
    """A network of double precision without noise, and the parts in which its batches came."""
    torch.manual_seed(7)
    network = nn.Sequential(nn.Linear(D, 5), nn.Tanh(), nn.Linear(5, E)).double()
    random = np.random.default_rng(3)
    x, y = (torch.from_numpy(random.standard_normal((N, size))) for size in (D, E))
    parts = []

    def loss(places, generator):
        parts.append(len(places))
        return ((network(x[places]) - y[places]) ** 2).mean()

    history = fit_network(network, loss, N, **settings(**changes))
    return network, history, parts


@pytest.mark.parametrize("count", [2, 3, 8, 20])
def test_accumulated_parts_are_the_batch(count):
    """In parts, also uneven ones, the weights and losses are those of whole batches to a millionth."""
    whole, expected, batches = plain_run()
    network, history, parts = plain_run(accumulate=count)
    assert batches == [8, 8, 7] * 4 and sum(parts) == sum(batches) and max(parts) == -(-8 // count)
    for one, other in zip(network.parameters(), whole.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-6)
    assert [e.loss for e in history.epochs] == pytest.approx([e.loss for e in expected.epochs], rel=1e-6)


class OnProcessor(Precision):
    """float16 with its scaler, on the processor, which gerund refuses to people because it is slow there."""

    def __init__(self, device, *, amp, half):
        super().__init__(device, amp=False, half=half)
        self._amp, self._dtype, self._scaler = amp, torch.float16, torch.amp.GradScaler("cpu", growth_interval=3)


@pytest.mark.parametrize(
    "change",
    [
        {"drop_last": True}, {"accumulate": 3}, {"rules": (SPARE_VECTORS,), "optimizer": "adamw"}, {"amp": True},
        {"schedule": CosineSchedule(0.02, 12, 5)}, {"schedule": StepSchedule(0.02, 4, warmup_steps=5)},
        {"recompute": ("2", "3")}, {"amp": True, "half": "fp16", "accumulate": 2},
    ],
)  # fmt: skip
def test_each_of_them_goes_on_to_the_byte(tmp_path, monkeypatch, change):
    """Killed again and again, also between the parts of a batch, a run ends with the weights and the log of one go."""
    if change.get("half"):
        monkeypatch.setattr(fitting, "Precision", OnProcessor)
    given = settings(epochs=3, checkpoint_steps=1, keep="all", validate_every=2, **change)
    whole, expected = whole_run(**given, folder=tmp_path / "whole")
    kills = [4, 5, 2] if "accumulate" in change else [2, 2, 1]  # in parts: the second, third or first one of a batch
    for kill_at in [*kills, None]:
        network = make_network()
        try:
            history = fit_network(network, make_loss(network, kill_at=kill_at), N, **given, folder=tmp_path / "stopped")
        except KilledError:
            assert kill_at is not None
        else:
            assert kill_at is None, "it was to be killed"
    assert equal(whole.state_dict(), network.state_dict()) and history.epochs == expected.epochs
    assert (tmp_path / "stopped/log.csv").read_bytes() == (tmp_path / "whole/log.csv").read_bytes()


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"drop_last": True}, "drop_last was None and is now True"),
        ({"accumulate": 2}, "accumulate was None and is now 2"),
        ({"rules": (SPARE_VECTORS,)}, "rules was None"),
        ({"schedule": StepSchedule(0.02)}, "schedule was"),
    ],
)
def test_a_folder_of_before_goes_on_only_as_it_was(tmp_path, change, word):
    """Runs that knew none of this resume as they are, and refuse each of it in one line."""
    given = settings(epochs=1, folder=tmp_path)
    whole_run(**given)
    state = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert "accumulate" not in (tmp_path / "run.json").read_text()
    del state["precision"]  # as it was written before
    torch.save(state, tmp_path / "checkpoint.pt")
    with pytest.raises(UsageError, match=word) as refused:
        whole_run(**{**given, **change})
    assert "\n" not in str(refused.value)
    assert equal(whole_run(**{**given, "epochs": 4})[0].state_dict(), whole_run()[0].state_dict())


# Parameters


def normed():
    """A matrix with its bias, a norm of two axes, and a single number."""
    network = nn.Sequential(nn.Linear(D, 3), nn.LayerNorm((2, 3)))
    network.scale = nn.Parameter(torch.tensor(2.0))
    return network


def test_vectors_and_norms_are_spared_the_decay():
    """With no gradient, AdamW shrinks the matrix and the single number by its decay, and nothing else."""
    network = normed()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    nothing = lambda places, generator: 0 * sum(p.sum() for p in network.parameters())  # noqa: E731
    given = {"schedule": Schedule(0.1), "optimizer": "adamw", "weight_decay": 0.5, "rules": (SPARE_VECTORS,)}
    fit_network(network, nothing, 4, epochs=2, batch=4, **given)
    shrunk = {name for name, tensor in network.state_dict().items() if not torch.equal(tensor, before[name])}
    assert shrunk == {"0.weight", "scale"}
    torch.testing.assert_close(network[0].weight.detach(), before["0.weight"] * 0.95**2)


def test_rules_are_applied_over_groups():
    """A rule's factor multiplies that of the group, its decay replaces it, and what it freezes is not trained."""
    network = make_network()
    rules = (
        Rule("heads", lambda name, parameter, module: name.startswith("3"), lr_mult=0.5),
        Rule("vectors", lambda name, parameter, module: parameter.ndim == 1, weight_decay=0.0, lr_mult=3.0),
        Rule("norms", lambda name, parameter, module: isinstance(module, nn.BatchNorm1d), freeze=True),
    )
    found = divide(network, {"3": Group(weight_decay=0.2, lr_mult=0.1)}, rules, 0.7)
    of = {id(parameter): option for option in found.options for parameter in option["params"]}
    names = {name: of.get(id(parameter)) for name, parameter in network.named_parameters()}
    ways = {name: option and (option["weight_decay"], round(option["lr_mult"], 9)) for name, option in names.items()}
    assert ways == {
        "0.weight": (0.7, 1.0), "0.bias": (0.0, 3.0), "1.weight": None, "1.bias": None, "3.weight": (0.2, 0.05),
        "3.bias": (0.0, 0.15),
    }  # fmt: skip
    assert found.picked == {
        "heads": ["3.weight", "3.bias"], "vectors": ["0.bias", "1.weight", "1.bias", "3.bias"],
        "norms": ["1.weight", "1.bias"],
    }  # fmt: skip


def test_rules_that_pick_nothing_or_share_a_name_are_refused():
    """Both are mistakes that would otherwise train in silence."""
    nowhere = Rule("nowhere", lambda name, parameter, module: False)
    for rules, word in (
        ((nowhere,), "no parameters in nowhere"),
        ((SPARE_VECTORS, SPARE_VECTORS), "names of their own"),
    ):
        with pytest.raises(UsageError, match=word):
            whole_run(rules=rules)


# 16 bits


def test_float16_is_for_cuda():
    """On a processor it is refused, with the way out; so are numbers that there are not."""
    with pytest.raises(UsageError, match="needs a CUDA device, and this one is cpu; use 'bf16'"):
        whole_run(amp=True, half="fp16")
    with pytest.raises(UsageError, match="half is 'bf16' or 'fp16'"):
        whole_run(half="fp8")
    assert equal(whole_run(half="fp16")[0].state_dict(), whole_run()[0].state_dict()), "without amp it means nothing"


def test_a_gradient_that_overflows_costs_its_step_alone(monkeypatch):
    """The scale halves, the weights stay as they were, and training goes on; its gradients are those of float32."""
    monkeypatch.setattr(fitting, "Precision", OnProcessor)
    network = nn.Linear(D, E, bias=False)
    weights, scale = [], [1e30, 1.0, 1.0]

    def loss(places, generator):
        weights.append(network.weight.detach().clone())
        return network.weight.sum() * scale[len(weights) - 1]

    given = {"epochs": 3, "batch": 4, "schedule": Schedule(0.1), "amp": True, "half": "fp16", "clip": None}
    fit_network(network, lambda places, generator: 1e5 * loss(places, generator), 4, **given)
    assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[1], weights[2])


def test_a_gradient_that_overflows_at_every_scale_ends_the_run(monkeypatch):
    """A run that skips every step is told to be none."""
    monkeypatch.setattr(fitting, "Precision", OnProcessor)
    network = nn.Linear(D, E, bias=False)

    def loss(places, generator):
        network.weight.register_hook(lambda gradient: gradient * float("inf"))
        return network.weight.sum() ** 2

    with pytest.raises(GerundError, match="too large for float16 at any scale"):
        fit_network(network, loss, 4, epochs=60, batch=4, schedule=Schedule(0.1), amp=True, half="fp16")


# Recomputing


def test_what_is_recomputed_comes_out_the_same():
    """Dropout included, the weights equal to the last bit those of a run that keeps everything; forward runs twice."""
    calls = {True: 0, False: 0}

    class Counting(nn.Linear):
        def forward(self, x):
            calls[again] += self.training
            return super().forward(x)

    def run(again):
        torch.manual_seed(7)
        inner = nn.Sequential(Counting(D, 5), nn.Dropout(0.5), nn.Tanh())
        network = nn.Sequential(inner, nn.Linear(5, E))
        loss = make_loss(network)
        fit_network(network, loss, N, **settings(recompute=("0",) if again else ()))
        assert "forward" not in vars(inner), "the network is as it was"
        return network.state_dict()

    found = {}
    for again in (True, False):
        found[again] = run(again)
    assert equal(found[True], found[False])
    assert calls == {True: 24, False: 12}


def test_names_of_sub_modules_that_are_recomputed():
    """A star stands for one part of a name; nothing found, or a batch norm inside, is an error."""
    network = nn.ModuleDict({"layer": nn.ModuleList([nn.Sequential(nn.Linear(1, 1)) for _ in range(2)])})
    with recomputed(network, ("layer.*", "layer.0")):
        wrapped = [name for name, module in network.named_modules() if "forward" in vars(module)]
        assert wrapped == ["layer.0", "layer.1"]
        assert network["layer"][0](torch.ones(1, 1)).requires_grad
    assert not any("forward" in vars(module) for module in network.modules())
    for names, word in ((("layers.*",), "no sub-module layers"), (("1",), "1 holds a batch norm")):
        with pytest.raises(UsageError, match=word):
            whole_run(recompute=names)


# Averages


def test_the_mean_of_the_last_checkpoints(tmp_path):
    """It is that of the numbers, from memory and from files; counters are those of the last; one is itself."""
    for folder in (None, tmp_path):
        _, history = whole_run(keep="all", folder=folder)
        states = [history.weights(number) for number in (2, 3, 4)]
        mean = history.weights(4, last=3)
        for name, tensor in mean.items():
            wanted = (
                sum(state[name].double() for state in states) / 3 if tensor.is_floating_point() else states[2][name]
            )
            torch.testing.assert_close(tensor, wanted.to(tensor.dtype))
        assert int(mean["1.num_batches_tracked"]) == 12
        assert equal(history.weights(1, last=5), history.weights(1)), "there is no more than one by then"
    assert equal(average([states[0]] * 3), states[0])
    with pytest.raises(UsageError, match="mean of 0 epochs"):
        history.weights(4, last=0)


# Methods that learn with the loop


@pytest.fixture(scope="module")
def world():
    return hidden_map(seen=20, unseen=5)


def test_settings_of_methods_reach_the_loop(world, tmp_path):
    """Schedule, parts, whole batches and spared vectors are in the log, the count of steps and the run's own notes."""
    from gerund.methods.recognizers.bilinear import Bilinear

    given = {"epochs": 2, "batch": 7, "schedule": "cosine", "warmup_steps": 2, "drop_last": True, "accumulate": 2}
    method = Bilinear(world.texts, **given, decay_vectors=True, folder=tmp_path).fit(world.train, world.seen)
    rows = list(csv.DictReader((tmp_path / "log.csv").open()))
    steps = 2 * (len(world.train) // 7)
    schedule = CosineSchedule(method.lr, steps, 2)
    assert [float(row["lr"]) for row in rows] == [schedule.lr_at(step) for step in range(steps)]
    noted = (tmp_path / "run.json").read_text()
    assert '"drop_last": true' in noted and '"accumulate": 2' in noted
    with pytest.raises(UsageError, match="no parameters in vectors and norms"):
        Bilinear(world.texts, epochs=1, decay_vectors=False).fit(world.train, world.seen)


def test_a_method_answers_with_the_mean_of_its_last_checkpoints(world):
    """Also after another checkpoint is taken."""
    from gerund.methods.recognizers.bilinear import Bilinear

    given = {"epochs": 3, "choose_every": 1}
    single = Bilinear(world.texts, **given).fit(world.train, world.seen)
    states = {number: single.take_checkpoint(number).state()["weight"] for number in single.checkpoints()}
    mean = Bilinear(world.texts, **given, average_last=2).fit(world.train, world.seen)
    np.testing.assert_allclose(mean.state()["weight"], (states[2] + states[3]) / 2, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(
        mean.take_checkpoint(2).state()["weight"], (states[1] + states[2]) / 2, rtol=1e-6, atol=1e-8
    )


def test_a_run_that_ends_early_is_the_beginning_of_the_whole(world):
    """It keeps the schedule of all epochs, so that it has the weights of that checkpoint to the last bit."""
    from gerund.methods.recognizers.bilinear import Bilinear

    whole = Bilinear(world.texts, epochs=6, choose_every=2).fit(world.train, world.seen)
    short = Bilinear(world.texts, epochs=6, choose_every=2)
    short.stop_epoch = 4
    short.fit(world.train, world.seen)
    assert list(short.checkpoints()) == [2, 4] and len(short.losses_) == 4
    np.testing.assert_array_equal(short.state()["weight"], whole.take_checkpoint(4).state()["weight"])


# Dry runs


def test_a_dry_run_plans_and_leaves_no_trace(tmp_path):
    """Counts, memory and a time; no folder is made, the caller's generator goes on, and nothing is told."""
    network, run = make_network(), DryRun()
    torch.manual_seed(3)
    expected = torch.rand(3)
    torch.manual_seed(3)
    folder = tmp_path / "run"
    with pytest.raises(DryRunOver):
        fit_network(network, make_loss(network), N, **settings(progress=run, folder=folder, accumulate=2))
    assert torch.equal(torch.rand(3), expected) and not folder.exists()
    plan = run.plan
    assert (plan.num_parameters, plan.num_trained) == (63, 63) == (sum(p.numel() for p in network.parameters()),) * 2
    assert plan.memory["gradients"] == 63 * 4 and 2 * 63 * 4 <= plan.memory["optimiser"] <= 2 * 63 * 4 + 100
    assert plan.memory["weights"] == 63 * 4 + 2 * 5 * 4 + 8
    assert plan.num_steps(N) == 12 and plan.num_steps(16) == 8 and plan.seconds(16) == pytest.approx(8 * plan.step_s)
    assert plan.step_s > 0 and "2 parts a batch" in plan.how["optimiser"]
    assert "4 epochs of 3 steps, 8 videos a step" in plan.lines()[0]


def test_recomputing_is_less_to_hold():
    """The plan's activations are fewer when a sub-module keeps its own to itself no more."""

    def held(recompute):
        torch.manual_seed(7)
        network, run = nn.Sequential(nn.Sequential(nn.Linear(D, 50), nn.Tanh(), nn.Tanh()), nn.Linear(50, E)), DryRun()
        with pytest.raises(DryRunOver):
            fit_network(network, make_loss(network), N, **settings(progress=run, recompute=recompute))
        return run.plan.memory["activations"]

    assert held(("0",)) <= held(()) - 8 * 50 * 4


def test_every_kind_of_learner_can_be_tried_out(world):
    """One that learns by steps, one over a graph, one in one go, and one that tells of progress in its own way."""
    from gerund.methods.recognizers.dem import Dem
    from gerund.methods.recognizers.eszsl import Eszsl
    from gerund.methods.recognizers.gcn import Gcn

    stepped = try_out(Dem(world.texts, epochs=3, batch=16), world.train, world.seen)
    assert stepped.num_steps(len(world.train)) == 3 * -(-len(world.train) // 16)
    graph = try_out(Gcn(world.texts, epochs=9, hidden=(8,)), world.train, world.seen)
    assert graph.num_steps(len(world.train)) == graph.num_steps(1000) == 9
    once = try_out(Eszsl(world.texts), world.train, world.seen)
    assert once.num_tried <= max(64, len(world.seen)) < once.num_examples == len(world.train)
    assert once.num_parameters == Eszsl(world.texts).fit(world.train, world.seen).map_.size
    assert once.seconds(2 * once.num_tried) == 2 * once.fit_s

    class Telling(Eszsl):
        progress = None

    told = try_out(Telling(world.texts), world.train, world.seen)
    assert told.num_tried == told.num_examples and "in one go" in told.lines()[0]
