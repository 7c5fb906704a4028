from __future__ import annotations

from hands import Hand, bucket, plan_of, slots, task

from chainfleet.model.event import PauseRequested, ResumeRequested, RunStarted, TokensGranted, WakeAt


def test_the_longest_remaining_path_goes_first_and_ties_go_by_place() -> None:
    plan = plan_of(
        task("short", 3, {"s": 1}),
        task("long", 2, {"s": 1}),
        task("twin", 3, {"s": 1}),
        task("tail", 9, {"s": 1}, needs=("besu/do/long",)),
        limits=(slots("s", 1),),
    )
    hand = Hand(plan)
    assert hand.begin() == ["long"]
    assert hand.succeed("long") == ["tail"]
    assert hand.succeed("tail") == ["short"]
    assert hand.succeed("short") == ["twin"]


def test_a_slot_is_given_back_and_no_more_run_than_there_are() -> None:
    hand = Hand(plan_of(*(task(f"t{i}", 1, {"s": 1}) for i in range(5)), limits=(slots("s", 2),)))
    assert hand.begin() == ["t0", "t1"]
    assert hand.scheduler.limits()[0].in_use == 2
    assert hand.scheduler.limits()[0].waiting == 3
    assert hand.succeed("t1") == ["t2"]


def test_a_light_task_passes_a_heavy_one_that_finds_no_room() -> None:
    plan = plan_of(
        task("holder", 9, {"m": 3}),
        task("heavy", 8, {"m": 3}),
        task("light", 1, {"m": 1}),
        limits=(slots("m", 4),),
    )
    assert Hand(plan).begin() == ["holder", "light"]


def test_a_heavy_task_is_not_starved_by_light_ones() -> None:
    lights = [task(f"light{i:02}", 1, {"m": 1}) for i in range(40)]
    plan = plan_of(task("heavy", 50, {"m": 4}), task("first", 99, {"m": 1}), *lights, limits=(slots("m", 4),))
    hand = Hand(plan)
    running = hand.begin()
    assert running[0] == "first"
    passed = len(running) - 1
    while "heavy" not in running:
        oldest = running.pop(0)
        fresh = hand.succeed(oldest)
        passed += sum(name.startswith("light") for name in fresh)
        running += fresh
        assert passed <= 4 + 4, "more than one full capacity passed it, beyond those that ran already"


def test_tokens_are_spent_up_to_the_burst_and_then_paced() -> None:
    plan = plan_of(*(task(f"t{i}", 1, {"api": 1}) for i in range(6)), limits=(bucket("api", 3, 2.0),))
    hand = Hand(plan)
    commands = hand.tell(RunStarted(), 10.0)
    wakes = [c.at for c in commands if isinstance(c, WakeAt)]
    assert wakes == [10 + 0.509684], "98.1 % of two per second"
    assert hand.wait(10.5) == []
    assert hand.wait(wakes[0]) == ["t3"]
    assert len(hand.wait(60.0)) == 2


def test_a_pause_starts_nothing_and_a_resume_everything() -> None:
    hand = Hand(plan_of(task("a"), task("b", needs=("besu/do/a",)), task("c", 5)))
    hand.begin()
    hand.tell(PauseRequested())
    assert hand.succeed("a") == []
    assert hand.state("b") == "ready"
    assert hand.scheduler.bottleneck(0).kind != "pause", "c runs still"
    hand.succeed("c")
    assert hand.scheduler.bottleneck(0).kind == "pause"
    assert [c.task for c in hand.tell(ResumeRequested()) if hasattr(c, "timeout_s")] == ["besu/do/b"]


def test_wake_ups_are_asked_for_once() -> None:
    plan = plan_of(*(task(f"t{i}", 1, {"api": 1}) for i in range(3)), limits=(bucket("api", 1, 1.0),))
    hand = Hand(plan)
    hand.begin()
    assert [c for c in hand.tell(ResumeRequested(), 0.1) if isinstance(c, WakeAt)] == []


def test_of_a_shared_bucket_observers_see_what_is_left_of_all_of_it() -> None:
    plan = plan_of(task("a", 1, {"api": 4}), limits=(bucket("api", 10, 1.0),))
    hand = Hand(plan)
    assert hand.begin(RunStarted(shared=("api",))) == []
    assert hand.scheduler.limits()[0].in_use == 0, "nothing was drawn by anybody"
    hand.tell(TokensGranted("api", 4.0, left=2.0), 1.0)
    assert hand.scheduler.limits()[0].in_use == 8, "granted and drawn here, and four by others"
    hand.wait(100.0)
    assert hand.scheduler.limits()[0].in_use == 0, "it has filled up since"
