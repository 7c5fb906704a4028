// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IEVM2AnyOnRampClient} from "@chainlink/contracts-ccip/contracts/interfaces/IEVM2AnyOnRampClient.sol";
import {IPoolV1} from "@chainlink/contracts-ccip/contracts/interfaces/IPool.sol";
import {IRouter} from "@chainlink/contracts-ccip/contracts/interfaces/IRouter.sol";
import {Client} from "@chainlink/contracts-ccip/contracts/libraries/Client.sol";
import {IERC20} from "@openzeppelin/contracts@5.3.0/token/ERC20/IERC20.sol";
import {IERC165} from "@openzeppelin/contracts@5.3.0/utils/introspection/IERC165.sol";

/// Stands where CCIP's on-ramp stands: quotes, takes what the real Router hands over, and tells of the message.
contract StubOnRamp is IEVM2AnyOnRampClient {
    event Sent(bytes32 messageId, uint64 selector, address sender, Client.EVM2AnyMessage message);

    uint256 public fee = 1 gwei;
    uint64 private _number;

    function setFee(uint256 fee_) external {
        fee = fee_;
    }

    function getFee(uint64, Client.EVM2AnyMessage calldata) external view returns (uint256) {
        return fee;
    }

    function getPoolBySourceToken(uint64, IERC20) external pure returns (IPoolV1) {
        return IPoolV1(address(0));
    }

    function getSupportedTokens(uint64) external pure returns (address[] memory) {
        return new address[](0);
    }

    function forwardFromRouter(
        uint64 selector,
        Client.EVM2AnyMessage memory message,
        uint256 feeTokenAmount,
        address sender
    ) external returns (bytes32 messageId) {
        require(feeTokenAmount >= fee, "fee");
        messageId = keccak256(abi.encode(block.chainid, selector, ++_number, sender, message));
        emit Sent(messageId, selector, sender, message);
    }
}

/// Stands where CCIP's off-ramp stands, with its rules: what is asked of the receiver first, its states, at most one
/// success per message, and manual execution of a failed one with no less gas.
contract StubOffRamp {
    enum State {
        Untouched,
        InProgress,
        Success,
        Failure
    }

    event StateChanged(bytes32 indexed messageId, State state, bytes returned, uint256 gasUsed);

    error AlreadyExecuted(bytes32 messageId);
    error InvalidGasOverride(bytes32 messageId, uint256 gasLimit);

    uint16 private constant GAS_FOR_CALL_EXACT_CHECK = 5_000;
    IRouter private immutable ROUTER;
    mapping(bytes32 messageId => State) public states;
    mapping(bytes32 messageId => uint256) private _gasLimits;

    constructor(IRouter router) {
        ROUTER = router;
    }

    function execute(Client.Any2EVMMessage calldata message, uint256 gasLimit, address receiver) external {
        bytes32 id = message.messageId;
        if (states[id] == State.Success) revert AlreadyExecuted(id);
        if (states[id] == State.Failure && gasLimit < _gasLimits[id]) revert InvalidGasOverride(id, gasLimit);
        _gasLimits[id] = gasLimit;
        bytes memory returned;
        uint256 used;
        bool ok = true;
        if (takesMessages(receiver)) {
            (ok, returned, used) = ROUTER.routeMessage(message, GAS_FOR_CALL_EXACT_CHECK, gasLimit, receiver);
        }
        states[id] = ok ? State.Success : State.Failure;
        emit StateChanged(id, states[id], returned, used);
    }

    function takesMessages(address receiver) private view returns (bool) {
        if (receiver.code.length == 0) return false;
        try IERC165(receiver).supportsInterface(0x85572ffb) returns (bool supported) {
            return supported;
        } catch {
            return false;
        }
    }
}

/// A curse that can be spoken and lifted.
contract StubRMN {
    bool public isCursed;

    function setCursed(bool cursed) external {
        isCursed = cursed;
    }
}

/// Wraps coins, as much as the Router needs of it.
contract StubWrappedNative {
    mapping(address => uint256) public balanceOf;

    function deposit() external payable {
        balanceOf[msg.sender] += msg.value;
    }

    function transfer(address to, uint256 amount) external returns (bool) {
        balanceOf[msg.sender] -= amount;
        balanceOf[to] += amount;
        return true;
    }
}
