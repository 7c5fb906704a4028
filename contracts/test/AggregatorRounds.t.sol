// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Aggregator} from "../src/Aggregator.sol";
import {IAggregator} from "../src/IAggregator.sol";
import {Feed} from "./Feed.sol";

contract SubmitTest is Feed {
    function test_answersWithTheMedianOnceEnoughHaveSubmitted() public {
        cheats.expectEmit(address(feed));
        emit NewRound(1, alice, START);
        cheats.expectEmit(address(feed));
        emit IAggregator.SubmissionReceived(100, 1, alice);
        submit(alice, 1, 100);
        equal(feed.latestRound(), 0);
        cheats.warp(START + 5);
        cheats.expectEmit(address(feed));
        emit AnswerUpdated(150, 1, START + 5);
        submit(bob, 1, 200);
        equalRound(1, 150, START, START + 5, 1);
        equal(feed.latestRound(), 1);
    }

    function test_furtherSubmissionsRecomputeTheMedian() public {
        submit(alice, 1, 100);
        submit(bob, 1, 200);
        cheats.warp(START + 9);
        submit(carol, 1, 190);
        equalRound(1, 190, START, START + 9, 1);
    }

    function test_medianOfTwoIsRoundedTowardsZero() public {
        Aggregator below = new Aggregator("x", 8, [-HIGH, HIGH], settings(2, 3, 0), three(), admin, ADMIN_DELAY);
        cheats.prank(alice);
        below.submit(1, -3);
        cheats.prank(bob);
        below.submit(1, -2);
        equal(below.latestAnswer(), -2);
    }

    function test_lateSubmissionsCountWhileTheNextRoundIsUnanswered() public {
        submit(alice, 1, 100);
        submit(bob, 1, 200);
        submit(alice, 2, 500);
        cheats.warp(START + 7);
        submit(carol, 1, 120);
        equalRound(1, 120, START, START + 7, 1);
        equal(feed.latestRound(), 1);
        refuses(abi.encodeWithSelector(IAggregator.AggregatorAlreadyReported.selector, 1, 1));
        submit(carol, 1, 130);
    }

    function test_RevertWhen_anOracleReportsBeforeItsFirstRound() public {
        fullRound(1, 100);
        submit(alice, 2, 100);
        cheats.prank(admin);
        feed.changeOracles(none(), one(stranger), settings(2, 3, 0));
        // A newcomer begins with the next round.
        refuses(abi.encodeWithSelector(IAggregator.AggregatorOracleNotYetEnabled.selector, stranger, 3));
        submit(stranger, 1, 100);
    }

    function test_RevertWhen_anEarlierRoundIsReportedAfterTheCurrentIsAnswered() public {
        submit(alice, 1, 100);
        submit(bob, 1, 100);
        submit(alice, 2, 100);
        submit(bob, 2, 100);
        refuses(abi.encodeWithSelector(IAggregator.AggregatorInvalidRound.selector, 1, 2));
        submit(carol, 1, 100);
    }

    function test_RevertWhen_theRoundIsClosed() public {
        feed = newFeed(settings(2, 2, 0), three());
        submit(alice, 1, 100);
        submit(bob, 1, 100);
        refuses(abi.encodeWithSelector(IAggregator.AggregatorRoundClosed.selector, 1));
        submit(carol, 1, 100);
        submit(alice, 2, 100);
        refuses(abi.encodeWithSelector(IAggregator.AggregatorRoundClosed.selector, 1));
        submit(carol, 1, 100);
    }

    function test_anEarlierRoundClosesWithItsLastSubmission() public {
        cheats.prank(admin);
        feed.changeOracles(none(), one(stranger), settings(2, 3, 0));
        submit(alice, 1, 100);
        submit(bob, 1, 100);
        submit(alice, 2, 100);
        submit(carol, 1, 130);
        equal(feed.getAnswer(1), 100);
        equal(feed.openRound().submissions, 1);
        refuses(abi.encodeWithSelector(IAggregator.AggregatorRoundClosed.selector, 1));
        submit(stranger, 1, 500);
    }

    function test_RevertWhen_outOfBounds() public {
        refuses(abi.encodeWithSelector(IAggregator.AggregatorAnswerOutOfBounds.selector, LOW - 1, LOW, HIGH));
        submit(alice, 1, LOW - 1);
        refuses(abi.encodeWithSelector(IAggregator.AggregatorAnswerOutOfBounds.selector, HIGH + 1, LOW, HIGH));
        submit(alice, 1, HIGH + 1);
        refuses(abi.encodeWithSelector(IAggregator.AggregatorAnswerOutOfBounds.selector, -5, LOW, HIGH));
        submit(alice, 1, -5);
        submit(alice, 1, LOW);
        submit(bob, 1, HIGH);
    }

    function test_RevertWhen_unknown() public {
        refuses(abi.encodeWithSelector(IAggregator.AggregatorUnknownOracle.selector, stranger));
        submit(stranger, 1, 100);
    }

    function test_RevertWhen_reportedTwice() public {
        submit(alice, 1, 100);
        refuses(abi.encodeWithSelector(IAggregator.AggregatorAlreadyReported.selector, 1, 1));
        submit(alice, 1, 100);
    }

    function test_RevertWhen_roundIsAhead() public {
        refuses(abi.encodeWithSelector(IAggregator.AggregatorInvalidRound.selector, 2, 0));
        submit(alice, 2, 100);
        refuses(abi.encodeWithSelector(IAggregator.AggregatorRoundIdTooLarge.selector, uint256(1) << 32));
        submit(alice, uint256(1) << 32, 100);
    }

    function test_RevertWhen_roundIsZero() public {
        refuses(abi.encodeWithSelector(IAggregator.AggregatorOracleNotYetEnabled.selector, alice, 1));
        submit(alice, 0, 100);
    }

    function test_RevertWhen_previousRoundIsOpen() public {
        submit(alice, 1, 100);
        cheats.warp(START + TIMEOUT);
        refuses(abi.encodeWithSelector(IAggregator.AggregatorRoundNotSupersedable.selector, 1));
        submit(bob, 2, 100);
    }

    function test_RevertWhen_paused() public {
        cheats.prank(admin);
        feed.pause();
        refuses(abi.encodeWithSelector(IAggregator.AggregatorPaused.selector));
        submit(alice, 1, 100);
    }

    function test_remembersWhatAnOracleSubmitted() public {
        submit(alice, 1, 123);
        IAggregator.Oracle memory record = feed.oracle(alice);
        equal(record.lastReportedRound, 1);
        equal(record.lastStartedRound, 1);
        equal(record.latestSubmission, 123);
    }
}

contract RestartDelayTest is Feed {
    function setUp() public override {
        super.setUp();
        feed = newFeed(settings(2, 3, 1), three());
    }

    function test_RevertWhen_anOracleOpensRoundsTooOften() public {
        fullRound(1, 100);
        refuses(abi.encodeWithSelector(IAggregator.AggregatorRestartDelayed.selector, 2, 3));
        submit(alice, 2, 100);
        submit(bob, 2, 100);
        submit(alice, 2, 100);
        submit(carol, 2, 100);
        submit(alice, 3, 100);
    }
}

contract TimeoutTest is Feed {
    function test_aTimedOutRoundCarriesTheAnswerBefore() public {
        fullRound(1, 100);
        cheats.warp(START + 10);
        submit(alice, 2, 500);
        uint256 later = START + 10 + TIMEOUT + 1;
        cheats.warp(later);
        cheats.expectEmit(address(feed));
        emit IAggregator.RoundTimedOut(2, 1);
        submit(bob, 3, 300);
        equalRound(2, 100, START + 10, later, 1);
        equal(feed.latestRound(), 1);
        submit(alice, 3, 300);
        equal(feed.latestRound(), 3);
    }

    function test_aTimedOutFirstRoundHasNoData() public {
        submit(alice, 1, 500);
        cheats.warp(START + TIMEOUT + 1);
        submit(bob, 2, 300);
        refuses(bytes.concat(abi.encodeWithSignature("Error(string)", "No data present")));
        feed.getRoundData(1);
        equal(feed.getTimestamp(1), block.timestamp);
    }

    function test_RevertWhen_aTimedOutRoundIsReported() public {
        submit(alice, 1, 500);
        cheats.warp(START + TIMEOUT + 1);
        submit(bob, 2, 300);
        refuses(abi.encodeWithSelector(IAggregator.AggregatorRoundClosed.selector, 1));
        submit(carol, 1, 300);
    }

    function test_anAnsweredRoundIsNotRewrittenByItsTimeOut() public {
        fullRound(1, 100);
        submit(alice, 2, 200);
        submit(bob, 2, 200);
        cheats.warp(START + TIMEOUT + 1);
        submit(alice, 3, 300);
        equalRound(2, 200, START, START, 2);
        refuses(abi.encodeWithSelector(IAggregator.AggregatorRoundClosed.selector, 2));
        submit(carol, 2, 300);
    }

    function test_withoutATimeOutARoundStaysOpen() public {
        feed = newFeed(IAggregator.Settings(2, 3, 0, 0, 50, 3600), three());
        submit(alice, 1, 100);
        cheats.warp(START + 365 days);
        refuses(abi.encodeWithSelector(IAggregator.AggregatorRoundNotSupersedable.selector, 1));
        submit(bob, 2, 100);
    }
}
