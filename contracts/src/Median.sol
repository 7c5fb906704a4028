// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Median of a few numbers
/// @notice Insertion sort: below about forty numbers it is cheaper than anything cleverer.
library Median {
    /// @notice The median of `values`; with an even number of them the mean of the middle two, rounded towards zero.
    /// @dev Sorts `values` in place. They have to fit 255 bits, so that the sum of two can't overflow, and at
    /// least one is needed.
    /// @param values numbers in any order.
    /// @return the median.
    function ofInPlace(int256[] memory values) internal pure returns (int256) {
        uint256 length = values.length;
        unchecked {
            for (uint256 i = 1; i < length; ++i) {
                int256 value = values[i];
                uint256 j = i;
                for (; j > 0 && values[j - 1] > value; --j) {
                    values[j] = values[j - 1];
                }
                values[j] = value;
            }
            uint256 middle = length >> 1;
            if (length & 1 == 1) return values[middle];
            return (values[middle - 1] + values[middle]) / 2;
        }
    }
}
