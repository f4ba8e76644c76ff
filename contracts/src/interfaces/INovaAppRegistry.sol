// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title The reads that KMSRegistry makes of the Nova platform's app registry
/// @notice Getters answer zeroed structs for unknown ids and wallets and never revert. Status 0 means ACTIVE or
/// ENROLLED, so a caller must test the id first. The registry's newer release appends fields to `App`; a decoder of
/// this 8-field struct reads both.
interface INovaAppRegistry {
    enum AppStatus {
        ACTIVE,
        INACTIVE,
        REVOKED
    }
    enum VersionStatus {
        ENROLLED,
        DEPRECATED,
        REVOKED
    }
    enum InstanceStatus {
        ACTIVE,
        STOPPED,
        FAILED
    }

    struct App {
        uint256 id;
        address owner;
        bytes32 teeArch;
        address dappContract;
        string metadataUri;
        uint256 latestVersionId;
        uint256 createdAt;
        AppStatus status;
    }

    struct AppVersion {
        uint256 id;
        string versionName;
        bytes32 codeMeasurement;
        string imageUri;
        string auditUrl;
        string auditHash;
        string githubRunId;
        VersionStatus status;
        uint256 enrolledAt;
        address enrolledBy;
    }

    struct RuntimeInstance {
        uint256 id;
        uint256 appId;
        uint256 versionId;
        address operator;
        string instanceUrl;
        bytes teePubkey;
        address teeWalletAddress;
        bool zkVerified;
        InstanceStatus status;
        uint256 registeredAt;
    }

    function getApp(uint256 appId) external view returns (App memory);
    function getVersion(uint256 appId, uint256 versionId) external view returns (AppVersion memory);
    function getInstance(uint256 instanceId) external view returns (RuntimeInstance memory);
    function getInstanceByWallet(address wallet) external view returns (RuntimeInstance memory);
}
