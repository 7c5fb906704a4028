// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// The few cheat codes the tests use; forge answers at a fixed address.
interface Cheats {
    struct Log {
        bytes32[] topics;
        bytes data;
        address emitter;
    }

    function prank(address sender) external;
    function prank(address sender, address origin) external;
    function startPrank(address sender) external;
    function stopPrank() external;
    function warp(uint256 timestamp) external;
    function roll(uint256 number) external;
    function deal(address account, uint256 balance) external;
    function chainId(uint256 id) external;
    function assume(bool condition) external pure;
    function expectRevert(bytes calldata data) external;
    function expectRevert() external;
    function expectEmit(bool topic1, bool topic2, bool topic3, bool data, address emitter) external;
    function expectEmit(address emitter) external;
    function recordLogs() external;
    function getRecordedLogs() external returns (Log[] memory);
    function etch(address account, bytes calldata code) external;
}

/// Base of every test contract: assertions that say what differs, and a feed with three oracles.
abstract contract Support {
    Cheats internal constant cheats = Cheats(address(uint160(uint256(keccak256("hevm cheat code")))));
    uint256 internal constant START = 1_700_000_000;

    error Differs(uint256 is_, uint256 should);
    error DiffersSigned(int256 is_, int256 should);
    error Failed(string what);

    function equal(uint256 is_, uint256 should) internal pure {
        if (is_ != should) revert Differs(is_, should);
    }

    function equal(int256 is_, int256 should) internal pure {
        if (is_ != should) revert DiffersSigned(is_, should);
    }

    function equal(address is_, address should) internal pure {
        if (is_ != should) revert Differs(uint160(is_), uint160(should));
    }

    function equal(bytes32 is_, bytes32 should) internal pure {
        if (is_ != should) revert Differs(uint256(is_), uint256(should));
    }

    function yes(bool condition, string memory what) internal pure {
        if (!condition) revert Failed(what);
    }

    function between(uint256 value, uint256 low, uint256 high) internal pure returns (uint256) {
        return low + value % (high - low + 1);
    }

    function named(string memory name) internal pure returns (address) {
        return address(uint160(uint256(keccak256(bytes(name)))));
    }
}
