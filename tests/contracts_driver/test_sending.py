"""One transaction per intent: replaced when it is stuck, signed anew only when its nonce is gone."""

from __future__ import annotations

import asyncio
import itertools
import json
import resource
from dataclasses import replace

import pytest
from eth_account.typed_transactions.typed_transaction import TypedTransaction
from hexbytes import HexBytes

from chainfleet.drivers.contracts.abi import abi_of
from chainfleet.drivers.contracts.journal import Entry, Journal
from chainfleet.drivers.contracts.locks import exclusive
from chainfleet.drivers.contracts.session import lock_of, open_session
from chainfleet.drivers.contracts.transactions import Intent
from chainfleet.model.errors import ErrorClass, LeaseLost, TaskFailed

DEPLOY = "contracts/deploy/mainnet"


@pytest.fixture
def deployed(world):
    world.address = world.change(DEPLOY).outputs["address"]
    return world


def intent(world, key="a", answer=5):
    abi = abi_of("Aggregator")
    return Intent(key, "submitting", abi, abi.call("submit", 1, answer), to=world.address)


def send(world, *intents, pace=None, before=None):
    async def work():
        async with open_session(world.attempt(DEPLOY)) as session:
            if pace is not None:
                session.sender._pace = replace(session.sender._pace, **pace)
            if before is not None:
                asyncio.get_running_loop().call_later(0.4, before)
            return [await session.sender.send(one) for one in intents]

    return asyncio.run(work())


def journal(world):
    lines = (world.workspace / "contracts/mainnet.journal.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def test_the_same_key_is_carried_out_once(deployed):
    first, again = send(deployed, intent(deployed), intent(deployed, answer=6))
    assert first.sent_now
    assert not again.sent_now
    assert again.hash == first.hash


def test_a_stuck_transaction_is_replaced_with_higher_fees_and_the_same_nonce(deployed):
    deployed.mainnet.call("evm_setAutomine", False)
    (mined,) = send(
        deployed,
        intent(deployed),
        pace={"bump_after_s": 0.2, "poll_s": 0.05},
        before=lambda: deployed.mainnet.call("evm_setAutomine", True) or deployed.mainnet.call("evm_mine"),
    )
    tries = [row for row in journal(deployed) if row["key"] == "a"]
    assert len(tries) >= 2
    assert len({row["nonce"] for row in tries}) == 1
    assert mined.hash in [row["hash"] for row in tries[1:]]
    offered = [
        int(TypedTransaction.from_bytes(HexBytes(row["raw"])).as_dict()["maxFeePerGas"]) for row in tries
    ]
    assert all(later > earlier * 1.1 for earlier, later in itertools.pairwise(offered))


def test_a_nonce_that_somebody_else_used_is_noticed_and_the_intent_signed_anew(deployed):
    send(deployed, intent(deployed))
    rows = journal(deployed)
    raw = rows[-1]
    # As after a kill between writing and sending, with the key used elsewhere meanwhile.
    stolen = replace(Entry(**raw), key="b", hash="0x" + "ab" * 32)
    Journal(deployed.workspace / "contracts/mainnet.journal.jsonl", raw["genesis"]).append(stolen)
    abi = abi_of("Aggregator")
    second = Intent("b", "submitting", abi, abi.call("submit", 2, 7), to=deployed.address)
    (mined,) = send(deployed, second)
    assert mined.sent_now
    assert journal(deployed)[-1]["nonce"] == raw["nonce"] + 1


def test_a_call_that_would_revert_is_told_with_its_reason_and_not_sent(deployed):
    with pytest.raises(TaskFailed, match=r"AggregatorAnswerOutOfBounds\(answer=-5, minAnswer=1") as caught:
        send(deployed, intent(deployed, answer=-5))
    assert caught.value.error_class is ErrorClass.CONFIGURATION
    assert all(row["key"] != "a" for row in journal(deployed))


def test_nothing_is_sent_when_the_lease_is_lost(deployed):
    def lost():
        raise LeaseLost("another coordinator took over")

    deployed.on_fence = lost
    before = deployed.sent(deployed.mainnet)
    with pytest.raises(LeaseLost):
        send(deployed, intent(deployed))
    assert deployed.sent(deployed.mainnet) == before


def test_a_key_is_used_by_one_process_at_a_time(tmp_path):
    path = lock_of(tmp_path, 1, "0xABC")

    async def twice():
        async with exclusive(path, timeout_s=1):
            with pytest.raises(TaskFailed) as caught:
                async with exclusive(path, timeout_s=0.1):
                    pass
            assert caught.value.error_class is ErrorClass.STATE_LOCK
        async with exclusive(path, timeout_s=0.1):
            pass

    asyncio.run(twice())


def test_a_line_cut_off_by_a_kill_is_left_out_and_the_next_one_is_whole(tmp_path):
    entry = Entry("a", "0x00", "0x1", 0, "0xhash", "0xraw")
    log = Journal(tmp_path / "journal.jsonl", "0x00")
    log.append(entry)
    with (tmp_path / "journal.jsonl").open("ab") as stream:
        stream.write(b'{"key":"b","gene')
    assert log.entries() == [entry]
    log.append(replace(entry, key="c"))
    assert [found.key for found in log.entries()] == ["a", "c"]


def test_wherever_the_line_was_cut_off_the_journal_can_be_read(tmp_path):
    path, entry = (
        tmp_path / "journal.jsonl",
        Entry("a", "0x00", "0x1", 0, "0xhash", "0xraw", "", {"answer": 1}),
    )
    Journal(path, "0x00").append(entry)
    line = path.read_bytes().rstrip()
    for cut in range(len(line)):
        path.write_bytes(line + b"\n" + line[:cut])
        assert Journal(path, "0x00").entries() == [entry], line[:cut]


def test_what_can_t_be_written_down_whole_is_refused_before_it_is_sent(tmp_path):
    entry = Entry("a", "0x00", "0x1", 0, "0xhash", "0xraw")
    log = Journal(tmp_path / "journal.jsonl", "0x00")
    log.append(entry)
    size = (tmp_path / "journal.jsonl").stat().st_size
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 40, before[1]))
    try:
        with pytest.raises(TaskFailed, match="nothing was sent") as refusal:
            log.append(replace(entry, key="b"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert refusal.value.error_class is ErrorClass.TRANSIENT
    log.append(replace(entry, key="c"))
    assert [found.key for found in log.entries()] == ["a", "c"]


def test_a_damaged_journal_stops_everything(tmp_path):
    (tmp_path / "journal.jsonl").write_text("nonsense\n")
    with pytest.raises(TaskFailed, match="journal is damaged"):
        Journal(tmp_path / "journal.jsonl", "0x00").entries()


def test_entries_of_a_chain_that_is_gone_are_not_seen(tmp_path):
    Journal(tmp_path / "j", "0xold").append(Entry("a", "0xold", "0x1", 0, "0xhash", "0xraw"))
    assert Journal(tmp_path / "j", "0xnew").entries() == []
