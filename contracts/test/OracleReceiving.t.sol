// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {CCIPReceiver} from "@chainlink/contracts-ccip/contracts/applications/CCIPReceiver.sol";
import {Client} from "@chainlink/contracts-ccip/contracts/libraries/Client.sol";
import {IAccessControl} from "@openzeppelin/contracts/access/IAccessControl.sol";
import {IAggregator} from "../src/IAggregator.sol";
import {IOracleWithCCIP} from "../src/IOracleWithCCIP.sol";
import {Lane} from "./Lane.sol";
import {Cheats} from "./Support.sol";

contract ReceiveTest is Lane {
    function test_takesARoundOfThePeer() public {
        cheats.expectEmit(address(oracle));
        emit AnswerUpdated(100, 5, START);
        cheats.expectEmit(address(oracle));
        emit IOracleWithCCIP.RoundReceived("a", SELECTOR, 5, 100);
        deliver(round("a", 5, 100));
        equalRound(5, 100, START, START, 5);
    }

    function test_lateRepeatedAndResentRoundsNeverOverwriteANewerOne() public {
        deliver(round("a", 10, 100));
        Client.Any2EVMMessage[3] memory messages = [round("b", 9, 90), round("a", 10, 100), round("c", 10, 777)];
        uint32[3] memory numbers = [uint32(9), 10, 10];
        for (uint256 i = 0; i < messages.length; ++i) {
            cheats.expectEmit(address(oracle));
            emit IOracleWithCCIP.RoundIgnored(messages[i].messageId, SELECTOR, numbers[i], 10);
            deliver(messages[i]);
        }
        equalRound(10, 100, START, START, 10);
        equal(oracle.latestRound(), 10);
    }

    function test_dropsMessagesOfStrangers() public {
        Client.Any2EVMMessage memory strange = round("a", 1, 100);
        strange.sender = abi.encode(stranger);
        rejected(strange, stranger);
        strange.sender = abi.encodePacked(peer);
        rejected(strange, address(0));
        strange.sender = abi.encode(uint256(uint160(peer)) | (uint256(1) << 200));
        rejected(strange, address(0));
        strange.sender = "";
        rejected(strange, address(0));
        strange = round("a", 1, 100);
        strange.sourceChainSelector = UNKNOWN;
        rejected(strange, peer);
        equal(oracle.latestRound(), 0);
    }

    function test_dropsMessagesOfAClosedLane() public {
        IOracleWithCCIP.Lane memory wanted = lane();
        wanted.inbound = false;
        setLane(wanted);
        rejected(round("a", 1, 100), peer);
        wanted.inbound = true;
        wanted.mode = IOracleWithCCIP.LaneMode.Disabled;
        setLane(wanted);
        rejected(round("a", 1, 100), peer);
        // A disabled lane may lack a peer; a message without a sender must not match that.
        wanted.peer = address(0);
        setLane(wanted);
        Client.Any2EVMMessage memory nameless = round("a", 1, 100);
        nameless.sender = "";
        rejected(nameless, address(0));
    }

    function rejected(Client.Any2EVMMessage memory delivered, address sender) internal {
        cheats.expectEmit(address(oracle));
        emit IOracleWithCCIP.MessageRejected(delivered.messageId, delivered.sourceChainSelector, sender);
        deliver(delivered);
        equal(oracle.failedMessage(delivered.messageId), bytes32(0));
    }

    function test_keepsWhatCantBeDecoded() public {
        bytes4 invalid = IOracleWithCCIP.OracleWithCCIPInvalidPayload.selector;
        failsBecause(message("a", ""), abi.encodeWithSelector(invalid, 0, 0));
        failsBecause(message("b", hex"01"), abi.encodeWithSelector(invalid, 1, 0));
        failsBecause(message("f", abi.encode(1)), abi.encodeWithSelector(invalid, 32, 1));
        bytes memory good = payload(1, 100, uint64(START), uint64(START));
        failsBecause(message("c", bytes.concat(good, hex"00")), abi.encodeWithSelector(invalid, 225, 1));
        failsBecause(
            message("d", abi.encode(2, keccak256("ETH / USD"), 8, 1, 100, START, START)),
            abi.encodeWithSelector(invalid, 224, 2)
        );
        // A round number beyond 32 bits: the decoder reverts without a reason.
        failsBecause(message("e", abi.encode(1, keccak256("ETH / USD"), 8, uint256(1) << 32, 100, START, START)), "");
    }

    function test_keepsWhatIsAboutAnotherFeedOrInAnotherUnit() public {
        bytes32 other = keccak256("BTC / USD");
        failsBecause(
            message("a", abi.encode(1, other, 8, 1, 100, START, START)),
            abi.encodeWithSelector(IOracleWithCCIP.OracleWithCCIPWrongFeed.selector, other, oracle.feed())
        );
        failsBecause(
            message("b", abi.encode(1, keccak256("ETH / USD"), 18, 1, 100, START, START)),
            abi.encodeWithSelector(IOracleWithCCIP.OracleWithCCIPWrongDecimals.selector, 18, 8)
        );
    }

    function test_keepsAnswersThatAreOutOfBoundsOrOfTheFuture() public {
        failsBecause(
            round("a", 1, -1), abi.encodeWithSelector(IAggregator.AggregatorAnswerOutOfBounds.selector, -1, LOW, HIGH)
        );
        failsBecause(
            message("b", payload(1, 100, uint64(START), uint64(START + 1))),
            abi.encodeWithSelector(IAggregator.AggregatorFutureTimestamp.selector, START + 1, START)
        );
    }

    function test_keepsWhatArrivesWhilePaused() public {
        cheats.prank(admin);
        oracle.pause();
        failsBecause(round("a", 1, 100), abi.encodeWithSelector(IAggregator.AggregatorPaused.selector));
        equal(oracle.latestRound(), 0);
    }

    function test_RevertWhen_notTheRouter() public {
        refuses(abi.encodeWithSelector(CCIPReceiver.InvalidRouter.selector, address(this)));
        oracle.ccipReceive(round("a", 1, 100));
    }

    function test_RevertWhen_processingIsCalledFromOutside() public {
        refuses(abi.encodeWithSelector(IOracleWithCCIP.OracleWithCCIPOnlySelf.selector, address(this)));
        oracle.processMessage(round("a", 1, 100));
    }

    function test_withLittleGasAMessageIsKeptAndWithTooLittleTheDeliveryFails() public {
        Client.Any2EVMMessage memory delivered = round("a", 1, 100);
        (bool ok,,) = router.deliver(address(oracle), delivered, 30_000);
        yes(!ok, "30k is too little to keep anything");
        equal(oracle.failedMessage("a"), bytes32(0));
        (ok,,) = router.deliver(address(oracle), delivered, 70_000);
        yes(ok, "70k keeps the message");
        equal(oracle.failedMessage("a"), keccak256(abi.encode(delivered)));
        (ok,,) = router.deliver(address(oracle), round("b", 2, 100), 150_000);
        yes(ok, "150k takes the round");
        equal(oracle.latestRound(), 2);
    }

    function test_aMessageKeptForLackOfGasSaysSo() public {
        cheats.recordLogs();
        (bool ok,,) = router.deliver(address(oracle), round("a", 1, 100), 75_000);
        yes(ok, "kept");
        Cheats.Log[] memory logs = cheats.getRecordedLogs();
        equal(logs[0].topics[0], IOracleWithCCIP.MessageFailed.selector);
        (, bytes memory reason) = abi.decode(logs[0].data, (bytes32, bytes));
        equal(bytes32(bytes4(reason)), bytes32(IOracleWithCCIP.OracleWithCCIPInsufficientGas.selector));
    }

    /// Whatever the gas limit: the round is taken, or the message is kept, or the delivery fails as a whole.
    function testFuzz_noGasLimitLosesAMessage(uint256 gasLimit) public {
        gasLimit = between(gasLimit, 5_000, 300_000);
        Client.Any2EVMMessage memory delivered = round("a", 1, 100);
        (bool ok,,) = router.deliver(address(oracle), delivered, gasLimit);
        bool taken = oracle.latestRound() == 1;
        bool kept = oracle.failedMessage("a") != 0;
        yes(ok == (taken || kept) && !(taken && kept), "lost");
    }

    function testFuzz_nothingThatThePeerSendsReverts(bytes calldata data, bytes32 id) public {
        deliver(message(id, data));
    }
}

contract RetryTest is Lane {
    function retry(Client.Any2EVMMessage memory kept) internal {
        cheats.prank(admin);
        oracle.retryMessage(kept);
    }

    function keepOne() internal returns (Client.Any2EVMMessage memory kept) {
        kept = round("a", 1, 100);
        cheats.prank(admin);
        oracle.pause();
        deliver(kept);
        cheats.prank(admin);
        oracle.unpause();
    }

    function test_aKeptMessageIsProcessedOnRetry() public {
        Client.Any2EVMMessage memory kept = keepOne();
        cheats.expectEmit(address(oracle));
        emit IOracleWithCCIP.RoundReceived("a", SELECTOR, 1, 100);
        cheats.expectEmit(address(oracle));
        emit IOracleWithCCIP.MessageRetried("a");
        retry(kept);
        equal(oracle.latestAnswer(), 100);
        equal(oracle.failedMessage("a"), bytes32(0));
        refuses(abi.encodeWithSelector(IOracleWithCCIP.OracleWithCCIPUnknownMessage.selector, bytes32("a")));
        retry(kept);
    }

    function test_aRetryAfterANewerRoundIsIgnored() public {
        Client.Any2EVMMessage memory kept = keepOne();
        deliver(round("b", 2, 200));
        cheats.expectEmit(address(oracle));
        emit IOracleWithCCIP.RoundIgnored("a", SELECTOR, 1, 2);
        retry(kept);
        equal(oracle.latestAnswer(), 200);
    }

    function test_aRetryThatFailsAgainKeepsTheMessage() public {
        Client.Any2EVMMessage memory kept = message("a", payload(1, 100, uint64(START), uint64(START + 60)));
        deliver(kept);
        refuses(abi.encodeWithSelector(IAggregator.AggregatorFutureTimestamp.selector, START + 60, START));
        retry(kept);
        equal(oracle.failedMessage("a"), keccak256(abi.encode(kept)));
        cheats.warp(START + 60);
        retry(kept);
        equal(oracle.latestAnswer(), 100);
    }

    function test_RevertWhen_theMessageIsNotTheOneKept() public {
        Client.Any2EVMMessage memory kept = keepOne();
        kept.data = payload(1, 999, uint64(START), uint64(START));
        refuses(abi.encodeWithSelector(IOracleWithCCIP.OracleWithCCIPUnknownMessage.selector, bytes32("a")));
        retry(kept);
        refuses(abi.encodeWithSelector(IOracleWithCCIP.OracleWithCCIPUnknownMessage.selector, bytes32("z")));
        retry(round("z", 1, 100));
    }

    function test_RevertWhen_theLaneWasClosedMeanwhile() public {
        Client.Any2EVMMessage memory kept = keepOne();
        IOracleWithCCIP.Lane memory wanted = lane();
        wanted.inbound = false;
        setLane(wanted);
        refuses(abi.encodeWithSelector(IOracleWithCCIP.OracleWithCCIPLaneClosed.selector, SELECTOR));
        retry(kept);
    }

    function test_RevertWhen_pausedOrWithoutTheRole() public {
        Client.Any2EVMMessage memory kept = keepOne();
        bytes32 role = oracle.RETRY_ROLE();
        bytes memory denied =
            abi.encodeWithSelector(IAccessControl.AccessControlUnauthorizedAccount.selector, address(this), role);
        refuses(denied);
        oracle.retryMessage(kept);
        refuses(denied);
        oracle.discardMessage("a");
        cheats.prank(admin);
        oracle.pause();
        refuses(abi.encodeWithSelector(IAggregator.AggregatorPaused.selector));
        retry(kept);
    }

    function test_aKeptMessageCanBeGivenUp() public {
        keepOne();
        cheats.expectEmit(address(oracle));
        emit IOracleWithCCIP.MessageDiscarded("a");
        cheats.prank(admin);
        oracle.discardMessage("a");
        refuses(abi.encodeWithSelector(IOracleWithCCIP.OracleWithCCIPUnknownMessage.selector, bytes32("a")));
        cheats.prank(admin);
        oracle.discardMessage("a");
    }
}
