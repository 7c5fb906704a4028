// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Aggregator} from "../src/Aggregator.sol";
import {IAggregator} from "../src/IAggregator.sol";
import {Support} from "./Support.sol";

/// A feed with three oracles that answers with two, and short names for what the tests do.
abstract contract Feed is Support {
    event NewRound(uint256 indexed roundId, address indexed startedBy, uint256 startedAt);
    event AnswerUpdated(int256 indexed current, uint256 indexed roundId, uint256 updatedAt);

    int256 internal constant LOW = 1;
    int256 internal constant HIGH = 10 ** 14;
    uint24 internal constant TIMEOUT = 600;
    uint48 internal constant ADMIN_DELAY = 1 days;

    address internal admin = named("admin");
    address internal stranger = named("stranger");
    address internal relayer = named("relayer");
    address internal alice = named("alice");
    address internal bob = named("bob");
    address internal carol = named("carol");

    Aggregator internal feed;

    function setUp() public virtual {
        cheats.warp(START);
        feed = newFeed(settings(2, 3, 0), three());
        grant(feed.RELAYER_ROLE(), relayer);
    }

    function newFeed(IAggregator.Settings memory set, address[] memory list) internal virtual returns (Aggregator) {
        return new Aggregator("ETH / USD", 8, [LOW, HIGH], set, list, admin, ADMIN_DELAY);
    }

    function settings(uint8 min, uint8 max, uint32 delay) internal pure returns (IAggregator.Settings memory) {
        return IAggregator.Settings(min, max, delay, TIMEOUT, 50, 3600);
    }

    function three() internal view returns (address[] memory list) {
        list = new address[](3);
        (list[0], list[1], list[2]) = (alice, bob, carol);
    }

    function one(address account) internal pure returns (address[] memory list) {
        list = new address[](1);
        list[0] = account;
    }

    function none() internal pure returns (address[] memory list) {}

    function grant(bytes32 role, address account) internal {
        cheats.prank(admin);
        feed.grantRole(role, account);
    }

    function submit(address oracle, uint256 roundId, int256 answer) internal {
        cheats.prank(oracle);
        feed.submit(roundId, answer);
    }

    /// All three report on a round around `answer`, which becomes the median.
    function fullRound(uint256 roundId, int256 answer) internal {
        submit(alice, roundId, answer - 1);
        submit(bob, roundId, answer);
        submit(carol, roundId, answer + 1);
    }

    function relay(uint32 roundId, int256 answer, uint64 startedAt, uint64 updatedAt) internal {
        cheats.prank(relayer);
        feed.relayRound(roundId, answer, startedAt, updatedAt);
    }

    function refuses(bytes memory reason) internal {
        cheats.expectRevert(reason);
    }

    function equalRound(uint80 roundId, int256 answer, uint256 startedAt, uint256 updatedAt, uint80 answeredIn)
        internal
        view
    {
        (uint80 id, int256 value, uint256 started, uint256 updated, uint80 inRound) = feed.getRoundData(roundId);
        equal(id, roundId);
        equal(value, answer);
        equal(started, startedAt);
        equal(updated, updatedAt);
        equal(inRound, answeredIn);
    }
}
