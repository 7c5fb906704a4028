// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {CCIPReceiver} from "@chainlink/contracts-ccip/contracts/applications/CCIPReceiver.sol";
import {IAccessControl} from "@openzeppelin/contracts/access/IAccessControl.sol";
import {IOracleWithCCIP} from "../src/IOracleWithCCIP.sol";
import {OracleWithCCIP} from "../src/OracleWithCCIP.sol";
import {Lane} from "./Lane.sol";
import {StubRouter} from "./mocks/StubRouter.sol";

contract LaneTest is Lane {
    function test_aLaneIsLiveOnlyWhileTheRouterKnowsTheChain() public {
        equal(uint256(oracle.laneState(SELECTOR)), uint256(IOracleWithCCIP.LaneMode.Live));
        router.setSupported(SELECTOR, false);
        equal(uint256(oracle.laneState(SELECTOR)), uint256(IOracleWithCCIP.LaneMode.Disabled));
        router.setSupported(SELECTOR, true);
        router.setBroken(true);
        equal(uint256(oracle.laneState(SELECTOR)), uint256(IOracleWithCCIP.LaneMode.Disabled));
        router.setBroken(false);
        cheats.etch(address(router), "");
        equal(uint256(oracle.laneState(SELECTOR)), uint256(IOracleWithCCIP.LaneMode.Disabled));
        equal(uint256(oracle.laneState(UNKNOWN)), uint256(IOracleWithCCIP.LaneMode.Disabled));
    }

    function test_aLocalLaneSaysSo() public {
        IOracleWithCCIP.Lane memory wanted = lane();
        wanted.mode = IOracleWithCCIP.LaneMode.Local;
        setLane(wanted);
        router.setSupported(SELECTOR, false);
        equal(uint256(oracle.laneState(SELECTOR)), uint256(IOracleWithCCIP.LaneMode.Local));
    }

    function test_tellsHowALaneIsSet() public {
        cheats.expectEmit(address(oracle));
        emit IOracleWithCCIP.LaneChanged(SELECTOR, lane());
        setLane(lane());
        equal(keccak256(abi.encode(oracle.lane(SELECTOR))), keccak256(abi.encode(lane())));
    }

    function test_RevertWhen_theLaneIsWrong() public {
        cheats.startPrank(admin);
        refuses(abi.encodeWithSelector(IOracleWithCCIP.OracleWithCCIPInvalidSelector.selector));
        oracle.setLane(0, lane());
        IOracleWithCCIP.Lane memory wanted = lane();
        wanted.peer = address(0);
        refuses(abi.encodeWithSelector(IOracleWithCCIP.OracleWithCCIPInvalidPeer.selector));
        oracle.setLane(SELECTOR, wanted);
        refuses(abi.encodeWithSelector(IOracleWithCCIP.OracleWithCCIPChainNotSupported.selector, UNKNOWN));
        oracle.setLane(UNKNOWN, lane());
        wanted = lane();
        wanted.mode = IOracleWithCCIP.LaneMode.Local;
        cheats.chainId(1);
        refuses(abi.encodeWithSelector(IOracleWithCCIP.OracleWithCCIPLocalLaneOnMainnet.selector, SELECTOR));
        oracle.setLane(SELECTOR, wanted);
    }

    function test_theRouterCanBeReplaced() public {
        StubRouter other = new StubRouter(SELECTOR);
        cheats.expectEmit(address(oracle));
        emit IOracleWithCCIP.RouterChanged(address(other));
        cheats.prank(admin);
        oracle.setRouter(address(other));
        equal(oracle.getRouter(), address(other));
        (bool ok, bytes memory reason,) = router.deliver(address(oracle), round("a", 1, 100), GAS);
        yes(!ok, "the old router is no longer trusted");
        equal(
            keccak256(reason), keccak256(abi.encodeWithSelector(CCIPReceiver.InvalidRouter.selector, address(router)))
        );
        (ok,,) = other.deliver(address(oracle), round("a", 1, 100), GAS);
        equal(oracle.latestRound(), 1);
    }

    function test_RevertWhen_theRouterIsWrong() public {
        bytes4 empty = IOracleWithCCIP.OracleWithCCIPRouterWithoutCode.selector;
        cheats.startPrank(admin);
        refuses(abi.encodeWithSelector(empty, stranger));
        oracle.setRouter(stranger);
        refuses(abi.encodeWithSelector(empty, stranger));
        new OracleWithCCIP("x", 8, [LOW, HIGH], settings(2, 3, 0), three(), admin, ADMIN_DELAY, stranger);
        refuses(abi.encodeWithSelector(CCIPReceiver.InvalidRouter.selector, address(0)));
        new OracleWithCCIP("x", 8, [LOW, HIGH], settings(2, 3, 0), three(), admin, ADMIN_DELAY, address(0));
    }

    function test_RevertWhen_withoutTheRole() public {
        bytes32 role = oracle.CCIP_MANAGER_ROLE();
        bytes memory denied =
            abi.encodeWithSelector(IAccessControl.AccessControlUnauthorizedAccount.selector, address(this), role);
        refuses(denied);
        oracle.setLane(SELECTOR, lane());
        refuses(denied);
        oracle.setRouter(address(router));
    }

    function test_supportsTheInterfacesThatCcipAndOthersAskFor() public view {
        bytes4[5] memory ids = [bytes4(0x85572ffb), 0x1bfc84d0, 0x01ffc9a7, 0x7965db0b, 0x31498786];
        for (uint256 i = 0; i < ids.length; ++i) {
            yes(oracle.supportsInterface(ids[i]), "supported");
        }
        yes(!oracle.supportsInterface(0xffffffff), "not supported");
    }

    function test_tellsWhatItIs() public view {
        equal(keccak256(bytes(oracle.typeAndVersion())), keccak256("OracleWithCCIP 1.0.0"));
        (,,, bytes4 finality) = oracle.getCCVsAndFinalityConfig(SELECTOR, "");
        equal(bytes32(finality), bytes32(0)); // full finality
    }
}

contract WithdrawTest is Lane {
    function test_stuckFundsCanBeWithdrawn() public {
        cheats.deal(address(oracle), 500);
        token.mint(address(oracle), 700);
        cheats.startPrank(admin);
        cheats.expectEmit(address(oracle));
        emit IOracleWithCCIP.FundsWithdrawn(address(0), bob, 500);
        oracle.withdraw(address(0), bob, 500);
        oracle.withdraw(address(token), bob, 700);
        equal(bob.balance, 500);
        equal(token.balanceOf(bob), 700);
    }

    function test_RevertWhen_theyCantBe() public {
        bytes32 role = oracle.DEFAULT_ADMIN_ROLE();
        refuses(abi.encodeWithSelector(IAccessControl.AccessControlUnauthorizedAccount.selector, address(this), role));
        oracle.withdraw(address(0), bob, 0);
        cheats.startPrank(admin);
        refuses(abi.encodeWithSelector(IOracleWithCCIP.OracleWithCCIPInvalidRecipient.selector));
        oracle.withdraw(address(0), address(0), 0);
        refuses(abi.encodeWithSelector(IOracleWithCCIP.OracleWithCCIPTransferFailed.selector, bob, 1));
        oracle.withdraw(address(0), bob, 1);
    }
}
