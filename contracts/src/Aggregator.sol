// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AggregatorInterface} from "@chainlink/contracts/src/v0.8/shared/interfaces/AggregatorInterface.sol";
import {AggregatorV3Interface} from "@chainlink/contracts/src/v0.8/shared/interfaces/AggregatorV3Interface.sol";
import {
    AccessControlDefaultAdminRules
} from "@openzeppelin/contracts/access/extensions/AccessControlDefaultAdminRules.sol";
import {IAggregator} from "./IAggregator.sol";
import {Median} from "./Median.sol";

/// @title Round-based price feed with Chainlink's interface
/// @notice Several oracles submit, a round answers with the median once enough have. Rounds follow Chainlink's
/// FluxAggregator: "No data present" before data, carry-over into a round that timed out, late submissions while
/// the next round is unanswered. It departs from it in two places: an answered round is never rewritten by a
/// later time-out, and nothing is paid.
/// @dev One storage slot each for the state of reporting, a round, an oracle and the settings; submissions live
/// in two reused buffers. That makes a warm round cost about half of FluxAggregator's.
contract Aggregator is IAggregator, AccessControlDefaultAdminRules {
    /// @notice May enable and disable oracles and change the settings.
    bytes32 public constant ORACLE_MANAGER_ROLE = keccak256("ORACLE_MANAGER_ROLE");
    /// @notice May pause and unpause.
    bytes32 public constant PAUSER_ROLE = keccak256("PAUSER_ROLE");
    /// @notice May take over rounds that were answered on another chain: the trusted relayer.
    bytes32 public constant RELAYER_ROLE = keccak256("RELAYER_ROLE");
    /// @notice Contracts that may read while the feed is restricted.
    bytes32 public constant READER_ROLE = keccak256("READER_ROLE");

    /// @notice Most oracles there can be; the bound of Chainlink's OCR, too.
    uint256 public constant MAX_ORACLES = 31;

    /// @inheritdoc AggregatorV3Interface
    uint256 public constant override version = 1;

    /// @inheritdoc AggregatorV3Interface
    uint8 public immutable override decimals;
    /// @notice Smallest answer taken.
    int256 public immutable minAnswer;
    /// @notice Largest answer taken.
    int256 public immutable maxAnswer;

    /// @inheritdoc AggregatorV3Interface
    string public override description;

    /// @dev Everything a submission reads and writes besides its round and its oracle; one slot. `maxSubmissions`
    /// and `previousMax` are 0 when that round takes no more submissions.
    struct State {
        uint32 reportingRound;
        uint32 latestRound;
        uint40 startedAt;
        uint8 submissions;
        uint8 minSubmissions;
        uint8 maxSubmissions;
        uint24 timeout;
        uint8 previousSubmissions;
        uint8 previousMax;
        bool paused;
        bool restricted;
    }

    State private _state;
    Settings private _settings;
    /// @dev Submissions of the reporting round and the one before it, by the lowest bit of the round's number.
    int128[32][2] private _submissions;
    mapping(uint256 roundId => Round) private _rounds;
    mapping(address account => Oracle) private _oracles;
    address[] private _oracleAddresses;

    /// @notice Everyone may read an open feed. A restricted one is read by readers, and off chain by everyone:
    /// an on-chain gate hides nothing.
    modifier readable() {
        if (_state.restricted) _checkReader();
        _;
    }

    /// @notice Sets the feed up; `admin` gets every role but relayer and reader, the deployer gets none.
    /// @param description_ what is measured, e.g. "ETH / USD".
    /// @param decimals_ answers are in units of 10^-decimals.
    /// @param bounds smallest and largest answer taken.
    /// @param settings_ how rounds work.
    /// @param oracles_ who may submit from the first round on.
    /// @param admin default admin.
    /// @param adminDelay seconds between announcing and accepting a new default admin.
    constructor(
        string memory description_,
        uint8 decimals_,
        int256[2] memory bounds,
        Settings memory settings_,
        address[] memory oracles_,
        address admin,
        uint48 adminDelay
    ) AccessControlDefaultAdminRules(adminDelay, admin) {
        if (bounds[0] > bounds[1] || bounds[0] < type(int128).min || bounds[1] > type(int128).max) {
            revert AggregatorInvalidBounds(bounds[0], bounds[1]);
        }
        description = description_;
        decimals = decimals_;
        (minAnswer, maxAnswer) = (bounds[0], bounds[1]);
        for (uint256 i = 0; i < oracles_.length; ++i) {
            _addOracle(oracles_[i]);
        }
        _setSettings(settings_);
        _grantRole(ORACLE_MANAGER_ROLE, admin);
        _grantRole(PAUSER_ROLE, admin);
    }

    // --- reporting -----------------------------------------------------------------------------

    /// @notice Reports `submission` for a round; opens it if it is the next one.
    /// @param roundId the reporting round, the next one, or the one before while the reporting one is unanswered.
    /// @param submission the price, within the bounds.
    function submit(uint256 roundId, int256 submission) external {
        State memory state = _state;
        if (state.paused) revert AggregatorPaused();
        _checkBounds(submission);
        if (roundId > type(uint32).max) revert AggregatorRoundIdTooLarge(roundId);
        uint32 round = uint32(roundId);
        Oracle memory record = _oracles[msg.sender];
        _checkEligible(state, record, round);

        if (round > state.reportingRound) _open(state, record, round);
        uint256 count = _record(state, round, submission);
        record.lastReportedRound = round;
        record.latestSubmission = int128(submission);
        _oracles[msg.sender] = record;
        emit SubmissionReceived(submission, round, msg.sender);

        _answer(state, round, count);
        _state = state;
    }

    /// @notice Takes over a round that was answered on another chain, with its number and times.
    /// @dev Numbers only grow, so that a round can't be taken twice however often it is sent.
    /// @param roundId its number there; larger than the latest here.
    /// @param answer its answer, within the bounds.
    /// @param startedAt when it was opened there.
    /// @param updatedAt when it was answered there; not in the future and not before the latest answer here.
    function relayRound(uint32 roundId, int256 answer, uint64 startedAt, uint64 updatedAt)
        external
        onlyRole(RELAYER_ROLE)
    {
        if (_state.paused) revert AggregatorPaused();
        if (!_adopt(roundId, answer, startedAt, updatedAt)) {
            revert AggregatorRoundNotNewer(roundId, _state.latestRound);
        }
    }

    // --- management ----------------------------------------------------------------------------

    /// @notice Disables and enables oracles and sets the settings that fit the new number of them.
    /// @param removed oracles to disable; each may still finish the reporting round and the next.
    /// @param added oracles to enable, from the next round on.
    /// @param settings_ how rounds work from now on.
    function changeOracles(address[] calldata removed, address[] calldata added, Settings calldata settings_)
        external
        onlyRole(ORACLE_MANAGER_ROLE)
    {
        for (uint256 i = 0; i < removed.length; ++i) {
            _removeOracle(removed[i]);
        }
        for (uint256 i = 0; i < added.length; ++i) {
            _addOracle(added[i]);
        }
        _setSettings(settings_);
    }

    /// @notice Changes how rounds work from the next one on.
    /// @param settings_ the new settings.
    function setSettings(Settings calldata settings_) external onlyRole(ORACLE_MANAGER_ROLE) {
        _setSettings(settings_);
    }

    /// @notice Restricts reading by contracts to readers, or opens it again.
    /// @param restrict whether it is to be restricted.
    function setRestricted(bool restrict) external onlyRole(DEFAULT_ADMIN_ROLE) {
        _state.restricted = restrict;
        emit RestrictionChanged(restrict);
    }

    /// @notice Stops taking submissions and relayed rounds.
    function pause() external onlyRole(PAUSER_ROLE) {
        if (_state.paused) revert AggregatorPaused();
        _state.paused = true;
        emit Paused(msg.sender);
    }

    /// @notice Takes them again.
    function unpause() external onlyRole(PAUSER_ROLE) {
        if (!_state.paused) revert AggregatorNotPaused();
        _state.paused = false;
        emit Unpaused(msg.sender);
    }

    // --- Chainlink's feed interface ------------------------------------------------------------

    /// @inheritdoc AggregatorV3Interface
    function latestRoundData() external view override readable returns (uint80, int256, uint256, uint256, uint80) {
        return _roundData(_state.latestRound);
    }

    /// @inheritdoc AggregatorV3Interface
    function getRoundData(uint80 roundId)
        external
        view
        override
        readable
        returns (uint80, int256, uint256, uint256, uint80)
    {
        return _roundData(roundId);
    }

    /// @inheritdoc AggregatorInterface
    function latestAnswer() external view override readable returns (int256) {
        return _rounds[_state.latestRound].answer;
    }

    /// @inheritdoc AggregatorInterface
    function latestTimestamp() external view override readable returns (uint256) {
        return _rounds[_state.latestRound].updatedAt;
    }

    /// @inheritdoc AggregatorInterface
    function latestRound() external view override readable returns (uint256) {
        return _state.latestRound;
    }

    /// @inheritdoc AggregatorInterface
    function getAnswer(uint256 roundId) external view override readable returns (int256) {
        return _rounds[roundId].answer;
    }

    /// @inheritdoc AggregatorInterface
    function getTimestamp(uint256 roundId) external view override readable returns (uint256) {
        return _rounds[roundId].updatedAt;
    }

    // --- for keepers and operators -------------------------------------------------------------

    /// @notice Whether a keeper should open a round because of `observed`.
    /// @param observed the price seen now.
    /// @return due whether the deviation or the heartbeat is reached, or there is no data.
    /// @return deviationBps how far `observed` is from the latest answer; the largest number if that is 0.
    /// @return age seconds since the latest answer; the largest number if there is none.
    function updateDue(int128 observed) external view readable returns (bool due, uint256 deviationBps, uint256 age) {
        Round memory latest = _rounds[_state.latestRound];
        if (latest.updatedAt == 0) return (true, type(uint256).max, type(uint256).max);
        Settings memory set = _settings;
        age = block.timestamp - latest.updatedAt;
        deviationBps = _deviation(latest.answer, observed);
        due =
            (set.deviationBps != 0 && deviationBps >= set.deviationBps) || (set.heartbeat != 0 && age >= set.heartbeat);
    }

    /// @notice The round that is being reported on.
    /// @return the reporting round as it stands.
    function openRound() external view returns (OpenRound memory) {
        State memory state = _state;
        return OpenRound({
            roundId: state.reportingRound,
            startedAt: state.startedAt,
            submissions: state.submissions,
            minSubmissions: state.minSubmissions,
            maxSubmissions: state.maxSubmissions,
            timeout: state.timeout,
            answered: state.latestRound == state.reportingRound && state.latestRound != 0
        });
    }

    /// @notice How rounds opened from now on work.
    /// @return the settings.
    function settings() external view returns (Settings memory) {
        return _settings;
    }

    /// @notice What is known of an oracle.
    /// @param account its address.
    /// @return its record; all zero if it never was one.
    function oracle(address account) external view returns (Oracle memory) {
        return _oracles[account];
    }

    /// @notice Every enabled oracle.
    /// @return their addresses, in no particular order.
    function oracles() external view returns (address[] memory) {
        return _oracleAddresses;
    }

    /// @notice Whether submissions and relayed rounds are refused.
    /// @return true while paused.
    function paused() public view returns (bool) {
        return _state.paused;
    }

    /// @notice Whether contracts need the reader role to read.
    /// @return true while restricted.
    function restricted() external view returns (bool) {
        return _state.restricted;
    }

    /// @notice Which contract this is.
    /// @return its name and version.
    function typeAndVersion() external pure virtual returns (string memory) {
        return "Aggregator 1.0.0";
    }

    // --- inside --------------------------------------------------------------------------------

    /// @dev Takes over a foreign round; false if it isn't newer than the latest, which changes nothing.
    function _adopt(uint32 roundId, int256 answer, uint64 startedAt, uint64 updatedAt) internal returns (bool) {
        State memory state = _state;
        if (roundId <= state.latestRound) return false;
        _checkBounds(answer);
        if (updatedAt > block.timestamp) revert AggregatorFutureTimestamp(updatedAt, block.timestamp);
        if (startedAt == 0 || startedAt > updatedAt) revert AggregatorInvalidTimestamps(startedAt, updatedAt);
        uint256 latestUpdatedAt = _rounds[state.latestRound].updatedAt;
        if (updatedAt < latestUpdatedAt) revert AggregatorTimestampNotNewer(updatedAt, latestUpdatedAt);

        if (roundId >= state.reportingRound) {
            (state.reportingRound, state.startedAt, state.submissions) = (roundId, uint40(startedAt), 0);
            (state.maxSubmissions, state.previousMax) = (0, 0);
        }
        // An earlier round that still takes submissions is the latest one, and so never what is taken over here.
        state.latestRound = roundId;
        _rounds[roundId] = Round(int128(answer), uint48(startedAt), uint48(updatedAt), roundId);
        _state = state;
        emit NewRound(roundId, msg.sender, startedAt);
        emit AnswerUpdated(answer, roundId, updatedAt);
        emit RoundAdopted(roundId, msg.sender, answer, updatedAt);
        return true;
    }

    /// @dev A finished round in Chainlink's form.
    function _roundData(uint256 roundId) private view returns (uint80, int256, uint256, uint256, uint80) {
        Round storage round = _rounds[roundId];
        uint80 answeredInRound = round.answeredInRound;
        // The exact string of FluxAggregator: consumers know it.
        require(answeredInRound > 0, "No data present");
        return (uint80(roundId), round.answer, round.startedAt, round.updatedAt, answeredInRound);
    }

    /// @dev Number of the latest answered round.
    function _latestRound() internal view returns (uint32) {
        return _state.latestRound;
    }

    /// @dev A round with an answer of its own; all zero if it has none.
    function _answeredRound(uint32 roundId) internal view returns (Round memory round) {
        round = _rounds[roundId];
        if (round.answeredInRound != roundId) delete round;
    }

    function _checkReader() private view {
        if (msg.sender != tx.origin && !hasRole(READER_ROLE, msg.sender)) revert AggregatorReadDenied(msg.sender);
    }

    function _checkBounds(int256 answer) private view {
        if (answer < minAnswer || answer > maxAnswer) {
            revert AggregatorAnswerOutOfBounds(answer, minAnswer, maxAnswer);
        }
    }

    function _checkEligible(State memory state, Oracle memory oracle_, uint32 round) private view {
        if (oracle_.startingRound == 0) revert AggregatorUnknownOracle(msg.sender);
        if (oracle_.startingRound > round) {
            revert AggregatorOracleNotYetEnabled(msg.sender, oracle_.startingRound);
        }
        if (oracle_.endingRound < round) revert AggregatorOracleNoLongerAllowed(msg.sender, oracle_.endingRound);
        if (oracle_.lastReportedRound >= round) revert AggregatorAlreadyReported(round, oracle_.lastReportedRound);

        uint256 reporting = state.reportingRound;
        if (round == reporting) return;
        bool unanswered = state.latestRound != reporting;
        if (round == reporting + 1) {
            if (reporting != 0 && unanswered && !_timedOut(state)) {
                revert AggregatorRoundNotSupersedable(uint32(reporting));
            }
        } else if (uint256(round) + 1 != reporting || !unanswered) {
            revert AggregatorInvalidRound(round, uint32(reporting));
        }
    }

    /// @dev Whether the reporting round still takes submissions and is past its time-out.
    function _timedOut(State memory state) private view returns (bool) {
        return
            state.maxSubmissions != 0 && state.timeout != 0
                && uint256(state.startedAt) + state.timeout < block.timestamp;
    }

    /// @dev Opens `round`, which is the one after the reporting round.
    function _open(State memory state, Oracle memory oracle_, uint32 round) private {
        Settings memory set = _settings;
        uint256 earliest = uint256(oracle_.lastStartedRound) + set.restartDelay + 1;
        if (oracle_.lastStartedRound != 0 && round < earliest) revert AggregatorRestartDelayed(round, earliest);

        if (_timedOut(state)) _closeTimedOut(state);
        (state.previousSubmissions, state.previousMax) = (state.submissions, state.maxSubmissions);
        state.reportingRound = round;
        state.startedAt = uint40(block.timestamp);
        state.submissions = 0;
        state.minSubmissions = set.minSubmissions;
        state.maxSubmissions = set.maxSubmissions;
        state.timeout = set.timeout;
        oracle_.lastStartedRound = round;
        emit NewRound(round, msg.sender, block.timestamp);
    }

    /// @dev Closes the reporting round; without an answer of its own it carries the one before it.
    function _closeTimedOut(State memory state) private {
        uint32 stale = state.reportingRound;
        state.maxSubmissions = 0;
        if (state.latestRound == stale) return;
        Round memory carried = _rounds[stale - 1];
        (carried.startedAt, carried.updatedAt) = (state.startedAt, uint48(block.timestamp));
        _rounds[stale] = carried;
        emit RoundTimedOut(stale, carried.answeredInRound);
    }

    /// @dev Stores a submission and returns how many the round has now.
    function _record(State memory state, uint32 round, int256 submission) private returns (uint256 count) {
        if (round == state.reportingRound) {
            if (state.maxSubmissions == 0) revert AggregatorRoundClosed(round);
            count = ++state.submissions;
        } else {
            if (state.previousMax == 0) revert AggregatorRoundClosed(round);
            count = ++state.previousSubmissions;
        }
        _submissions[round & 1][count - 1] = int128(submission);
    }

    /// @dev Answers the round if it has enough submissions and closes it if it has all.
    function _answer(State memory state, uint32 round, uint256 count) private {
        bool current = round == state.reportingRound;
        // An earlier round that still takes submissions is always answered: otherwise it had timed out.
        if (current && count < state.minSubmissions) return;

        int256[] memory values = new int256[](count);
        int128[32] storage buffer = _submissions[round & 1];
        for (uint256 i = 0; i < count; ++i) {
            values[i] = buffer[i];
        }
        int256 median = Median.ofInPlace(values);
        uint48 startedAt = current ? state.startedAt : _rounds[round].startedAt;
        _rounds[round] = Round(int128(median), startedAt, uint48(block.timestamp), round);
        state.latestRound = round;
        if (current) {
            if (count == state.maxSubmissions) state.maxSubmissions = 0;
        } else if (count == state.previousMax) {
            state.previousMax = 0;
        }
        emit AnswerUpdated(median, round, block.timestamp);
    }

    function _deviation(int256 latest, int256 observed) private pure returns (uint256) {
        if (latest == 0) return type(uint256).max;
        uint256 difference = observed > latest ? uint256(observed - latest) : uint256(latest - observed);
        return (difference * 10_000) / uint256(latest < 0 ? -latest : latest);
    }

    function _setSettings(Settings memory set) private {
        uint256 count = _oracleAddresses.length;
        bool enough = set.minSubmissions > 0 || count == 0;
        if (!enough || set.maxSubmissions < set.minSubmissions || set.maxSubmissions > count) {
            revert AggregatorInvalidSettings(set.minSubmissions, set.maxSubmissions, count);
        }
        if (count != 0 && set.restartDelay >= count) revert AggregatorInvalidRestartDelay(set.restartDelay, count);
        _settings = set;
        emit SettingsChanged(
            set.minSubmissions, set.maxSubmissions, set.restartDelay, set.timeout, set.deviationBps, set.heartbeat
        );
    }

    function _addOracle(address account) private {
        if (account == address(0)) revert AggregatorInvalidOracle();
        Oracle storage record = _oracles[account];
        if (record.endingRound == type(uint32).max) revert AggregatorOracleEnabled(account);
        if (_oracleAddresses.length == MAX_ORACLES) revert AggregatorTooManyOracles(MAX_ORACLES + 1, MAX_ORACLES);
        uint32 reporting = _state.reportingRound;
        // One that is removed and enabled again within a round keeps its place in it.
        bool back = reporting != 0 && reporting == record.endingRound;
        uint32 startingRound = back ? reporting : reporting + 1;
        (record.startingRound, record.endingRound) = (startingRound, type(uint32).max);
        _oracleAddresses.push(account);
        emit OracleAdded(account, startingRound);
    }

    function _removeOracle(address account) private {
        Oracle storage record = _oracles[account];
        if (record.endingRound != type(uint32).max) revert AggregatorOracleNotEnabled(account);
        uint256 last = _oracleAddresses.length - 1;
        for (uint256 i = 0; i <= last; ++i) {
            if (_oracleAddresses[i] == account) {
                _oracleAddresses[i] = _oracleAddresses[last];
                break;
            }
        }
        _oracleAddresses.pop();
        uint32 endingRound = _state.reportingRound + 1;
        record.endingRound = endingRound;
        emit OracleRemoved(account, endingRound);
    }
}
