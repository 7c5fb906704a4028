// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAny2EVMMessageReceiver} from "@chainlink/contracts-ccip/contracts/interfaces/IAny2EVMMessageReceiver.sol";
import {IRouterClient} from "@chainlink/contracts-ccip/contracts/interfaces/IRouterClient.sol";
import {Client} from "@chainlink/contracts-ccip/contracts/libraries/Client.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

/// Stands in for CCIP's router in tests of one chain: quotes, takes fees as the real one does, and delivers.
contract StubRouter is IRouterClient {
    uint256 public fee = 1000;
    bool public broken;
    mapping(uint64 => bool) public isSupported;
    Client.EVM2AnyMessage public last;
    uint64 public lastSelector;
    uint256 private _count;

    constructor(uint64 selector) {
        isSupported[selector] = true;
    }

    function setFee(uint256 fee_) external {
        fee = fee_;
    }

    function setSupported(uint64 selector, bool supported) external {
        isSupported[selector] = supported;
    }

    function setBroken(bool broken_) external {
        broken = broken_;
    }

    function isChainSupported(uint64 selector) external view returns (bool) {
        require(!broken, "broken");
        return isSupported[selector];
    }

    function getFee(uint64 selector, Client.EVM2AnyMessage memory) external view returns (uint256) {
        if (!isSupported[selector]) revert UnsupportedDestinationChain(selector);
        return fee;
    }

    function ccipSend(uint64 selector, Client.EVM2AnyMessage calldata message) external payable returns (bytes32) {
        if (!isSupported[selector]) revert UnsupportedDestinationChain(selector);
        if (message.feeToken == address(0)) {
            if (msg.value < fee) revert InsufficientFeeTokenAmount();
        } else {
            if (msg.value > 0) revert InvalidMsgValue();
            require(IERC20(message.feeToken).transferFrom(msg.sender, address(this), fee), "fee");
        }
        lastSelector = selector;
        last.receiver = message.receiver;
        last.data = message.data;
        last.feeToken = message.feeToken;
        last.extraArgs = message.extraArgs;
        return bytes32(++_count);
    }

    /// Delivers as a router does, with at most `gasLimit` gas; returns what came back.
    function deliver(address receiver, Client.Any2EVMMessage calldata message, uint256 gasLimit)
        external
        returns (bool ok, bytes memory returned, uint256 used)
    {
        bytes memory data = abi.encodeCall(IAny2EVMMessageReceiver.ccipReceive, (message));
        uint256 before = gasleft();
        (ok, returned) = receiver.call{gas: gasLimit}(data);
        used = before - gasleft();
    }
}

/// A token without a name, enough to pay fees with.
contract StubToken is IERC20 {
    uint256 public totalSupply;
    mapping(address => uint256) public balanceOf;
    mapping(address => mapping(address => uint256)) public allowance;

    function mint(address to, uint256 amount) external {
        totalSupply += amount;
        balanceOf[to] += amount;
    }

    function approve(address spender, uint256 amount) external returns (bool) {
        allowance[msg.sender][spender] = amount;
        emit Approval(msg.sender, spender, amount);
        return true;
    }

    function transfer(address to, uint256 amount) external returns (bool) {
        balanceOf[msg.sender] -= amount;
        balanceOf[to] += amount;
        emit Transfer(msg.sender, to, amount);
        return true;
    }

    function transferFrom(address from, address to, uint256 amount) external returns (bool) {
        allowance[from][msg.sender] -= amount;
        balanceOf[from] -= amount;
        balanceOf[to] += amount;
        emit Transfer(from, to, amount);
        return true;
    }
}

/// Takes no coins.
contract Purseless {}
