// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAccessControl} from "@openzeppelin/contracts/access/IAccessControl.sol";
import {Aggregator} from "../src/Aggregator.sol";
import {IAggregator} from "../src/IAggregator.sol";
import {Feed} from "./Feed.sol";

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
