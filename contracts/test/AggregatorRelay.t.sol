// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAccessControl} from "@openzeppelin/contracts/access/IAccessControl.sol";
import {IAggregator} from "../src/IAggregator.sol";
import {Feed} from "./Feed.sol";

contract RelayTest is Feed {
    function test_takesOverARoundWithItsNumberAndTimes() public {
        cheats.expectEmit(address(feed));
        emit NewRound(7, relayer, START - 20);
        cheats.expectEmit(address(feed));
        emit AnswerUpdated(100, 7, START - 10);
        cheats.expectEmit(address(feed));
        emit IAggregator.RoundAdopted(7, relayer, 100, uint64(START - 10));
        relay(7, 100, uint64(START - 20), uint64(START - 10));
        equalRound(7, 100, START - 20, START - 10, 7);
        equal(feed.latestRound(), 7);
        equal(feed.openRound().roundId, 7);
        yes(feed.openRound().answered, "answered");
    }

    function test_localRoundsGoOnAfterARelayedOne() public {
        fullRound(1, 100);
        submit(alice, 2, 100);
        relay(9, 500, uint64(START), uint64(START));
        refuses(abi.encodeWithSelector(IAggregator.AggregatorInvalidRound.selector, 2, 9));
        submit(bob, 2, 100);
        refuses(abi.encodeWithSelector(IAggregator.AggregatorRoundClosed.selector, 9));
        submit(bob, 9, 100);
        fullRound(10, 700);
        equal(feed.latestAnswer(), 700);
    }

    function test_aRelayedRoundClosesTheOpenOneOfItsNumber() public {
        submit(alice, 1, 100);
        relay(1, 300, uint64(START), uint64(START));
        refuses(abi.encodeWithSelector(IAggregator.AggregatorRoundClosed.selector, 1));
        submit(bob, 1, 200);
        equal(feed.latestAnswer(), 300);
    }

    function test_aRelayedRoundBeforeTheOpenOneClosesLateSubmissions() public {
        relay(4, 300, uint64(START), uint64(START));
        submit(alice, 5, 100);
        cheats.warp(START + TIMEOUT + 1);
        submit(alice, 6, 100);
        relay(5, 310, uint64(START), uint64(START + 1));
        equal(feed.latestRound(), 5);
        equal(feed.openRound().roundId, 6);
        refuses(abi.encodeWithSelector(IAggregator.AggregatorRoundClosed.selector, 5));
        submit(bob, 5, 100);
        submit(bob, 6, 200);
        equal(feed.latestAnswer(), 150);
    }

    function test_aRelayedRoundFarBeforeTheOpenOneLeavesItOpen() public {
        submit(alice, 1, 100);
        cheats.warp(START + TIMEOUT + 1);
        submit(alice, 2, 100);
        cheats.warp(START + 2 * (TIMEOUT + 1));
        submit(alice, 3, 100);
        relay(1, 300, uint64(START), uint64(START));
        equal(feed.latestRound(), 1);
        submit(bob, 3, 200);
        equal(feed.latestAnswer(), 150);
    }

    function test_RevertWhen_notNewer() public {
        relay(5, 100, uint64(START), uint64(START));
        refuses(abi.encodeWithSelector(IAggregator.AggregatorRoundNotNewer.selector, 5, 5));
        relay(5, 200, uint64(START), uint64(START));
        refuses(abi.encodeWithSelector(IAggregator.AggregatorRoundNotNewer.selector, 4, 5));
        relay(4, 200, uint64(START), uint64(START));
    }

    function test_RevertWhen_inTheFuture() public {
        refuses(abi.encodeWithSelector(IAggregator.AggregatorFutureTimestamp.selector, START + 1, START));
        relay(1, 100, uint64(START), uint64(START + 1));
    }

    function test_RevertWhen_timesAreWrong() public {
        refuses(abi.encodeWithSelector(IAggregator.AggregatorInvalidTimestamps.selector, 0, START));
        relay(1, 100, 0, uint64(START));
        refuses(abi.encodeWithSelector(IAggregator.AggregatorInvalidTimestamps.selector, START, START - 1));
        relay(1, 100, uint64(START), uint64(START - 1));
    }

    function test_RevertWhen_olderThanTheLatestAnswer() public {
        fullRound(1, 100);
        refuses(abi.encodeWithSelector(IAggregator.AggregatorTimestampNotNewer.selector, START - 1, START));
        relay(2, 100, uint64(START - 9), uint64(START - 1));
        relay(2, 100, uint64(START - 9), uint64(START));
    }

    function test_RevertWhen_outOfBounds() public {
        refuses(abi.encodeWithSelector(IAggregator.AggregatorAnswerOutOfBounds.selector, 0, LOW, HIGH));
        relay(1, 0, uint64(START), uint64(START));
    }

    function test_RevertWhen_paused() public {
        cheats.prank(admin);
        feed.pause();
        refuses(abi.encodeWithSelector(IAggregator.AggregatorPaused.selector));
        relay(1, 100, uint64(START), uint64(START));
    }

    function test_RevertWhen_notTheRelayer() public {
        bytes32 role = feed.RELAYER_ROLE();
        refuses(abi.encodeWithSelector(IAccessControl.AccessControlUnauthorizedAccount.selector, admin, role));
        cheats.prank(admin);
        feed.relayRound(1, 100, uint64(START), uint64(START));
    }
}
