// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {CCIPReceiver} from "@chainlink/contracts-ccip/contracts/applications/CCIPReceiver.sol";
import {IAny2EVMMessageReceiver} from "@chainlink/contracts-ccip/contracts/interfaces/IAny2EVMMessageReceiver.sol";
import {IAny2EVMMessageReceiverV2} from "@chainlink/contracts-ccip/contracts/interfaces/IAny2EVMMessageReceiverV2.sol";
import {IRouterClient} from "@chainlink/contracts-ccip/contracts/interfaces/IRouterClient.sol";
import {Client} from "@chainlink/contracts-ccip/contracts/libraries/Client.sol";
import {IAccessControl} from "@openzeppelin/contracts/access/IAccessControl.sol";
import {
    AccessControlDefaultAdminRules
} from "@openzeppelin/contracts/access/extensions/AccessControlDefaultAdminRules.sol";
import {
    IAccessControlDefaultAdminRules
} from "@openzeppelin/contracts/access/extensions/IAccessControlDefaultAdminRules.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {IERC165} from "@openzeppelin/contracts/utils/introspection/IERC165.sol";
import {Aggregator} from "./Aggregator.sol";
import {IOracleWithCCIP} from "./IOracleWithCCIP.sol";

/// @title Aggregator whose answered rounds travel between chains through Chainlink CCIP
/// @notice A message carries the round's number and times, so that a late or repeated one never overwrites a newer
/// round. Nothing reverts while a message of the router is received: one that can't be processed is kept by its
/// hash and retried by a role that brings the message along.
/// @dev The router is replaceable: {getRouter} reads storage, the immutable of {CCIPReceiver} is not used.
contract OracleWithCCIP is IOracleWithCCIP, Aggregator, CCIPReceiver {
    using SafeERC20 for IERC20;

    /// @notice May set lanes and the router.
    bytes32 public constant CCIP_MANAGER_ROLE = keccak256("CCIP_MANAGER_ROLE");
    /// @notice May send rounds.
    bytes32 public constant SENDER_ROLE = keccak256("SENDER_ROLE");
    /// @notice May retry and discard messages that failed.
    bytes32 public constant RETRY_ROLE = keccak256("RETRY_ROLE");

    /// @notice Version of the messages' layout.
    uint256 public constant PAYLOAD_VERSION = 1;
    /// @notice Gas kept back from processing, in which a failure is recorded.
    uint256 public constant CAPTURE_GAS = 40_000;
    /// @notice Below this much gas for processing it isn't tried at all.
    uint256 public constant MINIMUM_PROCESS_GAS = 45_000;

    /// @dev Version, feed, decimals, round, answer, start, end: one word each.
    uint256 private constant PAYLOAD_LENGTH = 7 * 32;

    /// @notice What the messages say which feed they are of: the hash of its description.
    bytes32 public immutable feed;

    address private _router;
    mapping(uint64 selector => Lane) private _lanes;
    mapping(bytes32 messageId => bytes32) private _failed;

    /// @notice As {Aggregator}, with a router; `admin` gets the three roles of this contract, too.
    /// @param description_ what is measured; it names the feed on both chains.
    /// @param decimals_ answers are in units of 10^-decimals.
    /// @param bounds smallest and largest answer taken.
    /// @param settings_ how rounds work.
    /// @param oracles_ who may submit from the first round on.
    /// @param admin default admin.
    /// @param adminDelay seconds between announcing and accepting a new default admin.
    /// @param router CCIP's router on this chain.
    constructor(
        string memory description_,
        uint8 decimals_,
        int256[2] memory bounds,
        Settings memory settings_,
        address[] memory oracles_,
        address admin,
        uint48 adminDelay,
        address router
    ) Aggregator(description_, decimals_, bounds, settings_, oracles_, admin, adminDelay) CCIPReceiver(router) {
        feed = keccak256(bytes(description_));
        _setRouter(router);
        _grantRole(CCIP_MANAGER_ROLE, admin);
        _grantRole(SENDER_ROLE, admin);
        _grantRole(RETRY_ROLE, admin);
    }

    // --- sending -------------------------------------------------------------------------------

    /// @notice Sends an answered round to the peer of a lane and pays exactly the fee; what was sent along beyond
    /// it comes back.
    /// @param selector chain to send to.
    /// @param roundId a round with an answer of its own.
    /// @param maxFee most the caller would pay, in units of the lane's fee token.
    /// @return messageId CCIP's id of the message.
    function sendRound(uint64 selector, uint32 roundId, uint256 maxFee)
        external
        payable
        onlyRole(SENDER_ROLE)
        returns (bytes32 messageId)
    {
        if (paused()) revert AggregatorPaused();
        Lane memory lane_ = _outbound(selector);
        Round memory round = _sendable(roundId);
        Client.EVM2AnyMessage memory message = _message(lane_, roundId, round);
        IRouterClient router = IRouterClient(_router);
        uint256 fee = router.getFee(selector, message);
        uint256 cap = maxFee < lane_.maxFee ? maxFee : lane_.maxFee;
        if (fee > cap) revert OracleWithCCIPFeeTooHigh(fee, cap);

        if (lane_.feeToken == address(0)) {
            if (msg.value < fee) revert OracleWithCCIPValueTooLow(fee, msg.value);
            messageId = router.ccipSend{value: fee}(selector, message);
            if (msg.value > fee) _sendValue(msg.sender, msg.value - fee);
        } else {
            if (msg.value != 0) revert OracleWithCCIPUnexpectedValue(msg.value);
            IERC20(lane_.feeToken).safeTransferFrom(msg.sender, address(this), fee);
            IERC20(lane_.feeToken).forceApprove(address(router), fee);
            messageId = router.ccipSend(selector, message);
        }
        emit RoundSent(messageId, selector, roundId, round.answer, fee);
    }

    /// @notice What sending a round would cost now.
    /// @param selector chain to send to.
    /// @param roundId a round with an answer of its own.
    /// @return fee in units of the lane's fee token.
    function quote(uint64 selector, uint32 roundId) external view returns (uint256 fee) {
        Lane memory lane_ = _outbound(selector);
        return IRouterClient(_router).getFee(selector, _message(lane_, roundId, _sendable(roundId)));
    }

    // --- receiving -----------------------------------------------------------------------------

    /// @notice Processes a message; only this contract calls it, so that a failure stays inside that call.
    /// @param message what the router delivered.
    function processMessage(Client.Any2EVMMessage calldata message) external {
        if (msg.sender != address(this)) revert OracleWithCCIPOnlySelf(msg.sender);
        _process(message);
    }

    /// @notice Processes a message that failed before.
    /// @param message the very message; its hash is compared with the one kept.
    function retryMessage(Client.Any2EVMMessage calldata message) external onlyRole(RETRY_ROLE) {
        if (paused()) revert AggregatorPaused();
        bytes32 id = message.messageId;
        bytes32 kept = _failed[id];
        if (kept == 0 || kept != keccak256(abi.encode(message))) revert OracleWithCCIPUnknownMessage(id);
        if (!_trusted(message.sourceChainSelector, message.sender)) {
            revert OracleWithCCIPLaneClosed(message.sourceChainSelector);
        }
        delete _failed[id];
        _process(message);
        emit MessageRetried(id);
    }

    /// @notice Gives up a message that failed.
    /// @param messageId its id.
    function discardMessage(bytes32 messageId) external onlyRole(RETRY_ROLE) {
        if (_failed[messageId] == 0) revert OracleWithCCIPUnknownMessage(messageId);
        delete _failed[messageId];
        emit MessageDiscarded(messageId);
    }

    // --- management ----------------------------------------------------------------------------

    /// @notice Sets a lane.
    /// @param selector the other chain.
    /// @param lane_ how rounds travel there and back; the whole of it replaces what was set.
    function setLane(uint64 selector, Lane calldata lane_) external onlyRole(CCIP_MANAGER_ROLE) {
        if (selector == 0) revert OracleWithCCIPInvalidSelector();
        if (lane_.mode != LaneMode.Disabled && lane_.peer == address(0)) revert OracleWithCCIPInvalidPeer();
        if (lane_.mode == LaneMode.Local && block.chainid == 1) revert OracleWithCCIPLocalLaneOnMainnet(selector);
        if (lane_.mode == LaneMode.Live && !_supported(selector)) revert OracleWithCCIPChainNotSupported(selector);
        _lanes[selector] = lane_;
        emit LaneChanged(selector, lane_);
    }

    /// @notice Trusts another router.
    /// @param router its address; it has code.
    function setRouter(address router) external onlyRole(CCIP_MANAGER_ROLE) {
        _setRouter(router);
    }

    /// @notice Withdraws funds that got stuck here; none belong here.
    /// @param token the token, or zero for the chain's own coin.
    /// @param to who gets them.
    /// @param amount how much.
    function withdraw(address token, address to, uint256 amount) external onlyRole(DEFAULT_ADMIN_ROLE) {
        if (to == address(0)) revert OracleWithCCIPInvalidRecipient();
        if (token == address(0)) _sendValue(to, amount);
        else IERC20(token).safeTransfer(to, amount);
        emit FundsWithdrawn(token, to, amount);
    }

    // --- views ---------------------------------------------------------------------------------

    /// @notice How a lane is set.
    /// @param selector the other chain.
    /// @return the lane.
    function lane(uint64 selector) external view returns (Lane memory) {
        return _lanes[selector];
    }

    /// @notice How a lane really is: live only where the router has code and knows the chain at this moment.
    /// @param selector the other chain.
    /// @return its state.
    function laneState(uint64 selector) external view returns (LaneMode) {
        LaneMode mode = _lanes[selector].mode;
        return mode == LaneMode.Live && !_supported(selector) ? LaneMode.Disabled : mode;
    }

    /// @notice What is kept of a message that failed.
    /// @param messageId its id.
    /// @return hash of the message; 0 if none is kept.
    function failedMessage(bytes32 messageId) external view returns (bytes32) {
        return _failed[messageId];
    }

    /// @inheritdoc CCIPReceiver
    function getRouter() public view override returns (address) {
        return _router;
    }

    /// @inheritdoc Aggregator
    function typeAndVersion() external pure override returns (string memory) {
        return "OracleWithCCIP 1.0.0";
    }

    /// @inheritdoc IERC165
    /// @dev CCIPReceiver's is `pure`, so that the ids of the roles are listed here and not asked of `super`.
    /// Without CCIP's ids the off-ramp would mark messages as delivered and never call.
    function supportsInterface(bytes4 interfaceId)
        public
        pure
        override(AccessControlDefaultAdminRules, CCIPReceiver)
        returns (bool)
    {
        return interfaceId == type(IAny2EVMMessageReceiver).interfaceId
            || interfaceId == type(IAny2EVMMessageReceiverV2).interfaceId || interfaceId == type(IERC165).interfaceId
            || interfaceId == type(IAccessControl).interfaceId
            || interfaceId == type(IAccessControlDefaultAdminRules).interfaceId;
    }

    // --- inside --------------------------------------------------------------------------------

    /// @inheritdoc CCIPReceiver
    /// @dev A call may use 63/64 of the gas; what remains of small limits couldn't record a failure. So a reserve
    /// is kept back explicitly.
    function _ccipReceive(Client.Any2EVMMessage memory message) internal override {
        if (!_trusted(message.sourceChainSelector, message.sender)) {
            emit MessageRejected(message.messageId, message.sourceChainSelector, _senderOf(message.sender));
            return;
        }
        if (paused()) {
            _keep(message, abi.encodeWithSelector(AggregatorPaused.selector));
            return;
        }
        uint256 available = gasleft();
        uint256 needed = CAPTURE_GAS + MINIMUM_PROCESS_GAS;
        if (available < needed) {
            _keep(message, abi.encodeWithSelector(OracleWithCCIPInsufficientGas.selector, available, needed));
            return;
        }
        try this.processMessage{gas: available - CAPTURE_GAS}(message) {}
        catch (bytes memory reason) {
            _keep(message, reason);
        }
    }

    function _keep(Client.Any2EVMMessage memory message, bytes memory reason) private {
        bytes32 messageHash = keccak256(abi.encode(message));
        _failed[message.messageId] = messageHash;
        emit MessageFailed(message.messageId, message.sourceChainSelector, messageHash, reason);
    }

    function _process(Client.Any2EVMMessage calldata message) private {
        bytes calldata data = message.data;
        uint256 payloadVersion = data.length < 32 ? 0 : uint256(bytes32(data));
        if (data.length != PAYLOAD_LENGTH || payloadVersion != PAYLOAD_VERSION) {
            revert OracleWithCCIPInvalidPayload(data.length, payloadVersion);
        }
        (, bytes32 feed_, uint8 decimals_, uint32 roundId, int256 answer, uint64 startedAt, uint64 updatedAt) =
            abi.decode(data, (uint256, bytes32, uint8, uint32, int256, uint64, uint64));
        if (feed_ != feed) revert OracleWithCCIPWrongFeed(feed_, feed);
        if (decimals_ != decimals) revert OracleWithCCIPWrongDecimals(decimals_, decimals);

        if (_adopt(roundId, answer, startedAt, updatedAt)) {
            emit RoundReceived(message.messageId, message.sourceChainSelector, roundId, answer);
        } else {
            emit RoundIgnored(message.messageId, message.sourceChainSelector, roundId, _latestRound());
        }
    }

    function _message(Lane memory lane_, uint32 roundId, Round memory round)
        private
        view
        returns (Client.EVM2AnyMessage memory)
    {
        return Client.EVM2AnyMessage({
            receiver: abi.encode(lane_.peer),
            data: abi.encode(
                PAYLOAD_VERSION,
                feed,
                decimals,
                roundId,
                int256(round.answer),
                uint64(round.startedAt),
                uint64(round.updatedAt)
            ),
            tokenAmounts: new Client.EVMTokenAmount[](0),
            feeToken: lane_.feeToken,
            extraArgs: lane_.extraArgs
        });
    }

    function _outbound(uint64 selector) private view returns (Lane memory lane_) {
        lane_ = _lanes[selector];
        if (lane_.mode == LaneMode.Disabled || !lane_.outbound) revert OracleWithCCIPLaneClosed(selector);
    }

    function _sendable(uint32 roundId) private view returns (Round memory round) {
        round = _answeredRound(roundId);
        if (round.updatedAt == 0) revert OracleWithCCIPRoundWithoutAnswer(roundId);
    }

    /// @dev Whether the lane takes messages and `sender` is its peer.
    function _trusted(uint64 selector, bytes memory sender) private view returns (bool) {
        Lane storage lane_ = _lanes[selector];
        if (lane_.mode == LaneMode.Disabled || !lane_.inbound) return false;
        return _senderOf(sender) == lane_.peer;
    }

    /// @dev The address in exactly one clean word; zero, which is no peer of an enabled lane, for anything else.
    function _senderOf(bytes memory sender) private pure returns (address) {
        uint256 word = sender.length == 32 ? uint256(bytes32(sender)) : 0;
        return word > type(uint160).max ? address(0) : address(uint160(word));
    }

    function _supported(uint64 selector) private view returns (bool) {
        if (_router.code.length == 0) return false;
        try IRouterClient(_router).isChainSupported(selector) returns (bool supported) {
            return supported;
        } catch {
            return false;
        }
    }

    function _setRouter(address router) private {
        if (router.code.length == 0) revert OracleWithCCIPRouterWithoutCode(router);
        _router = router;
        emit RouterChanged(router);
    }

    function _sendValue(address to, uint256 amount) private {
        (bool sent,) = to.call{value: amount}("");
        if (!sent) revert OracleWithCCIPTransferFailed(to, amount);
    }
}
