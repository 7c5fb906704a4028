// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Client} from "@chainlink/contracts-ccip/contracts/libraries/Client.sol";
import {Median} from "../src/Median.sol";
import {Lane} from "./Lane.sol";

/// Proved for every input by halmos (`contracts/analysis/run`); forge runs them with random ones.
contract SymbolicTest is Lane {
    /// Whoever isn't the router changes nothing by calling the receiver.
    function check_onlyTheRouterDelivers(address caller, bytes32 id, uint32 roundId, int256 answer) public {
        cheats.assume(caller != address(router));
        Client.Any2EVMMessage memory forged = message(id, payload(roundId, answer, uint64(START), uint64(START)));
        cheats.prank(caller);
        (bool ok,) = address(oracle).call(abi.encodeCall(oracle.ccipReceive, (forged)));
        assert(!ok);
        assert(oracle.latestRound() == 0);
        assert(oracle.failedMessage(id) == 0);
    }

    /// Whoever isn't the peer changes nothing through the router.
    function check_onlyThePeerIsTaken(address sender, bytes32 id, uint32 roundId, int256 answer) public {
        cheats.assume(sender != peer);
        Client.Any2EVMMessage memory forged = message(id, payload(roundId, answer, uint64(START), uint64(START)));
        forged.sender = abi.encode(sender);
        cheats.prank(address(router));
        oracle.ccipReceive(forged);
        assert(oracle.latestRound() == 0);
        assert(oracle.failedMessage(id) == 0);
    }

    /// Only an account with the role relays, whoever it is and whatever it brings.
    function check_onlyTheRelayerRelays(address caller, uint32 roundId, int256 answer) public {
        cheats.assume(caller != relayer);
        cheats.prank(caller);
        (bool ok,) =
            address(oracle).call(abi.encodeCall(oracle.relayRound, (roundId, answer, uint64(START), uint64(START))));
        assert(!ok);
        assert(oracle.latestRound() == 0);
    }

    /// A second message about the same or an earlier round, under any id, changes nothing. It is processed as the
    /// contract itself does it: how much gas is left, which decides whether it gets there, is no number to halmos.
    function check_nothingReplays(bytes32 first, bytes32 second, uint32 roundId, uint32 again, int256 answer) public {
        cheats.assume(roundId > 0 && again <= roundId);
        uint64 time = uint64(START);
        cheats.prank(address(oracle));
        oracle.processMessage(message(first, payload(roundId, 100, time, time)));
        assert(oracle.latestRound() == roundId && oracle.latestAnswer() == 100);
        cheats.prank(address(oracle));
        (bool ok,) = address(oracle)
            .call(abi.encodeCall(oracle.processMessage, (message(second, payload(again, answer, time, time)))));
        ok; // an answer out of bounds of an earlier round is ignored like any other: nothing may change either way
        assert(oracle.latestRound() == roundId && oracle.latestAnswer() == 100);
    }

    /// The same through the router: the second message may be kept for lack of gas, but never be taken.
    function check_nothingReplaysThroughTheRouter(bytes32 first, bytes32 second, uint32 roundId, int256 answer) public {
        uint64 time = uint64(START);
        cheats.prank(address(router));
        oracle.ccipReceive(message(first, payload(roundId, 100, time, time)));
        uint256 latest = oracle.latestRound();
        int256 price = oracle.latestAnswer();
        cheats.assume(latest == roundId);
        cheats.prank(address(router));
        oracle.ccipReceive(message(second, payload(roundId, answer, time, time)));
        assert(oracle.latestRound() == latest && oracle.latestAnswer() == price);
    }

    /// The median of three lies between them: at least two are not above it and two not below.
    function check_medianOfThree(int128 a, int128 b, int128 c) public pure {
        int256[] memory values = new int256[](3);
        (values[0], values[1], values[2]) = (a, b, c);
        int256 median = Median.ofInPlace(values);
        assert(median == a || median == b || median == c);
        assert(count(a <= median, b <= median, c <= median) >= 2);
        assert(count(a >= median, b >= median, c >= median) >= 2);
    }

    function count(bool a, bool b, bool c) private pure returns (uint256) {
        return (a ? 1 : 0) + (b ? 1 : 0) + (c ? 1 : 0);
    }

    function testFuzz_onlyTheRouterDelivers(address caller, bytes32 id, uint32 roundId, int256 answer) public {
        check_onlyTheRouterDelivers(caller, id, roundId, answer);
    }

    function testFuzz_onlyThePeerIsTaken(address sender, bytes32 id, uint32 roundId, int256 answer) public {
        check_onlyThePeerIsTaken(sender, id, roundId, answer);
    }

    function testFuzz_onlyTheRelayerRelays(address caller, uint32 roundId, int256 answer) public {
        check_onlyTheRelayerRelays(caller, roundId, answer);
    }

    function testFuzz_nothingReplays(bytes32 first, bytes32 second, uint32 roundId, uint32 again, int256 answer)
        public
    {
        roundId = uint32(between(roundId, 1, type(uint32).max));
        check_nothingReplays(first, second, roundId, uint32(between(again, 0, roundId)), answer);
    }

    function testFuzz_nothingReplaysThroughTheRouter(bytes32 first, bytes32 second, uint32 roundId, int256 answer)
        public
    {
        check_nothingReplaysThroughTheRouter(first, second, uint32(between(roundId, 1, type(uint32).max)), answer);
    }

    function testFuzz_medianOfThree(int128 a, int128 b, int128 c) public pure {
        check_medianOfThree(a, b, c);
    }
}
