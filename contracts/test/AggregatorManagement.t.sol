// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAccessControl} from "@openzeppelin/contracts/access/IAccessControl.sol";
import {Aggregator} from "../src/Aggregator.sol";
import {IAggregator} from "../src/IAggregator.sol";
import {Feed} from "./Feed.sol";

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
