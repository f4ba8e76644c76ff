// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title The cheatcodes of forge that the scripts use
interface ScriptVm {
    function startBroadcast() external;
    function stopBroadcast() external;
    function prank(address sender) external;
    function cool(address target) external;
    function snapshotState() external returns (uint256 id);
    function revertToState(uint256 id) external returns (bool);
    function envAddress(string calldata name) external view returns (address);
    function envUint(string calldata name) external view returns (uint256);
    function envOr(string calldata name, bool otherwise) external view returns (bool);
    function envOr(string calldata name, address otherwise) external view returns (address);
    function envOr(string calldata name, bytes calldata otherwise) external view returns (bytes memory);
    function envOr(string calldata name, string calldata otherwise) external view returns (string memory);
    function envOr(string calldata name, string calldata delimiter, bytes32[] calldata otherwise)
        external
        view
        returns (bytes32[] memory);
    function serializeAddress(string calldata object, string calldata key, address value)
        external
        returns (string memory json);
    function serializeUint(string calldata object, string calldata key, uint256 value)
        external
        returns (string memory json);
    function serializeBytes32(string calldata object, string calldata key, bytes32[] calldata values)
        external
        returns (string memory json);
    function writeFile(string calldata path, string calldata text) external;
}
