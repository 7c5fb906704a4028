// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title What an aggregator that speaks CCIP offers
/// @notice Types, events and errors of {OracleWithCCIP}. A lane is the connection with one other chain, named by
/// its CCIP chain selector; both directions of it have the same peer contract.
interface IOracleWithCCIP {
    /// @notice Where a lane stands.
    enum LaneMode {
        /// Nothing is sent or taken.
        Disabled,
        /// A router of our own on a test network; refused on Ethereum Mainnet.
        Local,
        /// A router that knows the chain.
        Live
    }

    /// @notice One lane.
    /// @param mode what the manager wants of it; {laneState} says what it is.
    /// @param outbound whether rounds may be sent.
    /// @param inbound whether rounds are taken.
    /// @param peer the oracle on the other chain: the only receiver and the only sender.
    /// @param feeToken token that fees are paid in; zero is the chain's own coin.
    /// @param maxFee most that one message may cost, in units of the fee token.
    /// @param extraArgs CCIP's extra arguments (gas limit, order), encoded as the lane's version wants them.
    struct Lane {
        LaneMode mode;
        bool outbound;
        bool inbound;
        address peer;
        address feeToken;
        uint96 maxFee;
        bytes extraArgs;
    }

    /// @notice A round went out.
    event RoundSent(
        bytes32 indexed messageId, uint64 indexed selector, uint32 indexed roundId, int256 answer, uint256 fee
    );
    /// @notice A round came in and is the latest now.
    event RoundReceived(bytes32 indexed messageId, uint64 indexed selector, uint32 indexed roundId, int256 answer);
    /// @notice A round came in that isn't newer than the latest: late, repeated or sent twice.
    event RoundIgnored(bytes32 indexed messageId, uint64 indexed selector, uint32 indexed roundId, uint256 latestRound);
    /// @notice A message of an unknown chain or sender, or of a disabled lane, was dropped.
    event MessageRejected(bytes32 indexed messageId, uint64 indexed selector, address indexed sender);
    /// @notice A message of a known sender couldn't be taken; it is kept by its hash and can be retried.
    event MessageFailed(bytes32 indexed messageId, uint64 indexed selector, bytes32 messageHash, bytes reason);
    /// @notice A kept message was processed.
    event MessageRetried(bytes32 indexed messageId);
    /// @notice A kept message was given up.
    event MessageDiscarded(bytes32 indexed messageId);
    /// @notice A lane was set.
    event LaneChanged(uint64 indexed selector, Lane lane);
    /// @notice Another router is trusted from now on.
    event RouterChanged(address indexed router);
    /// @notice Stuck funds were withdrawn; the zero token is the chain's own coin.
    event FundsWithdrawn(address indexed token, address indexed to, uint256 amount);

    /// @notice A router has code.
    error OracleWithCCIPRouterWithoutCode(address router);
    /// @notice No chain has the selector 0.
    error OracleWithCCIPInvalidSelector();
    /// @notice An enabled lane has a peer.
    error OracleWithCCIPInvalidPeer();
    /// @notice The router doesn't know the chain, so that the lane can't be live.
    error OracleWithCCIPChainNotSupported(uint64 selector);
    /// @notice Routers of our own have no place on Ethereum Mainnet.
    error OracleWithCCIPLocalLaneOnMainnet(uint64 selector);
    /// @notice The lane is disabled, or not for this direction.
    error OracleWithCCIPLaneClosed(uint64 selector);
    /// @notice Only a round with an answer of its own can be sent.
    error OracleWithCCIPRoundWithoutAnswer(uint32 roundId);
    /// @notice The router asks for more than the lane or the caller allows.
    error OracleWithCCIPFeeTooHigh(uint256 fee, uint256 maxFee);
    /// @notice The value sent along doesn't cover the fee.
    error OracleWithCCIPValueTooLow(uint256 fee, uint256 value);
    /// @notice A fee in a token takes no value along.
    error OracleWithCCIPUnexpectedValue(uint256 value);
    /// @notice The chain's own coin couldn't be handed over.
    error OracleWithCCIPTransferFailed(address to, uint256 amount);
    /// @notice Only this contract calls itself there.
    error OracleWithCCIPOnlySelf(address caller);
    /// @notice The message isn't one of ours: wrong length or version.
    error OracleWithCCIPInvalidPayload(uint256 length, uint256 payloadVersion);
    /// @notice The message is about another feed.
    error OracleWithCCIPWrongFeed(bytes32 feed, bytes32 expected);
    /// @notice The message's answers have another unit.
    error OracleWithCCIPWrongDecimals(uint256 decimals, uint256 expected);
    /// @notice Too little gas to process a message and still keep it if that fails.
    error OracleWithCCIPInsufficientGas(uint256 available, uint256 needed);
    /// @notice No message with that id and content is kept.
    error OracleWithCCIPUnknownMessage(bytes32 messageId);
    /// @notice Funds can't go to the zero address.
    error OracleWithCCIPInvalidRecipient();
}
