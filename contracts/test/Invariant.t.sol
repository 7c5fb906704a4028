// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Client} from "@chainlink/contracts-ccip/contracts/libraries/Client.sol";
import {IAggregator} from "../src/IAggregator.sol";
import {OracleWithCCIP} from "../src/OracleWithCCIP.sol";
import {Lane} from "./Lane.sol";
import {Support} from "./Support.sol";
import {StubRouter} from "./mocks/StubRouter.sol";

/// Does what oracles, the relayer, CCIP and the pauser may do, in any order, and remembers what must hold.
contract Handler is Support {
    OracleWithCCIP private immutable ORACLE;
    StubRouter private immutable ROUTER;
    uint64 private immutable SELECTOR;
    address private immutable ADMIN;
    address private immutable RELAYER;
    address private immutable PEER;
    address[] private _oracles;
    uint256 private _now = START;

    uint256 public highestRound;
    uint256 public latestUpdate;
    uint256 public answered;
    mapping(uint256 => int256[]) private _submissions;
    mapping(uint256 => bool) public relayed;
    bytes[] private _kept;
    string public broken;

    constructor(
        OracleWithCCIP oracle,
        StubRouter router,
        uint64 selector,
        address admin,
        address relayer,
        address peer,
        address[] memory oracles
    ) {
        (ORACLE, ROUTER, SELECTOR, ADMIN, RELAYER, PEER) = (oracle, router, selector, admin, relayer, peer);
        _oracles = oracles;
    }

    function submit(uint256 who, uint256 ahead, uint256 price, uint256 wait) external {
        pass(between(wait, 0, 40));
        address account = _oracles[who % _oracles.length];
        uint256 reporting = ORACLE.openRound().roundId;
        uint256 roundId = reporting + between(ahead, 0, 1);
        int256 answer = int256(between(price, 1, 10 ** 14));
        cheats.prank(account);
        (bool ok,) = address(ORACLE).call(abi.encodeCall(ORACLE.submit, (roundId, answer)));
        if (ok) {
            _submissions[roundId].push(answer);
            if (ORACLE.latestRound() == roundId) checkMedian(roundId);
        }
        look();
    }

    function stall() external {
        pass(700);
        look();
    }

    function relay(uint256 skip, uint256 price) external {
        uint256 roundId = ORACLE.latestRound() + between(skip, 0, 3);
        if (roundId == 0 || roundId > type(uint32).max) return;
        cheats.prank(RELAYER);
        (bool ok,) = address(ORACLE)
            .call(
                abi.encodeCall(
                    ORACLE.relayRound,
                    (uint32(roundId), int256(between(price, 1, 10 ** 14)), uint64(_now), uint64(_now))
                )
            );
        if (ok) relayed[roundId] = true;
        look();
    }

    function deliver(uint256 back, uint256 price, bytes32 id, bool future) external {
        uint256 latest = ORACLE.latestRound();
        uint256 roundId = latest + 2 - between(back, 0, latest < 2 ? latest : 2);
        uint64 time = uint64(_now + (future ? 1 days : 0));
        id = keccak256(abi.encode(id, roundId, price, time)); // CCIP's ids are hashes of the message
        Client.Any2EVMMessage memory message = Client.Any2EVMMessage(
            id,
            SELECTOR,
            abi.encode(PEER),
            abi.encode(1, keccak256("ETH / USD"), 8, roundId, between(price, 1, 10 ** 14), _now, time),
            new Client.EVMTokenAmount[](0)
        );
        (bool ok,,) = ROUTER.deliver(address(ORACLE), message, 200_000);
        if (!ok) broken = "a delivery of the router reverted";
        if (ORACLE.failedMessage(id) != 0) {
            if (ORACLE.failedMessage(id) != keccak256(abi.encode(message))) broken = "the wrong message is kept";
            _kept.push(abi.encode(message));
        } else if (ORACLE.latestRound() == roundId && latest < roundId) {
            relayed[roundId] = true;
        }
        look();
    }

    function retry(uint256 which) external {
        if (_kept.length == 0) return;
        Client.Any2EVMMessage memory message = abi.decode(_kept[which % _kept.length], (Client.Any2EVMMessage));
        uint256 before = ORACLE.latestRound();
        cheats.prank(ADMIN);
        (bool ok,) = address(ORACLE).call(abi.encodeCall(ORACLE.retryMessage, (message)));
        if (ok) {
            if (ORACLE.failedMessage(message.messageId) != 0) broken = "a retried message is still kept";
            if (ORACLE.latestRound() != before) relayed[ORACLE.latestRound()] = true;
        }
        look();
    }

    function togglePause() external {
        bool paused = ORACLE.paused();
        cheats.prank(ADMIN);
        paused ? ORACLE.unpause() : ORACLE.pause();
    }

    function strangerTries(address who, bytes4 selector, uint256 value) external {
        if (who == ADMIN || who == RELAYER || who == address(ROUTER) || who == address(ORACLE)) return;
        for (uint256 i = 0; i < _oracles.length; ++i) {
            if (who == _oracles[i]) return;
        }
        (uint256 round, int256 answer) = (ORACLE.latestRound(), ORACLE.latestAnswer());
        bool paused = ORACLE.paused();
        cheats.prank(who);
        (bool ok,) = address(ORACLE).call(abi.encodePacked(selector, value, value, value, value));
        ok;
        bool same = ORACLE.latestRound() == round && ORACLE.latestAnswer() == answer && ORACLE.paused() == paused;
        if (!same) broken = "a stranger changed something";
    }

    function pass(uint256 time) private {
        _now += time;
        cheats.warp(_now);
    }

    function look() private {
        uint256 round = ORACLE.latestRound();
        uint256 updated = ORACLE.latestTimestamp();
        if (round < highestRound) broken = "the latest round went back";
        if (updated < latestUpdate) broken = "the latest answer became older";
        if (updated > _now) broken = "an answer is of the future";
        if (round > highestRound) ++answered;
        (highestRound, latestUpdate) = (round, updated);
        if (round == 0) return;
        int256 answer = ORACLE.latestAnswer();
        if (answer < 1 || answer > 10 ** 14) broken = "the answer is out of bounds";
        (,,,, uint80 answeredIn) = ORACLE.latestRoundData();
        if (answeredIn != round) broken = "the latest round has no answer of its own";
    }

    /// An independent median: the value (or the mean of two) that as many submissions are below as above.
    function checkMedian(uint256 roundId) private {
        if (relayed[roundId]) return;
        int256[] storage all = _submissions[roundId];
        int256 answer = ORACLE.getAnswer(roundId);
        uint256 below;
        uint256 above;
        for (uint256 i = 0; i < all.length; ++i) {
            if (all[i] < answer) ++below;
            if (all[i] > answer) ++above;
        }
        if (below > all.length / 2 || above > all.length / 2) broken = "the answer is not the median";
    }
}

contract InvariantTest is Lane {
    Handler private _handler;

    function setUp() public override {
        super.setUp();
        _handler = new Handler(oracle, router, SELECTOR, admin, relayer, peer, three());
    }

    function targetContracts() public view returns (address[] memory) {
        return one(address(_handler));
    }

    /// Rounds only grow, answers are medians within bounds and never of the future, strangers change nothing, a kept
    /// message is the one that failed, deliveries never revert.
    function invariant_theFeedStaysSound() public view {
        yes(bytes(_handler.broken()).length == 0, _handler.broken());
    }

    /// No coin stays in the contract.
    function invariant_nothingGetsStuck() public view {
        equal(address(oracle).balance, 0);
    }
}

contract FuzzTest is Lane {
    /// Any number of oracles: what is answered is what sorting says.
    function testFuzz_theMedianIsWhatSortingSays(uint256 seed, uint8 number) public {
        uint256 count = between(number, 1, 31);
        address[] memory list = new address[](count);
        for (uint256 i = 0; i < count; ++i) {
            list[i] = address(uint160(1000 + i));
        }
        feed = newFeed(settings(uint8(count), uint8(count), 0), list);
        int256[] memory values = new int256[](count);
        for (uint256 i = 0; i < count; ++i) {
            values[i] = int256(between(uint256(keccak256(abi.encode(seed, i))), 1, 10 ** 14));
            submit(list[i], 1, values[i]);
        }
        // Selection: the k-th smallest by counting, which shares no code with the contract's sort.
        int256 low = kth(values, (count - 1) / 2);
        int256 high = kth(values, count / 2);
        equal(feed.latestAnswer(), (low + high) / 2);
    }

    function kth(int256[] memory values, uint256 k) private pure returns (int256) {
        for (uint256 i = 0; i < values.length; ++i) {
            uint256 smaller;
            uint256 same;
            for (uint256 j = 0; j < values.length; ++j) {
                if (values[j] < values[i]) ++smaller;
                if (values[j] == values[i]) ++same;
            }
            if (smaller <= k && k < smaller + same) return values[i];
        }
        revert Failed("no k-th value");
    }

    /// Whatever is sent along, the caller is out exactly the fee and nothing stays.
    function testFuzz_exactlyTheFeeIsPaid(uint96 fee, uint96 value) public {
        fullRound(1, 100);
        fee = uint96(between(fee, 0, 5000));
        router.setFee(fee);
        cheats.deal(admin, value);
        cheats.prank(admin);
        (bool ok,) = address(oracle).call{value: value}(abi.encodeCall(oracle.sendRound, (SELECTOR, 1, 5000)));
        yes(ok == (value >= fee), "paid or refused");
        equal(admin.balance, ok ? value - fee : value);
        equal(address(oracle).balance, 0);
    }
}
