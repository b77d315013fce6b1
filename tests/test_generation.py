"""Descriptions from a language model, over real HTTP with a server that misbehaves."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from itertools import pairwise
from threading import Event
from urllib.error import URLError

import numpy as np
import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from chat_server import (
    DRIPPED,
    ODD,
    ChatServer,
    action_of,
    askg_reply,
    breaks_off,
    completion,
    drips,
    drops,
    fails,
    late,
    refuses_schema,
    says,
    send,
    tear_reply,
)
from gerund.cli.making import make
from gerund.errors import UsageError
from gerund.text.descriptions import Descriptions, Source, Text
from gerund.text.generation import RECIPES, ChatClient, ModelError, find_recipe, make_descriptions, making
from gerund.text.generation.client import Pace, StoppedError
from gerund.text.generation.deadline import Line
from gerund.text.generation.endpoint import Endpoint, Key, UnreachableError
from gerund.text.generation.parsing import ReplyError
from gerund.text.generation.planning import estimate
from gerund.text.generation.stages import Question

TEAR = find_recipe("tear")
SECRET = 'sk-s3cret/"KEY"-0123456789'
NAMES = ["waving", "pole vault", "shaking hands", "juggling", "BMX", "pouring coffee", "kneeling", "rowing"]


@pytest.fixture
def server():
    found = ChatServer(lambda payload: tear_reply(action_of(payload)))
    yield found
    found.close()


@pytest.fixture(autouse=True)
def known(monkeypatch):
    """What is known of actions: little, so that the lint's look at all that gerund knows takes no time."""
    known = {
        "waving": [Text("definition", "moving a raised arm from side to side in a greeting")],
        "baking": [Text("definition", "putting a tin of dough into an oven and taking bread out")],
    }
    monkeypatch.setattr(making, "built_in", lambda: Descriptions(known))


def client_of(server, **settings):
    """A client that hardly waits."""
    defaults = {"rng": np.random.default_rng(0), "backoff_s": 0.001, "timeout_s": 5.0, "tries": 3}
    return ChatClient(server.url, "tiny", **defaults | settings)


def made_by(server, folder, names=NAMES, recipe=TEAR, *, settings=None, **options):
    return make_descriptions(names, recipe, client_of(server, **settings or {}), folder, **options)


def texts_of(made):
    return {name: [(text.kind, text.text) for text in texts] for name, texts in made.descriptions.items()}


def expected(*names):
    """What `tear_reply` says, worked out anew."""
    return {
        name: [
            ("steps", f"beginning of {name}"),
            ("steps", f"middle of {name}"),
            ("steps", f"end of {name}"),
            ("description", f"a figure shows {name} in a yard"),
            ("context", f"a yard made for {name}"),
            ("objects", f"{name} shoe"),
            ("objects", f"{name} hat"),
        ]
        for name in names
    }


# --- what is asked, and what comes of it


def test_each_action_is_asked_on_its_own(server, tmp_path):
    """One question an action, with no other action in it; the texts say which model wrote them, and when."""
    made = made_by(server, tmp_path, settings={"seed": 7})
    assert texts_of(made) == expected(*NAMES)
    assert list(made.descriptions) == NAMES
    assert (made.failed, made.asked, made.kept, made.input_tokens, made.output_tokens) == ((), 8, 0, 800, 80)
    assert server.counts == dict.fromkeys(NAMES, 1)
    for action, payload, _ in server.asked:
        assert [message["role"] for message in payload["messages"]] == ["system", "user"]
        said = " ".join(message["content"] for message in payload["messages"])
        assert [name for name in NAMES if name in said] == [action]
        assert (payload["model"], payload["temperature"], payload["seed"]) == ("tiny", 0.0, 7)
        assert payload["max_tokens"] == 2048
        assert payload["response_format"]["json_schema"]["schema"]["properties"]["steps"]["minItems"] == 3
    sources = {text.source for texts in made.descriptions.values() for text in texts}
    (source,) = sources
    assert (source.name, source.model, len(source.prompt)) == ("language model", "tiny", 64)
    assert time.strptime(source.date, "%Y-%m-%d")


def test_prompts_are_told_apart_by_their_hash():
    """Every stage of every recipe has a prompt of its own, and the action does not change its hash."""
    stages = [stage for recipe in RECIPES for stage in recipe.stages]
    assert len({stage.sha256 for stage in stages}) == len(stages) == 6


@pytest.mark.parametrize("stage", [stage for recipe in RECIPES for stage in recipe.stages], ids=lambda s: s.kinds[0])
def test_the_example_in_a_prompt_is_what_the_prompt_asks_for(stage):
    """The example is shown, is valid, gives all the kinds, and fits the JSON schema."""
    texts = stage.worked()
    assert {text.kind for text in texts} == set(stage.kinds)
    system, user = stage.prompt(Question("waving", ("waving", "saluting")))
    assert stage.example_text in system["content"]
    assert user["content"].startswith("Action: waving")
    assert ("saluting" in system["content"]) == ("look_alikes" in stage.kinds)
    assert fits(json.loads(stage.example_text), stage.schema)


def fits(value, schema):
    """A check of the little of JSON schema that is used."""
    if schema["type"] == "string":
        return isinstance(value, str)
    if schema["type"] == "array":
        longest = schema.get("maxItems", len(value))
        return schema.get("minItems", 0) <= len(value) <= longest and all(fits(item, schema["items"]) for item in value)
    assert schema["additionalProperties"] is False and schema["required"] == list(schema["properties"])
    return set(value) == set(schema["required"]) and all(fits(value[n], schema["properties"][n]) for n in value)


def test_a_copied_example_is_no_reply():
    """A model that hands the prompt's own example back is caught."""
    stage = TEAR.stages[0]
    with pytest.raises(ReplyError, match="copied from the example"):
        stage.parse(stage.example_text, Question("waving"))


GOOD = json.loads(tear_reply("waving"))
LONG = " ".join(["waving"] * 46)


@pytest.mark.parametrize(
    ("reply", "complaint"),
    [
        ("", "empty"),
        ("I would rather not", "no JSON object"),
        ('{"steps": ["a", "b", ', "broken"),
        (json.dumps(GOOD) + " and for saluting " + json.dumps(GOOD), "more than one"),
        (json.dumps({k: v for k, v in GOOD.items() if k != "context"}), '"context" is missing'),
        (json.dumps(GOOD | {"steps": ["one step", "two steps"]}), "2 items, expected exactly 3"),
        (json.dumps(GOOD | {"steps": ["a b", "c d", "e f", "g h"]}), "4 items, expected exactly 3"),
        (json.dumps(GOOD | {"steps": "first a, then b"}), "must be a list of strings"),
        (json.dumps(GOOD | {"steps": ["a b", "c d", 3]}), "must be a list of strings"),
        (json.dumps(GOOD | {"steps": ["rising", "rising", "falling"]}), "twice"),
        (json.dumps(GOOD | {"steps": ["1. rising", "2. staying", "3. falling"]}), "numbered"),
        (json.dumps(GOOD | {"steps": ["Step 1: rising", "staying", "falling"]}), "form or small talk"),
        (json.dumps(GOOD | {"description": "Action label: waving. Description: a raised arm"}), "form or small talk"),
        (json.dumps(GOOD | {"description": "I'm sorry, I cannot see it"}), "answered something else"),
        (json.dumps(GOOD | {"description": ["a raised arm"]}), "must be a string"),
        (json.dumps(GOOD | {"description": LONG}), "46 words, expected at most 45"),
        (json.dumps(GOOD | {"context": "  "}), "says nothing"),
        (json.dumps(GOOD | {"context": "N/A"}), "says nothing"),
        (json.dumps(GOOD | {"context": "a yard\x00"}), "cannot be shown"),
        (json.dumps(GOOD | {"objects": []}), "0 items, expected 1 to 8"),
    ],
)
def test_what_is_wrong_with_a_reply_is_said(reply, complaint):
    """A reply that is not as asked is refused, with what exactly is wrong."""
    with pytest.raises(ReplyError, match=complaint):
        TEAR.stages[0].parse(reply, Question("waving"))


@pytest.mark.parametrize(
    "frame", ["```json\n{}\n```", "Sure, here it is:\n{}\nAnything else?", "<think>as {{a}}?</think>\n{}", "\n\n {} "]
)
def test_what_stands_around_the_json_does_no_harm(frame):
    """Fences, small talk and thoughts around a right reply are left out."""
    found = TEAR.stages[0].parse(frame.replace("{}", json.dumps(GOOD)), Question("waving"))
    assert [(text.kind, text.text) for text in found] == expected("waving")["waving"]


def test_a_definition_is_one_sentence():
    """Two sentences are refused; marks inside of one are not."""
    (stage,) = find_recipe("definition").stages
    stage.parse('{"definition": "moving a hand, e.g. at St. Pancras, from side to side."}', Question("waving"))
    with pytest.raises(ReplyError, match="one sentence"):
        stage.parse('{"definition": "A hand goes up. It moves from side to side."}', Question("waving"))


def test_look_alikes_come_from_the_list():
    """Names are those of the list, however the model spells them; others, the action itself and doubles are refused."""
    (stage,) = find_recipe("full").stages
    question = Question("waving", ("waving", "High Five", "saluting"))
    base = {"steps": GOOD["steps"], "before": "it is quiet", "after": "it is over", "definition": "a moving hand"}

    def look_alikes(*actions):
        items = [{"action": action, "difference": f"no {place}"} for place, action in enumerate(actions)]
        texts = stage.parse(json.dumps(GOOD | base | {"look_alikes": items}), question)
        return [(text.other, text.text) for text in texts if text.kind == "look_alikes"]

    assert look_alikes("high-five", "saluting") == [("High Five", "no 0"), ("saluting", "no 1")]
    assert look_alikes() == []
    for wrong in (["clapping"], ["Waving"], ["saluting", "saluting"]):
        with pytest.raises(ReplyError, match=r"not another action|named twice"):
            look_alikes(*wrong)


def test_stdd_has_a_graph_and_a_completion_for_each_edge(tmp_path):
    """The order of the stages is a chain from the action on, and the second call has what the first one gave."""
    server = ChatServer(askg_reply)
    made = made_by(server, tmp_path, ["abseiling"], find_recipe("askg"))
    server.close()
    of = made.descriptions.of
    assert of("abseiling", "object_relations") == ["<rope, hangs on, wall>"]
    assert of("abseiling", "action_objects") == ["<abseiling, needs, rope>", "<abseiling, uses, wall>"]
    assert of("abseiling", "step_order") == [
        "<abseiling, starts with, gripping the rope>",
        "<gripping the rope, precedes, leaning back>",
        "<leaning back, precedes, walking down>",
    ]
    assert of("abseiling", "object_completions") == ["where object 0 is"]
    assert of("abseiling", "action_completions") == ["where action 0 is", "where action 1 is"]
    assert len(of("abseiling", "step_completions")) == 3
    assert server.counts == {"abseiling": 2}
    assert "<the action, needs, rope>" in server.asked[1][1]["messages"][-1]["content"]
    assert len({text.source.prompt for text in made.descriptions["abseiling"]}) == 2


@pytest.mark.parametrize(
    ("ends", "complaint"),
    [
        (["where a rope hangs"], None),
        (["where a rope hangs", "which is one too many"], "2 items, expected exactly 1"),
        (["where a rope is used for Pole-Vault work"], "must not say 'pole vault'"),
        (["This is an example of a sport, where a rope hangs"], "only what follows the comma"),
    ],
)
def test_completions_are_checked(ends, complaint):
    """As many as edges, without the action's name, and only the end of the sentence."""
    stage = find_recipe("askg").stages[1]
    question = Question("pole vault", previous=(Text("object_relations", "<rope, hangs on, wall>"),))
    reply = json.dumps({"object_completions": ends, "action_completions": [], "step_completions": []})
    if complaint:
        with pytest.raises(ReplyError, match=complaint):
            stage.parse(reply, question)
    else:
        assert [text.text for text in stage.parse(reply, question)] == ends


def test_the_lint_looks_at_what_was_made(server, tmp_path):
    """A text of another action and a useless object are found; they are kept, for a person to judge."""
    wrong = tear_reply("waving", description="a tin of dough goes into an oven", objects=["person", "oven door"])
    server.plans["waving"].append(says(wrong))
    made = made_by(server, tmp_path, ["waving"])
    assert [(found.rule, found.text) for found in made.findings] == [
        ("generic", "person"),
        ("wrong sense", "a tin of dough goes into an oven"),
    ]
    assert made.descriptions.of("waving", "objects") == ["person", "oven door"]


# --- unusable replies


def test_an_unusable_reply_is_sent_back_with_what_is_wrong(server, tmp_path):
    """The complaint follows the reply in the same conversation, and the next reply counts."""
    scaffold = tear_reply("waving", description="Action label: waving. Description: a raised arm")
    server.plans["waving"].extend([says(scaffold), says("```json\n" + tear_reply("waving") + "\n```")])
    made = made_by(server, tmp_path)
    assert texts_of(made) == expected(*NAMES)
    assert server.counts == dict.fromkeys(NAMES, 1) | {"waving": 2}
    (_, second) = [payload["messages"] for action, payload, _ in server.asked if action == "waving"]
    assert [message["role"] for message in second] == ["system", "user", "assistant", "user"]
    assert second[2]["content"] == scaffold
    assert "form or small talk" in second[3]["content"]


def test_an_action_that_fails_is_listed_and_the_others_are_kept(server, tmp_path):
    """After all retries the action is named with the last complaint; asking again costs nothing, one more retry one."""
    server.plans["juggling"].extend([says(tear_reply("juggling", steps=[f"s {i}"])) for i in range(3)])
    server.plans["BMX"].append(says(tear_reply("BMX")[:40], finish_reason="length"))
    made = made_by(server, tmp_path, retries=2)
    others = [name for name in NAMES if name != "juggling"]
    assert texts_of(made) == expected(*others)
    ((failure),) = made.failed
    assert (failure.name, failure.unusable) == ("juggling", True)
    assert failure.reason == '3 replies could not be used; the last one: "steps" has 1 items, expected exactly 3'
    assert server.counts == dict.fromkeys(NAMES, 1) | {"juggling": 3, "BMX": 2}
    again = made_by(server, tmp_path, retries=2)
    assert (again.failed, again.asked, again.kept) == (made.failed, 0, made.asked)
    assert texts_of(made_by(server, tmp_path, retries=3)) == expected(*NAMES)
    assert server.counts["juggling"] == 4


def test_a_reply_cut_at_the_limit_is_never_used(server, tmp_path):
    """Even one that happens to be valid JSON is sent back when the server says it was cut."""
    server.plans["waving"].append(says(tear_reply("waving", objects=["cut short"]), finish_reason="length"))
    made = made_by(server, tmp_path, ["waving"])
    assert texts_of(made) == expected("waving")
    assert "cut off" in server.asked[1][1]["messages"][-1]["content"]


# --- a server and a network that fail


@pytest.mark.parametrize(
    "trouble",
    [
        fails(500, "oops"),
        fails(503, {"error": {"message": "loading"}}),
        fails(429, "slow down", Retry_After="0"),
        fails(408, "timed out"),
        fails(409, "busy"),
        fails(425, "too early"),
        fails(200, "<html>"),
        fails(200, {"error": {"message": "upstream"}}),
        fails(200, {"choices": []}),
        drops,
        breaks_off,
    ],
    ids=["500", "503", "429", "408", "409", "425", "no JSON", "error in 200", "no choice", "drops", "breaks off"],
)
def test_passing_trouble_passes(server, tmp_path, trouble):
    """What may be better the next time is tried again, and nothing is lost or doubled."""
    for name in ("waving", "BMX"):
        server.plans[name].extend([trouble, trouble])
    made = made_by(server, tmp_path)
    assert texts_of(made) == expected(*NAMES)
    assert server.counts == dict.fromkeys(NAMES, 1) | {"waving": 3, "BMX": 3}


def test_trouble_that_stays_fails_only_its_action(server, tmp_path):
    """After all tries the action is listed with the server's own words, and is asked anew the next time."""
    server.plans["waving"].extend([fails(500, {"error": {"message": "out of memory"}})] * 3)
    made = made_by(server, tmp_path)
    assert texts_of(made) == expected(*NAMES[1:])
    assert [(failure.name, failure.unusable) for failure in made.failed] == [("waving", False)]
    assert made.failed[0].reason == f"{server.url} answered 500: out of memory (after 3 tries)"
    assert texts_of(made_by(server, tmp_path)) == expected(*NAMES)
    assert server.counts == dict.fromkeys(NAMES, 1) | {"waving": 4}


@pytest.mark.parametrize("trouble", [late(1.0, "{}"), drips], ids=["silent", "drips"])
def test_a_server_that_takes_too_long(server, tmp_path, trouble):
    """A request ends after its time, whether nothing comes or something that never ends."""
    server.plans["waving"].append(trouble)
    with pytest.raises(ModelError, match=r"took longer than 0\.2 s"):
        client_of(server, timeout_s=0.2, tries=1).ask([{"role": "user", "content": "Action: waving"}], {})


@pytest.mark.parametrize("trouble", DRIPPED.values(), ids=DRIPPED)
def test_the_timeout_is_for_the_whole_request(server, trouble):
    """Whatever comes in drips, the request ends after its time, and the connection with it."""
    server.plans["waving"].append(trouble)
    threads = threading.active_count()
    with pytest.raises(ModelError, match=r"took longer than 0\.3 s"):
        client_of(server, timeout_s=0.3, tries=1).ask([{"role": "user", "content": "Action: waving"}], {})
    for _ in range(200):  # the server notices that nobody listens any more, and its thread ends as the client's did
        if threading.active_count() <= threads:
            break
        time.sleep(0.02)
    assert threading.active_count() <= threads


def test_the_timeout_holds_before_anything_was_said():
    """A port that takes connections and never answers, in plain or where a handshake is due, is given up in time."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        for scheme in ("http", "https"):
            url = f"{scheme}://127.0.0.1:{listener.getsockname()[1]}/v1"
            with pytest.raises(UnreachableError, match=r"took longer than 0\.2 s"):
                Endpoint(url, timeout_s=0.2).post("/chat/completions", {})


@pytest.mark.parametrize("trouble", ODD.values(), ids=ODD)
def test_an_odd_answer_costs_one_request(server, tmp_path, trouble):
    """What no one can mean is an error of its request: it is asked again, and the others go on."""
    server.plans["waving"].append(trouble)
    made = made_by(server, tmp_path, NAMES[:3])
    assert texts_of(made) == expected(*NAMES[:3])
    assert server.counts == {"waving": 2, "pole vault": 1, "shaking hands": 1}


@pytest.mark.parametrize("trouble", ODD.values(), ids=ODD)
def test_odd_answers_that_stay_fail_one_action(server, tmp_path, trouble):
    """When nothing else comes the action is listed with a reason that fits on a few lines, and the others are made."""
    server.plans["waving"].extend([trouble] * 3)
    made = made_by(server, tmp_path, NAMES[:3], retries=0, settings={"tries": 3})
    assert texts_of(made) == expected(*NAMES[1:3])
    (failure,) = made.failed
    assert failure.name == "waving" and len(failure.reason) < 600


def test_half_an_answer_is_none(server):
    """What came of it is not shown: it may end in half a key, which nothing would recognise."""
    server.plans["waving"].append(lambda handler, payload: send(handler, 500, f"wrong: {SECRET[:12]}", length=90))
    with pytest.raises(ModelError, match="ended after 19 of 90 bytes") as caught:
        client_of(server, tries=1, key=SECRET).ask([{"role": "user", "content": "Action: waving"}], {})
    assert "s3cret" not in str(caught.value)


def recorded(server, **settings):
    """A client with a clock that only waiting moves, and the list of its waits."""
    now_s, waits = [0.0], []

    def wait(stop, seconds):
        waits.append(seconds)
        now_s[0] += seconds

    return client_of(server, wait=wait, clock=lambda: now_s[0], **settings), waits


def test_waits_double_and_half_of_each_is_chance(server):
    """Between half of and all of 1, 2, 4 and 8 s, from the generator that was passed in."""
    server.plans["waving"].extend([fails(500)] * 4)
    client, waits = recorded(server, rng=np.random.default_rng(3), backoff_s=1.0, tries=5)
    client.ask([{"role": "user", "content": "Action: waving"}], {})
    rng = np.random.default_rng(3)
    assert waits == pytest.approx([2**k * rng.uniform(0.5, 1.0) for k in range(4)])


def test_the_server_says_when_to_come_back(server):
    """After 429 with Retry-After nobody asks before that time, and exactly then."""
    server.plans["waving"].append(fails(429, "slow down", Retry_After="7"))
    client, waits = recorded(server)
    client.ask([{"role": "user", "content": "Action: waving"}], {})
    assert waits == [7.0]
    server.plans["waving"].append(fails(429, "two minutes", Retry_After="120"))
    client.ask([{"role": "user", "content": "Action: waving"}], {})
    assert waits == [7.0, 120.0]
    server.plans["waving"].append(fails(429, "more than two minutes", Retry_After="121"))
    with pytest.raises(ModelError, match="left alone for 121 s") as caught:
        client.ask([{"role": "user", "content": "Action: waving"}], {})
    assert caught.value.hopeless
    assert waits == [7.0, 120.0]


@given(st.floats(1, 600), st.lists(st.one_of(st.just("turn"), st.floats(0, 5)), max_size=30))
def test_turns_are_never_too_close(per_minute, events):
    """Starts are a gap apart whatever else happens, and none lies in a time that the server asked for."""
    now_s = [0.0]
    pace = Pace(per_minute, clock=lambda: now_s[0])
    starts, held_until_s = [], 0.0
    for event in events:
        if event == "turn":
            starts.append(now_s[0] + pace.turn())
            assert starts[-1] >= held_until_s - 1e-9
        elif event > 4:
            pace.hold(event)
            held_until_s = max(held_until_s, now_s[0] + event)
        else:
            now_s[0] += event
    assert all(b - a >= 60 / per_minute - 1e-6 for a, b in pairwise(starts))


def test_a_rate_is_kept(server):
    """At 30 a minute, four questions without any other wait are 2 s apart."""
    client, waits = recorded(server, per_minute=30)
    for _ in range(4):
        client.ask([{"role": "user", "content": "Action: waving"}], {})
    assert waits == [2.0, 2.0, 2.0]


def test_a_server_without_schemas_is_asked_without(server, tmp_path):
    """It answers 400 once, gets the same question without a schema, and from then on no other; the user is told."""
    for name in NAMES:
        server.plans[name].extend([refuses_schema] * 2)
    client = client_of(server)
    made = make_descriptions(NAMES, TEAR, client, tmp_path, concurrency=1)
    assert texts_of(made) == expected(*NAMES)
    assert ["response_format" in payload for _, payload, _ in server.asked] == [True] + [False] * len(NAMES)
    assert client.remarks() == ["the server takes no JSON schema; replies are checked all the same"]


def test_a_server_with_another_name_for_the_limit(server):
    """Asked for max_completion_tokens, the client sends that instead of max_tokens, and keeps the schema."""

    def picky(handler, payload):
        wrong = {"error": {"message": "Unsupported: 'max_tokens'. Use 'max_completion_tokens' instead."}}
        send(handler, *((400, wrong) if "max_tokens" in payload else (200, completion("yes"))))

    server.plans["waving"].extend([picky] * 3)
    client = client_of(server, max_tokens=99)
    for _ in range(2):
        assert client.ask([{"role": "user", "content": "Action: waving"}], {}).text == "yes"
    limits = [(payload.get("max_tokens"), payload.get("max_completion_tokens")) for _, payload, _ in server.asked]
    assert limits == [(99, None), (None, 99), (None, 99)]
    assert all("response_format" in payload for _, payload, _ in server.asked)


@pytest.mark.parametrize(
    ("trouble", "said"),
    [
        (fails(401, {"error": {"message": "bad key"}}), "401: bad key. The key is missing or wrong"),
        (
            fails(404, {"error": "model 'tiny' not found"}),
            "no model 'tiny'.*/models lists the models.*ollama pull tiny",
        ),
        (fails(429, {"error": {"message": "pay", "code": "insufficient_quota"}}), "429: pay"),
        (fails(307, "", Location="http://127.0.0.1:9/v1"), "answered 307"),
    ],
    ids=["401", "404", "quota", "redirect"],
)
def test_what_no_other_question_can_mend_ends_the_run(server, tmp_path, trouble, said):
    """A wrong key, model or address is told at once: one request, no retries."""
    for name in NAMES:
        server.plans[name].append(trouble)
    with pytest.raises(ModelError, match=said):
        made_by(server, tmp_path, concurrency=1)
    assert len(server.asked) == 1


def test_nobody_listens(server, tmp_path):
    """A refused connection is told at once, with the address and what to do."""
    server.close()
    with pytest.raises(ModelError, match=rf"{server.url} gave no answer: .*refused.*Is the server running"):
        made_by(server, tmp_path)


def test_a_key_that_ends_in_the_middle_keeps_what_was_made(server, tmp_path):
    """Actions done before are kept, the others are listed, each action is on one side, and a new key goes on."""
    server.plans["juggling"].append(fails(401, "expired"))
    made = made_by(server, tmp_path, concurrency=1)
    assert texts_of(made) == expected(*NAMES[:3])
    assert [failure.name for failure in made.failed] == NAMES[3:]
    assert "not asked any more, after another action failed" in made.failed[1].reason
    assert len(server.asked) == 4
    assert texts_of(made_by(server, tmp_path)) == expected(*NAMES)
    assert server.counts == dict.fromkeys(NAMES, 1) | {"juggling": 2}


def test_a_server_that_is_gone_is_not_asked_for_ever(server, tmp_path):
    """Three actions in a row without any reply end the run."""
    for name in NAMES[2:]:
        server.plans[name].extend([fails(500)] * 2)
    made = made_by(server, tmp_path, concurrency=1, give_up_after=3, settings={"tries": 2})
    assert texts_of(made) == expected(*NAMES[:2])
    assert [failure.name for failure in made.failed] == NAMES[2:]
    assert len(server.asked) == 2 + 3 * 2


# --- many at once, interruptions, the disk


def test_replies_in_any_order_find_their_actions(server, tmp_path):
    """With all questions under way at once and answers coming backwards, each action has its own texts, in order."""
    for place, name in enumerate(NAMES):
        server.plans[name].append(late(0.02 * (len(NAMES) - place), tear_reply(name)))
    made = made_by(server, tmp_path, concurrency=8)
    assert server.answered != NAMES
    assert list(made.descriptions) == NAMES
    assert texts_of(made) == expected(*NAMES)


@pytest.mark.parametrize("stopped_after", [0, 1, 5])
def test_an_interrupted_run_goes_on_where_it_was(server, tmp_path, stopped_after):
    """Whatever moment Ctrl-C comes at, both runs together ask about each action exactly once."""
    for name in NAMES[stopped_after:]:
        server.plans[name].append(late(0.1, tear_reply(name)))

    def interrupt(done, total):
        if done == stopped_after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        made_by(server, tmp_path, concurrency=3, progress=interrupt)
    before = sum(server.counts.values())
    assert stopped_after <= before <= stopped_after * len(NAMES)
    made = made_by(server, tmp_path, concurrency=3)
    assert server.counts == dict.fromkeys(NAMES, 1)
    assert (made.kept, made.asked) == (before, len(NAMES) - before)
    assert texts_of(made) == expected(*NAMES)
    again = made_by(server, tmp_path)
    assert (again.kept, again.asked) == (len(NAMES), 0)
    assert again.descriptions == made.descriptions


def test_stopping_ends_a_wait():
    """Nothing is sent once the event is set, and a wait for the next try ends with it."""
    server = ChatServer(lambda payload: "{}")
    server.plans["waving"].append(fails(500))
    stop = Event()
    client = client_of(server, wait=lambda event, seconds: event.set())
    with pytest.raises(StoppedError):
        client.ask([{"role": "user", "content": "Action: waving"}], {}, stop=stop)
    assert len(server.asked) == 1
    server.close()


def test_other_questions_have_other_files(server, tmp_path):
    """Another model, seed, temperature, limit or address never gets a reply that was given to others."""
    ways = [{}, {"seed": 1}, {"temperature": 0.5}, {"temperature": None}, {"max_tokens": 7}, {"structured": False}]
    for settings in ways:
        assert made_by(server, tmp_path, ["waving"], settings=settings).asked == 1
    other = ChatClient(server.url, "large", rng=np.random.default_rng(0))
    assert make_descriptions(["waving"], TEAR, other, tmp_path).asked == 1
    assert len(list(tmp_path.iterdir())) == len(ways) + 1
    for settings in ways:
        assert made_by(server, tmp_path, ["waving"], settings=settings).asked == 0


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"reply": {"text": 3}, "date": "x"}', '{"reply": {}}'])
def test_a_damaged_file_is_asked_anew(server, tmp_path, damage):
    """A file that does not hold a reply counts for nothing, and is written anew."""
    made_by(server, tmp_path, ["waving"])
    (file,) = tmp_path.iterdir()
    file.write_text(damage)
    made = made_by(server, tmp_path, ["waving"])
    assert (made.asked, texts_of(made)) == (1, expected("waving"))
    assert made_by(server, tmp_path, ["waving"]).asked == 0


def test_a_disk_that_fails_ends_the_run(server, tmp_path):
    """A reply that cannot be kept is an error of the run, not of one action, and nothing hangs."""

    def remove(done, total):
        if done == 0:
            (tmp_path / "replies").rmdir()
            (tmp_path / "replies").write_text("")

    server.plans["waving"].append(late(0.1, tear_reply("waving")))
    with pytest.raises(OSError, match="replies"):
        made_by(server, tmp_path / "replies", ["waving"], progress=remove)


def test_doubles_are_refused_before_anything_is_asked(server, tmp_path):
    """Two spellings of one action cannot both be kept, so nothing is paid for."""
    for names in (["ride bike", "Ride-Bike"], ["waving", "waving"]):
        with pytest.raises(UsageError, match=r"one action|listed twice"):
            made_by(server, tmp_path, names)
    assert not server.asked


# --- the key


def test_a_key_never_comes_back(server, tmp_path, capfd):
    """A server that puts it into errors, status lines, headers and replies finds no one to pass it on."""
    escaped = json.dumps(SECRET)[1:-1]

    def in_the_status(handler, payload):
        handler.send_response(500, f"no {SECRET}")
        handler.send_header("X-Key", SECRET)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    echoes = [
        fails(500, f"wrong key {SECRET}"),
        fails(500, {"error": {"message": f"wrong key {SECRET}", SECRET: SECRET}}),
        fails(500, {"error": {SECRET: [SECRET]}}),
        fails(500, f'{{"broken": "{escaped}'),
        fails(500, "k" * 290 + SECRET),
        in_the_status,
        fails(400, {"error": {"message": f"Bearer {SECRET}"}}),
        says(tear_reply("x", context=f"a yard with {SECRET}")),
        fails(401, {"error": {"message": f"Bearer {SECRET}"}}),
    ]
    seen = []
    for place, echo in enumerate(echoes):
        server.plans["waving"].extend([echo] * 2)
        client = client_of(server, key=f" {SECRET}\n", tries=1)
        seen.append(repr(client) + str(client.identity([], {})))
        try:
            made = make_descriptions(["waving"], TEAR, client, tmp_path / str(place), retries=0)
            seen.append(repr(made))
        except ModelError as error:
            seen.append(repr(error) + str(error) + str(error.__cause__))
        server.plans["waving"].clear()
    assert {headers["Authorization"] for _, _, headers in server.asked} == {f"Bearer {SECRET}"}
    files = [file.read_text() for file in tmp_path.rglob("*") if file.is_file()]
    assert any("[key]" in text for text in files) and sum("[key]" in text for text in seen) >= 5
    for text in (*files, *seen, *capfd.readouterr()):
        assert "s3cret" not in text and "KEY" not in text


def test_a_key_that_is_a_word_spoils_no_text(server, tmp_path):
    """Placeholders such as x are masked in errors as whole words, and left alone in replies."""
    made = made_by(server, tmp_path, ["BMX"], settings={"key": "BMX"})
    assert texts_of(made) == expected("BMX")
    key = Key("x")
    assert key.redacted("next: x, x-ray", error=True) == "next: [key], [key]-ray"
    assert Key("").redacted("text", error=True) == "text"


@pytest.mark.parametrize("key", ["sk-with\nbreak", "sk-ключ"])
def test_a_key_that_no_header_takes_is_told_without_showing_it(server, key):
    """A line end or a letter with an accent is an error before anything is sent."""
    with pytest.raises(UsageError) as caught:
        client_of(server, key=key)
    assert "sk-" not in str(caught.value)


def test_a_redirect_gets_no_key(server):
    """A server that sends the question elsewhere is an error, and elsewhere nobody is asked."""
    other = ChatServer(lambda payload: "{}")
    for status in (301, 302, 303, 307, 308):
        server.plans["waving"].append(fails(status, "", Location=f"{other.url}/chat/completions"))
        with pytest.raises(ModelError, match=f"answered {status}"):
            client_of(server, key=SECRET).ask([{"role": "user", "content": "Action: waving"}], {})
    assert not other.asked
    other.close()


@pytest.mark.parametrize("url", ["http://me:hunter2@host/v1", "http://host/v1?key=hunter2", "https://host/v1#hunter2"])
def test_an_address_with_a_secret_is_refused_unseen(url):
    """A login or a query in the address is an error that does not repeat it."""
    with pytest.raises(UsageError) as caught:
        Endpoint(url)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["", "localhost:11434/v1", "ftp://host/v1", "http:///v1", "http://host:x/v1", "http://a b/v1"]
)
def test_an_address_that_is_none(url):
    """It is refused with an example of one that is right."""
    with pytest.raises(UsageError, match="http://localhost:11434/v1"):
        Endpoint(url)


def test_offline_means_this_machine_only(monkeypatch):
    """With GERUND_OFFLINE set a server on this machine may be asked, and no other."""
    monkeypatch.setenv("GERUND_OFFLINE", "1")
    for url in ("http://localhost:1/v1", "http://127.0.0.1:1/v1", "http://[::1]:1/v1"):
        assert Endpoint(url).is_local
    with pytest.raises(UsageError, match="GERUND_OFFLINE"):
        Endpoint("https://models.example/v1")


def test_a_proxy_is_not_asked_about_this_machine(server, monkeypatch):
    """A proxy for the rest of the world knows another localhost."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    assert client_of(server).ask([{"role": "user", "content": "Action: waving"}], {}).text == tear_reply("waving")


# --- the command


@pytest.fixture
def run(server, tmp_path, monkeypatch):
    """Types the command against the server, with replies kept below tmp_path."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    app = typer.Typer()
    app.command()(make)

    def typed(*words, recipe="tear"):
        fixed = ["--recipe", recipe, "--model", "tiny", "--base-url", server.url, "--cache", tmp_path / "replies"]
        return CliRunner().invoke(app, [str(word) for word in (*words, *fixed, "--rate", 0)])

    return typed


def test_the_command_writes_a_file(run, server, tmp_path):
    """All actions answered: status 0, a file with their texts, the lint's line on standard error."""
    out = tmp_path / "made.jsonl"
    result = run(",".join(NAMES), "--out", out)
    assert result.exit_code == 0, result.output
    assert {n: [(t.kind, t.text) for t in texts] for n, texts in Descriptions.read(out).items()} == expected(*NAMES)
    assert result.stdout == f"{out}: 8 actions, 56 texts\n"
    assert "8 replies from tiny (800 tokens in, 80 out), 0 kept from before" in result.stderr
    assert "lint: " in result.stderr
    first = out.read_bytes()
    again = run(",".join(NAMES), "--out", out)
    assert (again.exit_code, out.read_bytes()) == (0, first)
    assert "0 replies from tiny, 8 kept" in again.stderr and "gave way" not in again.stderr
    assert server.counts == dict.fromkeys(NAMES, 1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["made.jsonl", "replies"]


def test_without_a_file_the_texts_are_the_output(run):
    """Standard output is JSON Lines and nothing else."""
    result = run("waving, rowing", "--quiet")
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [line["name"] for line in lines] == ["waving", "rowing"]
    assert (result.exit_code, result.stderr) == (0, "")


def test_failures_are_named_at_the_end(run, server, tmp_path):
    """Status 1; the others are written, the failed one is named, and a later run puts it in its place."""
    out = tmp_path / "made.jsonl"
    server.plans["rowing"].extend([says("no")] * 2)
    result = run("waving, rowing, kneeling", "--out", out, "--retries", 1)
    assert result.exit_code == 1
    assert list(Descriptions.read(out)) == ["waving", "kneeling"]
    assert result.stderr.splitlines()[-3:] == [
        "1 of 3 actions failed:",
        '  rowing: 2 replies could not be used; the last one: there is no JSON object in it: "no"',
        "the same command asks about them again; where replies could not be used, only with --retries above 1, for "
        "they are kept too",
    ]
    assert run("waving, rowing, kneeling", "--out", out, "--retries", 2).exit_code == 0
    assert list(Descriptions.read(out)) == ["waving", "rowing", "kneeling"]
    assert server.counts == {"waving": 1, "rowing": 3, "kneeling": 1}


def test_a_file_that_is_there_is_added_to(run, tmp_path):
    """Other actions and other kinds stay; the same kind gives way when a model wrote it, and the user is told."""
    out = tmp_path / "made.jsonl"
    old = Source("language model", "old")
    before = {
        "saluting": [Text("steps", "lifting a hand", old)],
        "waving": [Text("definition", "by hand", Source("me"))],
    }
    Descriptions(before | {"Rowing": [Text("context", "a lake", old)]}).write(out)
    result = run("waving, rowing", "--out", out)
    assert result.exit_code == 0, result.output
    found = Descriptions.read(out)
    assert list(found) == ["saluting", "waving", "Rowing"]
    assert found.of("saluting") == ["lifting a hand"]
    assert found.of("waving", "definition") == ["by hand"]
    assert found.of("rowing", "context") == ["a yard made for rowing"]
    assert "1 texts that were in" in result.stderr


@pytest.mark.parametrize("source", [Source("me"), Source()])
def test_texts_of_people_are_never_replaced(run, server, tmp_path, source):
    """A file with a text of somebody else in the same place is refused before anything is asked."""
    out = tmp_path / "made.jsonl"
    Descriptions({"Waving": [Text("context", "a harbour", source)]}).write(out)
    before = out.read_bytes()
    result = run("waving", "--out", out)
    assert (result.exit_code, out.read_bytes(), server.asked) == (2, before, [])
    assert "give the new texts another file" in result.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["waving", "--recipe", "cake"], "there are tear, definition, situation, askg, full"),
        (["waving", "--base-url", "localhost"], "must look like"),
        (["waving", "--key-env", "NO_SUCH_KEY"], "NO_SUCH_KEY: that environment variable is not set"),
        (["waving", "--out", "/no/such/folder/made.jsonl"], "cannot write"),
        (["waving, Waving!", "--model", "m"], "one action"),
    ],
)
def test_a_command_that_cannot_be_right(run, server, words, said):
    """Status 2 and one line, before anything is asked."""
    app = typer.Typer()
    app.command()(make)
    defaults = {"--recipe": "tear", "--model": "tiny", "--base-url": server.url}
    rest = [word for name, value in defaults.items() if name not in words for word in (name, value)]
    result = CliRunner().invoke(app, [*words, *rest])
    assert (result.exit_code, server.asked) == (2, [])
    assert said in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_key_by_its_variable(run, server, monkeypatch, tmp_path):
    """The named variable's key is sent, and is nowhere in what is printed or written."""
    monkeypatch.setenv("MY_KEY", SECRET)
    server.plans["waving"].append(fails(401, {"error": {"message": f"no such key: {SECRET}"}}))
    results = [run(words, "--key-env", "MY_KEY", "--out", tmp_path / "made.jsonl") for words in ("waving", "rowing")]
    assert [result.exit_code for result in results] == [1, 0]
    assert "no such key: [key]. The key is missing or wrong" in results[0].stderr
    assert {headers["Authorization"] for _, _, headers in server.asked} == {f"Bearer {SECRET}"}
    for text in [result.output for result in results] + [p.read_text() for p in tmp_path.rglob("*") if p.is_file()]:
        assert "s3cret" not in text


def test_a_dry_run_asks_nothing(run, server, tmp_path):
    """It shows two actions' prompts and the cost, from characters and prices, and touches neither server nor disk."""
    words = (",".join(NAMES), "--dry-run", "--price-in", 2, "--price-out", 10, "--key-env", "NO_SUCH_KEY")
    result = run(*words)
    assert (result.exit_code, server.asked, list(tmp_path.iterdir())) == (0, [], [])
    (stage,) = TEAR.stages
    shared = len(stage.prompt(Question(""))[0]["content"]) + len("Action: ")
    tokens_in = sum(shared + len(name) for name in NAMES) // 4
    tokens_out = 8 * len(stage.example_text) // 4
    assert f"=== 8 actions, recipe tear version {TEAR.version}, model tiny\n" in result.stdout
    assert f"8 calls to {server.url}; 0 replies are in" in result.stdout
    assert f"about {tokens_in:,} tokens in and {tokens_out:,} out" in result.stdout
    assert f"about {(2 * tokens_in + 10 * tokens_out) / 1e6:.4f} in the currency" in result.stdout
    assert result.stdout.count("--- user") == 2
    run(",".join(NAMES[:3]))
    asked = len(server.asked)
    assert "5 calls" in run(*words).stdout and len(server.asked) == asked
    assert "=== waving: call 1 of 1, the reply is kept" in run(*words).stdout


def test_a_dry_run_of_two_stages(run):
    """The second call of an action counts too, with the prompt's example for what is not known yet."""
    result = run("waving, rowing", "--dry-run", recipe="askg")
    assert "4 calls" in result.stdout and "waving: call 2 of 2" in result.stdout
    assert "<packing tape, closes, cardboard box>" in result.stdout.split("--- user")[2]


def test_a_dry_run_follows_the_replies_that_are_there(tmp_path):
    """After a run of two stages nothing is left to ask; after one that ended between them, only the second."""
    server = ChatServer(askg_reply)
    recipe, client = find_recipe("askg"), client_of(server)
    made_by(server, tmp_path, ["abseiling", "climbing"], recipe)
    found = estimate(["abseiling", "climbing", "caving"], recipe, client, tmp_path)
    assert (found.calls, found.kept) == (2, 4)
    server.plans["caving"].extend([says(askg_reply({"messages": [{"content": ""}]})), *[fails(500)] * 3])
    assert len(made_by(server, tmp_path, ["caving", "climbing"], recipe).failed) == 1
    found = estimate(["abseiling", "climbing", "caving"], recipe, client, tmp_path)
    assert (found.calls, found.kept) == (1, 5)
    server.close()


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT for one process there")
def test_ctrl_c_says_how_to_go_on(server, tmp_path):
    """A real process, stopped in the middle, ends with 130 and says where its replies are; the next one goes on."""
    program = "import typer\nfrom gerund.cli.making import make\napp = typer.Typer()\napp.command()(make)\napp()"
    fixed = ["--recipe", "tear", "--model", "tiny", "--base-url", server.url, "--cache", str(tmp_path / "replies")]
    words = [sys.executable, "-c", program, ",".join(NAMES), *fixed, "--rate", "0", "--concurrency", "1"]
    waiting = Event()

    def slow(handler, payload):
        waiting.set()
        late(0.3, tear_reply("juggling"))(handler, payload)

    server.plans["juggling"].append(slow)
    environment = {name: value for name, value in os.environ.items() if name != "OPENAI_API_KEY"}
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    assert waiting.wait(60)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)
    assert (process.returncode, stdout) == (130, "")
    assert f"the replies so far are kept in {tmp_path / 'replies'}, and the same command goes on" in stderr
    assert len(list((tmp_path / "replies").iterdir())) == 4  # the one under way was waited for
    made = made_by(server, tmp_path / "replies")
    assert (made.kept, made.asked) == (4, 4)
    assert server.counts == dict.fromkeys(NAMES, 1)


def test_a_line_that_was_hung_up_connects_no_more(server):
    """What was given up while its address was looked for does not go on by itself once it is found."""
    line = Line()
    line.hang_up()
    with pytest.raises(URLError) as caught:
        line.opener().open(f"{server.url}/models", timeout=5)
    assert isinstance(caught.value.reason, TimeoutError) and not server.asked
