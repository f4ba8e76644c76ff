// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title The callbacks that the app registry makes to an app's contract
interface INovaApp {
    function addOperator(address teeWallet, uint256 appId, uint256 versionId, uint256 instanceId) external;
    function removeOperator(address teeWallet, uint256 appId, uint256 versionId, uint256 instanceId) external;
}
