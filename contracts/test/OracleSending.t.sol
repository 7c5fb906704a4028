// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IRouterClient} from "@chainlink/contracts-ccip/contracts/interfaces/IRouterClient.sol";
import {IAccessControl} from "@openzeppelin/contracts/access/IAccessControl.sol";
import {IAggregator} from "../src/IAggregator.sol";
import {IOracleWithCCIP} from "../src/IOracleWithCCIP.sol";
import {Lane} from "./Lane.sol";
import {Purseless} from "./mocks/StubRouter.sol";

contract SendTest is Lane {
    function setUp() public override {
        super.setUp();
        fullRound(1, 100);
        cheats.deal(admin, 1 ether);
    }

    function send(uint256 value, uint256 maxFee) internal returns (bytes32) {
        cheats.prank(admin);
        return oracle.sendRound{value: value}(SELECTOR, 1, maxFee);
    }

    function test_sendsTheRoundWithItsTimesToThePeer() public {
        cheats.expectEmit(address(oracle));
        emit IOracleWithCCIP.RoundSent(bytes32(uint256(1)), SELECTOR, 1, 100, 1000);
        equal(send(1000, 1000), bytes32(uint256(1)));
        (bytes memory receiver, bytes memory data, address feeToken, bytes memory extraArgs) = router.last();
        equal(keccak256(receiver), keccak256(abi.encode(peer)));
        equal(keccak256(data), keccak256(payload(1, 100, uint64(START), uint64(START))));
        equal(feeToken, address(0));
        equal(keccak256(extraArgs), keccak256(lane().extraArgs));
        equal(router.lastSelector(), SELECTOR);
        equal(address(router).balance, 1000);
    }

    function test_returnsWhatWasSentBeyondTheFee() public {
        send(5000, 5000);
        equal(address(router).balance, 1000);
        equal(admin.balance, 1 ether - 1000);
        equal(address(oracle).balance, 0);
    }

    function test_RevertWhen_theExcessCantBeReturned() public {
        Purseless purseless = new Purseless();
        grant(oracle.SENDER_ROLE(), address(purseless));
        cheats.deal(address(purseless), 2000);
        cheats.prank(address(purseless));
        refuses(abi.encodeWithSelector(IOracleWithCCIP.OracleWithCCIPTransferFailed.selector, purseless, 1000));
        oracle.sendRound{value: 2000}(SELECTOR, 1, 1000);
        // With exactly the fee nothing is returned, not even nothing.
        cheats.prank(address(purseless));
        oracle.sendRound{value: 1000}(SELECTOR, 1, 1000);
    }

    function test_RevertWhen_theValueIsOneWeiShort() public {
        refuses(abi.encodeWithSelector(IOracleWithCCIP.OracleWithCCIPValueTooLow.selector, 1000, 999));
        send(999, 1000);
    }

    function test_RevertWhen_theFeeExceedsTheCallersOrTheLanesMaximum() public {
        refuses(abi.encodeWithSelector(IOracleWithCCIP.OracleWithCCIPFeeTooHigh.selector, 1000, 999));
        send(1000, 999);
        router.setFee(5001);
        refuses(abi.encodeWithSelector(IOracleWithCCIP.OracleWithCCIPFeeTooHigh.selector, 5001, 5000));
        send(6000, 6000);
    }

    function test_paysExactlyInATokenToo() public {
        IOracleWithCCIP.Lane memory wanted = lane();
        wanted.feeToken = address(token);
        setLane(wanted);
        token.mint(admin, 5000);
        cheats.prank(admin);
        token.approve(address(oracle), 1000);
        send(0, 1000);
        equal(token.balanceOf(address(router)), 1000);
        equal(token.balanceOf(address(oracle)), 0);
        equal(token.allowance(address(oracle), address(router)), 0);
    }

    function test_RevertWhen_valueComesAlongWithATokenFee() public {
        IOracleWithCCIP.Lane memory wanted = lane();
        wanted.feeToken = address(token);
        setLane(wanted);
        refuses(abi.encodeWithSelector(IOracleWithCCIP.OracleWithCCIPUnexpectedValue.selector, 1));
        send(1, 1000);
    }

    function test_RevertWhen_theTokenWasNotApproved() public {
        IOracleWithCCIP.Lane memory wanted = lane();
        wanted.feeToken = address(token);
        setLane(wanted);
        token.mint(admin, 5000);
        cheats.expectRevert();
        send(0, 1000);
    }

    function test_RevertWhen_theRoundHasNoAnswerOfItsOwn() public {
        submit(alice, 2, 100);
        cheats.warp(START + TIMEOUT + 1);
        submit(bob, 3, 100);
        uint32[3] memory rounds = [uint32(2), 3, 9];
        for (uint256 i = 0; i < rounds.length; ++i) {
            cheats.prank(admin);
            refuses(abi.encodeWithSelector(IOracleWithCCIP.OracleWithCCIPRoundWithoutAnswer.selector, rounds[i]));
            oracle.sendRound{value: 1000}(SELECTOR, rounds[i], 1000);
        }
        cheats.prank(admin);
        refuses(abi.encodeWithSelector(IOracleWithCCIP.OracleWithCCIPRoundWithoutAnswer.selector, 0));
        oracle.sendRound{value: 1000}(SELECTOR, 0, 1000);
    }

    function test_RevertWhen_theLaneIsClosed() public {
        bytes memory closed = abi.encodeWithSelector(IOracleWithCCIP.OracleWithCCIPLaneClosed.selector, SELECTOR);
        IOracleWithCCIP.Lane memory wanted = lane();
        wanted.outbound = false;
        setLane(wanted);
        refuses(closed);
        send(1000, 1000);
        wanted.outbound = true;
        wanted.mode = IOracleWithCCIP.LaneMode.Disabled;
        setLane(wanted);
        refuses(closed);
        send(1000, 1000);
        refuses(abi.encodeWithSelector(IOracleWithCCIP.OracleWithCCIPLaneClosed.selector, UNKNOWN));
        oracle.quote(UNKNOWN, 1);
    }

    function test_RevertWhen_theRouterNoLongerKnowsTheChain() public {
        router.setSupported(SELECTOR, false);
        refuses(abi.encodeWithSelector(IRouterClient.UnsupportedDestinationChain.selector, SELECTOR));
        send(1000, 1000);
    }

    function test_RevertWhen_pausedOrWithoutTheRole() public {
        bytes32 role = oracle.SENDER_ROLE();
        refuses(abi.encodeWithSelector(IAccessControl.AccessControlUnauthorizedAccount.selector, address(this), role));
        oracle.sendRound(SELECTOR, 1, 1000);
        cheats.prank(admin);
        oracle.pause();
        refuses(abi.encodeWithSelector(IAggregator.AggregatorPaused.selector));
        send(1000, 1000);
    }

    function test_quotesTheFee() public {
        equal(oracle.quote(SELECTOR, 1), 1000);
        router.setFee(77);
        equal(oracle.quote(SELECTOR, 1), 77);
    }
}
