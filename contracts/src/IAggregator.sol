// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AggregatorV2V3Interface} from "@chainlink/contracts/src/v0.8/shared/interfaces/AggregatorV2V3Interface.sol";

/// @title What chainfleet's aggregator offers beyond Chainlink's feed interface
/// @notice Types, events and errors of {Aggregator}. Prices are integers in units of 10^-decimals,
/// times are Unix seconds, deviations are basis points (1/100 of a percent).
interface IAggregator is AggregatorV2V3Interface {
    /// @notice What an oracle manager may change; it holds for rounds opened from then on.
    /// @param minSubmissions submissions after which a round is answered with their median.
    /// @param maxSubmissions submissions after which a round takes no more.
    /// @param restartDelay rounds an oracle must let pass after opening one before it opens the next.
    /// @param timeout seconds after which an unanswered round may be superseded; 0 is never.
    /// @param deviationBps change of the answer that makes an update due; 0 is never. Read by keepers only.
    /// @param heartbeat seconds after which an update is due; 0 is never. Read by keepers only.
    struct Settings {
        uint8 minSubmissions;
        uint8 maxSubmissions;
        uint32 restartDelay;
        uint24 timeout;
        uint16 deviationBps;
        uint32 heartbeat;
    }

    /// @notice One oracle; exactly one storage slot.
    /// @param startingRound first round it may report on; 0 is unknown.
    /// @param endingRound last round it may report on; `type(uint32).max` while it is enabled.
    /// @param lastReportedRound the latest round it reported on.
    /// @param lastStartedRound the latest round it opened.
    /// @param latestSubmission what it reported there.
    struct Oracle {
        uint32 startingRound;
        uint32 endingRound;
        uint32 lastReportedRound;
        uint32 lastStartedRound;
        int128 latestSubmission;
    }

    /// @notice One finished round; exactly one storage slot.
    struct Round {
        int128 answer;
        uint48 startedAt;
        uint48 updatedAt;
        uint32 answeredInRound;
    }

    /// @notice The round that is being reported on.
    /// @param roundId its number; 0 before the first.
    /// @param startedAt when it was opened.
    /// @param submissions how many it has.
    /// @param minSubmissions how many answer it.
    /// @param maxSubmissions how many it takes; 0 when it takes no more.
    /// @param timeout seconds after which it may be superseded; 0 is never.
    /// @param answered whether it has an answer.
    struct OpenRound {
        uint32 roundId;
        uint40 startedAt;
        uint8 submissions;
        uint8 minSubmissions;
        uint8 maxSubmissions;
        uint24 timeout;
        bool answered;
    }

    /// @notice An oracle reported.
    event SubmissionReceived(int256 indexed submission, uint32 indexed round, address indexed oracle);
    /// @notice A round closed without an answer of its own; it carries the one of `answeredInRound`.
    event RoundTimedOut(uint32 indexed roundId, uint32 answeredInRound);
    /// @notice A round answered on another chain was taken over.
    event RoundAdopted(uint32 indexed roundId, address indexed by, int256 answer, uint64 updatedAt);
    /// @notice An oracle was enabled.
    event OracleAdded(address indexed oracle, uint32 startingRound);
    /// @notice An oracle was disabled; it may still finish `endingRound`.
    event OracleRemoved(address indexed oracle, uint32 endingRound);
    /// @notice The settings of future rounds changed.
    event SettingsChanged(
        uint8 minSubmissions,
        uint8 maxSubmissions,
        uint32 restartDelay,
        uint24 timeout,
        uint16 deviationBps,
        uint32 heartbeat
    );
    /// @notice Submissions and relayed rounds are refused from now on.
    event Paused(address indexed by);
    /// @notice Submissions and relayed rounds are taken again.
    event Unpaused(address indexed by);
    /// @notice Reading by other contracts was restricted to readers, or opened again.
    event RestrictionChanged(bool restricted);

    /// @notice Nothing is taken while paused.
    error AggregatorPaused();
    /// @notice Only a paused aggregator can be unpaused.
    error AggregatorNotPaused();
    /// @notice The bounds are upside down or don't fit 128 bits.
    error AggregatorInvalidBounds(int256 minAnswer, int256 maxAnswer);
    /// @notice An answer outside of the bounds is refused, never clamped.
    error AggregatorAnswerOutOfBounds(int256 answer, int256 minAnswer, int256 maxAnswer);
    /// @notice Round numbers have 32 bits.
    error AggregatorRoundIdTooLarge(uint256 roundId);
    /// @notice The sender was never an oracle here.
    error AggregatorUnknownOracle(address oracle);
    /// @notice The oracle may report from `startingRound` on.
    error AggregatorOracleNotYetEnabled(address oracle, uint32 startingRound);
    /// @notice The oracle could report up to `endingRound`.
    error AggregatorOracleNoLongerAllowed(address oracle, uint32 endingRound);
    /// @notice An oracle reports once per round, and never on an earlier one than its last.
    error AggregatorAlreadyReported(uint32 roundId, uint32 lastReportedRound);
    /// @notice Only the reporting round, the next one, or an earlier one while the current is unanswered.
    error AggregatorInvalidRound(uint32 roundId, uint32 reportingRound);
    /// @notice The reporting round is neither answered nor timed out.
    error AggregatorRoundNotSupersedable(uint32 reportingRound);
    /// @notice The round has all its submissions, or was closed.
    error AggregatorRoundClosed(uint32 roundId);
    /// @notice This oracle opened a round too recently; it may open `earliestRound`.
    error AggregatorRestartDelayed(uint32 roundId, uint256 earliestRound);
    /// @notice Submissions asked for don't fit each other or the number of oracles.
    error AggregatorInvalidSettings(uint256 minSubmissions, uint256 maxSubmissions, uint256 oracles);
    /// @notice The restart delay must be smaller than the number of oracles, or nobody could open a round.
    error AggregatorInvalidRestartDelay(uint256 restartDelay, uint256 oracles);
    /// @notice More oracles than a median on chain should sort.
    error AggregatorTooManyOracles(uint256 oracles, uint256 maximum);
    /// @notice The zero address can't be an oracle.
    error AggregatorInvalidOracle();
    /// @notice The oracle is enabled already.
    error AggregatorOracleEnabled(address oracle);
    /// @notice The oracle isn't enabled.
    error AggregatorOracleNotEnabled(address oracle);
    /// @notice The feed is restricted and the caller has no reader role.
    error AggregatorReadDenied(address reader);
    /// @notice A round of another chain must be newer than the latest one here.
    error AggregatorRoundNotNewer(uint32 roundId, uint32 latestRound);
    /// @notice A round of another chain can't have been answered in the future.
    error AggregatorFutureTimestamp(uint256 updatedAt, uint256 blockTimestamp);
    /// @notice A round of another chain has to begin, and to end no earlier than it began.
    error AggregatorInvalidTimestamps(uint256 startedAt, uint256 updatedAt);
    /// @notice A round of another chain can't be older than the latest answer here.
    error AggregatorTimestampNotNewer(uint256 updatedAt, uint256 latestTimestamp);
}
