// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Client} from "@chainlink/contracts-ccip/contracts/libraries/Client.sol";
import {Aggregator} from "../src/Aggregator.sol";
import {IAggregator} from "../src/IAggregator.sol";
import {IOracleWithCCIP} from "../src/IOracleWithCCIP.sol";
import {OracleWithCCIP} from "../src/OracleWithCCIP.sol";
import {Feed} from "./Feed.sol";
import {StubRouter, StubToken} from "./mocks/StubRouter.sol";

/// An oracle with one live lane to a peer on another chain.
abstract contract Lane is Feed {
    uint64 internal constant SELECTOR = 138138138138138138; // plainly a placeholder: chain 138 has none
    uint64 internal constant UNKNOWN = 424242;
    uint256 internal constant GAS = 200_000;

    StubRouter internal router;
    StubToken internal token;
    OracleWithCCIP internal oracle;
    address internal peer = named("peer");

    function setUp() public virtual override {
        router = new StubRouter(SELECTOR);
        token = new StubToken();
        super.setUp();
        oracle = OracleWithCCIP(address(feed));
        setLane(lane());
    }

    function newFeed(IAggregator.Settings memory set, address[] memory list) internal override returns (Aggregator) {
        return new OracleWithCCIP("ETH / USD", 8, [LOW, HIGH], set, list, admin, ADMIN_DELAY, address(router));
    }

    function lane() internal view returns (IOracleWithCCIP.Lane memory) {
        return IOracleWithCCIP.Lane({
            mode: IOracleWithCCIP.LaneMode.Live,
            outbound: true,
            inbound: true,
            peer: peer,
            feeToken: address(0),
            maxFee: 5000,
            extraArgs: abi.encodeWithSelector(Client.GENERIC_EXTRA_ARGS_V2_TAG, GAS, true)
        });
    }

    function setLane(IOracleWithCCIP.Lane memory wanted) internal {
        cheats.prank(admin);
        oracle.setLane(SELECTOR, wanted);
    }

    function payload(uint32 roundId, int256 answer, uint64 startedAt, uint64 updatedAt)
        internal
        pure
        returns (bytes memory)
    {
        return abi.encode(uint256(1), keccak256("ETH / USD"), uint8(8), roundId, answer, startedAt, updatedAt);
    }

    function message(bytes32 id, bytes memory data) internal view returns (Client.Any2EVMMessage memory) {
        return Client.Any2EVMMessage(id, SELECTOR, abi.encode(peer), data, new Client.EVMTokenAmount[](0));
    }

    function round(bytes32 id, uint32 roundId, int256 answer) internal view returns (Client.Any2EVMMessage memory) {
        return message(id, payload(roundId, answer, uint64(START), uint64(START)));
    }

    /// Delivers and insists that the receiver didn't revert.
    function deliver(Client.Any2EVMMessage memory delivered) internal {
        (bool ok,,) = router.deliver(address(oracle), delivered, GAS);
        yes(ok, "nothing reverts in the receive path");
    }

    /// Delivers and insists that the message is kept for `reason`.
    function failsBecause(Client.Any2EVMMessage memory delivered, bytes memory reason) internal {
        bytes32 kept = keccak256(abi.encode(delivered));
        cheats.expectEmit(address(oracle));
        emit IOracleWithCCIP.MessageFailed(delivered.messageId, delivered.sourceChainSelector, kept, reason);
        deliver(delivered);
        equal(oracle.failedMessage(delivered.messageId), kept);
    }
}
