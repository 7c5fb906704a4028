// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAccessControl} from "@openzeppelin/contracts/access/IAccessControl.sol";
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

contract ReadTest is Feed {
    function test_withoutDataTheNewGettersRevertAndTheOldAreZero() public {
        bytes memory noData = abi.encodeWithSignature("Error(string)", "No data present");
        refuses(noData);
        feed.latestRoundData();
        refuses(noData);
        feed.getRoundData(1);
        refuses(noData);
        feed.getRoundData(type(uint80).max);
        equal(feed.latestAnswer(), 0);
        equal(feed.latestTimestamp(), 0);
        equal(feed.latestRound(), 0);
        equal(feed.getAnswer(1), 0);
        equal(feed.getTimestamp(1), 0);
    }

    function test_gettersAgree() public {
        fullRound(1, 100);
        cheats.warp(START + 60);
        fullRound(2, 200);
        (uint80 id, int256 answer, uint256 started, uint256 updated, uint80 inRound) = feed.latestRoundData();
        equal(id, 2);
        equal(answer, 200);
        equal(started, START + 60);
        equal(updated, START + 60);
        equal(inRound, 2);
        equal(feed.latestAnswer(), 200);
        equal(feed.latestTimestamp(), START + 60);
        equal(feed.latestRound(), 2);
        equal(feed.getAnswer(1), 100);
        equal(feed.getTimestamp(1), START);
        equalRound(1, 100, START, START, 1);
    }

    function test_tellsWhatItIs() public view {
        equal(feed.decimals(), 8);
        equal(feed.version(), 1);
        equal(keccak256(bytes(feed.description())), keccak256("ETH / USD"));
        equal(keccak256(bytes(feed.typeAndVersion())), keccak256("Aggregator 1.0.0"));
        equal(feed.minAnswer(), LOW);
        equal(feed.maxAnswer(), HIGH);
        equal(feed.oracles().length, 3);
        yes(!feed.restricted() && !feed.paused(), "open");
    }

    function test_aRestrictedFeedIsReadByReadersAndOffChain() public {
        fullRound(1, 100);
        bytes32 admins = feed.DEFAULT_ADMIN_ROLE();
        refuses(abi.encodeWithSelector(IAccessControl.AccessControlUnauthorizedAccount.selector, stranger, admins));
        cheats.prank(stranger);
        feed.setRestricted(true);
        cheats.expectEmit(address(feed));
        emit IAggregator.RestrictionChanged(true);
        cheats.prank(admin);
        feed.setRestricted(true);
        yes(feed.restricted(), "restricted");

        cheats.prank(stranger, alice);
        refuses(abi.encodeWithSelector(IAggregator.AggregatorReadDenied.selector, stranger));
        feed.latestRoundData();
        cheats.prank(stranger, stranger);
        feed.latestRoundData();
        grant(feed.READER_ROLE(), stranger);
        cheats.prank(stranger, alice);
        equal(feed.latestAnswer(), 100);
        cheats.prank(admin);
        feed.setRestricted(false);
        cheats.prank(carol, alice);
        equal(feed.getAnswer(1), 100);
    }

    function test_everyGetterIsRestricted() public {
        cheats.prank(admin);
        feed.setRestricted(true);
        bytes memory denied = abi.encodeWithSelector(IAggregator.AggregatorReadDenied.selector, stranger);
        bytes[8] memory calls = [
            abi.encodeCall(feed.latestRoundData, ()),
            abi.encodeCall(feed.getRoundData, (1)),
            abi.encodeCall(feed.latestAnswer, ()),
            abi.encodeCall(feed.latestTimestamp, ()),
            abi.encodeCall(feed.latestRound, ()),
            abi.encodeCall(feed.getAnswer, (1)),
            abi.encodeCall(feed.getTimestamp, (1)),
            abi.encodeCall(feed.updateDue, (1))
        ];
        for (uint256 i = 0; i < calls.length; ++i) {
            cheats.prank(stranger, alice);
            (bool ok, bytes memory reason) = address(feed).call(calls[i]);
            yes(!ok && keccak256(reason) == keccak256(denied), "denied");
        }
    }
}

contract KeeperTest is Feed {
    function test_anUpdateIsDueWithoutData() public view {
        (bool due, uint256 deviation, uint256 age) = feed.updateDue(100);
        yes(due, "due");
        equal(deviation, type(uint256).max);
        equal(age, type(uint256).max);
    }

    function test_anUpdateIsDueByDeviation() public {
        fullRound(1, 10_000);
        (bool due, uint256 deviation,) = feed.updateDue(10_049);
        yes(!due, "49 of 50 basis points");
        equal(deviation, 49);
        (due, deviation,) = feed.updateDue(9_950);
        yes(due, "50 of 50 basis points");
        equal(deviation, 50);
    }

    function test_anUpdateIsDueByHeartbeat() public {
        fullRound(1, 10_000);
        cheats.warp(START + 3599);
        (bool due,, uint256 age) = feed.updateDue(10_000);
        yes(!due, "one second early");
        equal(age, 3599);
        cheats.warp(START + 3600);
        (due,,) = feed.updateDue(10_000);
        yes(due, "heartbeat");
    }

    function test_zeroSwitchesEitherOff() public {
        feed = newFeed(IAggregator.Settings(2, 3, 0, TIMEOUT, 0, 0), three());
        fullRound(1, 10_000);
        cheats.warp(START + 365 days);
        (bool due,,) = feed.updateDue(20_000);
        yes(!due, "both off");
    }

    function test_deviationOfNegativeAndZeroAnswers() public {
        feed = new Aggregator("x", 8, [-HIGH, HIGH], settings(2, 3, 0), three(), admin, ADMIN_DELAY);
        fullRound(1, -10_000);
        (, uint256 deviation,) = feed.updateDue(-10_050);
        equal(deviation, 50);
        fullRound(2, 0);
        (, deviation,) = feed.updateDue(1);
        equal(deviation, type(uint256).max);
        (, deviation,) = feed.updateDue(type(int128).min);
    }
}

contract ManagementTest is Feed {
    function test_constructionRefusesWrongNumbers() public {
        int256 tooLarge = int256(type(int128).max) + 1;
        int256 tooSmall = int256(type(int128).min) - 1;
        bytes4 bounds = IAggregator.AggregatorInvalidBounds.selector;
        refuses(abi.encodeWithSelector(bounds, 2, 1));
        new Aggregator("x", 8, [int256(2), 1], settings(2, 3, 0), three(), admin, ADMIN_DELAY);
        refuses(abi.encodeWithSelector(bounds, 1, tooLarge));
        new Aggregator("x", 8, [int256(1), tooLarge], settings(2, 3, 0), three(), admin, ADMIN_DELAY);
        refuses(abi.encodeWithSelector(bounds, tooSmall, 1));
        new Aggregator("x", 8, [tooSmall, 1], settings(2, 3, 0), three(), admin, ADMIN_DELAY);
    }

    function test_theBoundsMayBeEqual() public {
        feed = new Aggregator("x", 8, [int256(7), 7], settings(2, 3, 0), three(), admin, ADMIN_DELAY);
        submit(alice, 1, 7);
        refuses(abi.encodeWithSelector(IAggregator.AggregatorAnswerOutOfBounds.selector, 8, 7, 7));
        submit(bob, 1, 8);
    }

    function test_theAdminHasTheRolesAndTheDeployerHasNone() public view {
        equal(feed.defaultAdmin(), admin);
        equal(feed.defaultAdminDelay(), ADMIN_DELAY);
        bytes32[4] memory roles =
            [feed.DEFAULT_ADMIN_ROLE(), feed.ORACLE_MANAGER_ROLE(), feed.PAUSER_ROLE(), feed.RELAYER_ROLE()];
        for (uint256 i = 0; i < 4; ++i) {
            yes(feed.hasRole(roles[i], admin) == (i < 3), "admin");
            yes(!feed.hasRole(roles[i], address(this)), "deployer");
        }
    }

    function test_settingsMustFitTheOracles() public {
        bytes4 wrong = IAggregator.AggregatorInvalidSettings.selector;
        cheats.startPrank(admin);
        refuses(abi.encodeWithSelector(wrong, 0, 3, 3));
        feed.setSettings(settings(0, 3, 0));
        refuses(abi.encodeWithSelector(wrong, 3, 2, 3));
        feed.setSettings(settings(3, 2, 0));
        refuses(abi.encodeWithSelector(wrong, 2, 4, 3));
        feed.setSettings(settings(2, 4, 0));
        refuses(abi.encodeWithSelector(IAggregator.AggregatorInvalidRestartDelay.selector, 3, 3));
        feed.setSettings(settings(2, 3, 3));
        cheats.expectEmit(address(feed));
        emit IAggregator.SettingsChanged(1, 2, 2, TIMEOUT, 50, 3600);
        feed.setSettings(settings(1, 2, 2));
        equal(feed.settings().minSubmissions, 1);
        equal(feed.settings().heartbeat, 3600);
    }

    function test_aFeedMayHaveNoOracles() public {
        feed = newFeed(settings(0, 0, 0), none());
        equal(feed.oracles().length, 0);
        refuses(abi.encodeWithSelector(IAggregator.AggregatorInvalidSettings.selector, 0, 1, 0));
        newFeed(settings(0, 1, 0), none());
    }

    function test_settingsHoldFromTheNextRoundOn() public {
        submit(alice, 1, 100);
        cheats.prank(admin);
        feed.setSettings(settings(1, 1, 0));
        equal(feed.openRound().minSubmissions, 2);
        equal(feed.openRound().timeout, TIMEOUT);
        submit(bob, 1, 100);
        submit(carol, 2, 300);
        equal(feed.latestAnswer(), 300);
    }

    function test_oraclesComeAndGo() public {
        fullRound(1, 100);
        cheats.expectEmit(address(feed));
        emit IAggregator.OracleRemoved(alice, 2);
        cheats.expectEmit(address(feed));
        emit IAggregator.OracleAdded(stranger, 2);
        cheats.prank(admin);
        feed.changeOracles(one(alice), one(stranger), settings(2, 3, 0));
        equal(feed.oracles().length, 3);
        equal(feed.oracle(alice).endingRound, 2);
        // One that goes may still finish the next round, one that comes begins with it.
        submit(alice, 2, 100);
        submit(stranger, 2, 100);
        refuses(abi.encodeWithSelector(IAggregator.AggregatorOracleNoLongerAllowed.selector, alice, 2));
        submit(alice, 3, 100);
    }

    function test_theLastOracleCanGo() public {
        address[] memory all = three();
        cheats.prank(admin);
        feed.changeOracles(all, none(), settings(0, 0, 0));
        equal(feed.oracles().length, 0);
    }

    function test_oneThatComesBackInTheRoundItLeftKeepsItsPlace() public {
        fullRound(1, 100);
        cheats.prank(admin);
        feed.changeOracles(one(alice), none(), settings(2, 2, 0));
        submit(bob, 2, 100);
        cheats.prank(admin);
        feed.changeOracles(none(), one(alice), settings(2, 3, 0));
        equal(feed.oracle(alice).startingRound, 2);
        submit(alice, 2, 100);
    }

    function test_RevertWhen_oracleIsWrong() public {
        cheats.startPrank(admin);
        refuses(abi.encodeWithSelector(IAggregator.AggregatorOracleEnabled.selector, alice));
        feed.changeOracles(none(), one(alice), settings(2, 3, 0));
        refuses(abi.encodeWithSelector(IAggregator.AggregatorInvalidOracle.selector));
        feed.changeOracles(none(), one(address(0)), settings(2, 3, 0));
        refuses(abi.encodeWithSelector(IAggregator.AggregatorOracleNotEnabled.selector, stranger));
        feed.changeOracles(one(stranger), none(), settings(2, 2, 0));
    }

    function test_RevertWhen_thereAreTooManyOracles() public {
        address[] memory many = new address[](32);
        for (uint256 i = 0; i < many.length; ++i) {
            many[i] = address(uint160(i + 1));
        }
        refuses(abi.encodeWithSelector(IAggregator.AggregatorTooManyOracles.selector, 32, 31));
        newFeed(settings(2, 3, 0), many);
    }

    function test_pausing() public {
        cheats.startPrank(admin);
        refuses(abi.encodeWithSelector(IAggregator.AggregatorNotPaused.selector));
        feed.unpause();
        cheats.expectEmit(address(feed));
        emit IAggregator.Paused(admin);
        feed.pause();
        yes(feed.paused(), "paused");
        refuses(abi.encodeWithSelector(IAggregator.AggregatorPaused.selector));
        feed.pause();
        cheats.expectEmit(address(feed));
        emit IAggregator.Unpaused(admin);
        feed.unpause();
        cheats.stopPrank();
        submit(alice, 1, 100);
    }

    function test_RevertWhen_withoutTheRole() public {
        bytes4 denied = IAccessControl.AccessControlUnauthorizedAccount.selector;
        bytes32 manager = feed.ORACLE_MANAGER_ROLE();
        bytes32 pauser = feed.PAUSER_ROLE();
        cheats.startPrank(stranger);
        refuses(abi.encodeWithSelector(denied, stranger, manager));
        feed.setSettings(settings(2, 3, 0));
        refuses(abi.encodeWithSelector(denied, stranger, manager));
        feed.changeOracles(none(), none(), settings(2, 3, 0));
        refuses(abi.encodeWithSelector(denied, stranger, pauser));
        feed.pause();
        refuses(abi.encodeWithSelector(denied, stranger, pauser));
        feed.unpause();
    }

    function test_aNewAdminHasToWaitAndToAccept() public {
        cheats.prank(admin);
        feed.beginDefaultAdminTransfer(bob);
        cheats.warp(START + ADMIN_DELAY + 1);
        cheats.prank(bob);
        feed.acceptDefaultAdminTransfer();
        equal(feed.defaultAdmin(), bob);
    }
}
