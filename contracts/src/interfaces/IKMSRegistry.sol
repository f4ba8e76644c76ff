// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {INovaAppRegistry} from "./INovaAppRegistry.sol";

/// @title The on-chain truth of one Nova KMS cluster
/// @notice Operators, the hash of each epoch's secret, approved measurements, and changes that wait and can be vetoed.
///
/// Vocabulary. A *live* operator is in the operator set and the app registry shows its instance: id not 0, of this
/// cluster's app, ACTIVE, zkVerified, not superseded, on a version that exists, is not REVOKED and whose measurement is
/// approved here. An instance is *superseded* when an operator of the set has a newer (higher id) ACTIVE instance with
/// the same `operator` and `instanceUrl`. An *eligible* operator is live and its version is ENROLLED.
/// A *majority* is floor(live / 2) + 1, and never fewer than floor(minOperators / 2) + 1.
///
/// Signed texts are EIP-191 personal messages (v 0, 1, 27 or 28; low s), with `registry` the lower-case 0x address of
/// this proxy, hashes as lower-case 0x hex and numbers in decimal:
///   NovaKMS:Endorse:<chain id>:<registry>:<epoch>:<secret hash>:<valid until block>
///   NovaKMS:Rotate:<chain id>:<registry>:<epoch to open>:<valid until block>
///   NovaKMS:Veto:<chain id>:<registry>:<change id>:<valid until block>
///   NovaKMS:RemoveMeasurement:<chain id>:<registry>:<measurement>:<valid until block>
/// A text is valid while block.number <= valid until block.
interface IKMSRegistry {
    /// NONE: never opened. OPEN: waiting for a secret. ACTIVE: the current epoch. PREVIOUS: was current, its keys
    /// are still derived. RETIRED: given up by a scheduled change. LOST: abandoned by a reset.
    enum EpochState {
        NONE,
        OPEN,
        ACTIVE,
        PREVIOUS,
        RETIRED,
        LOST
    }

    enum ChangeKind {
        NONE,
        UPGRADE,
        REGISTRY,
        APPROVE_MEASUREMENT,
        REMOVE_MEASUREMENT,
        GUARDIANS,
        RETIRE_EPOCH,
        RESET
    }

    enum ChangeState {
        NONE,
        SCHEDULED,
        EXECUTED,
        CANCELLED,
        VETOED
    }

    struct Epoch {
        uint256 id;
        EpochState state;
        bytes32 secretHash; // keccak256 of the 32 secret bytes; 0 until active
        uint64 openedAtBlock;
        uint64 activatedAtBlock;
        uint64 activatedAt; // seconds since 1970
    }

    struct Change {
        uint256 id;
        ChangeKind kind;
        ChangeState state;
        uint64 readyAt; // seconds since 1970
        uint64 expiresAt; // seconds since 1970
        bytes32 subject; // address, measurement, policy hash or epoch number, left-padded
        bytes32 codeHash; // UPGRADE only
    }

    struct OperatorView {
        address wallet;
        uint256 instanceId;
        uint256 versionId;
        address operator; // who registered the instance
        string instanceUrl; // "" when longer than 256 bytes
        bytes teePubkey; // "" when longer than 128 bytes
        bytes32 codeMeasurement;
        INovaAppRegistry.VersionStatus versionStatus;
        INovaAppRegistry.InstanceStatus instanceStatus;
        bool zkVerified;
        bool superseded;
        bool measurementApproved;
        bool live;
        bool eligible;
    }

    struct ClusterView {
        uint256 blockNumber;
        uint256 blockTimestamp;
        uint256 chainId;
        address novaAppRegistry;
        uint256 kmsAppId;
        bool configured;
        uint256 minOperators;
        uint256 majority; // signatures that activate() and veto() ask for now
        OperatorView[] operators;
        Epoch[] epochs; // every epoch ever opened, by id, so epochs[i].id == i
    }

    /// The first fields are all zero for a wallet that never registered.
    struct CallerView {
        uint256 blockNumber;
        uint256 blockTimestamp;
        uint256 instanceId;
        uint256 appId;
        uint256 versionId;
        address wallet;
        bytes teePubkey; // "" when longer than 128 bytes
        bool zkVerified;
        INovaAppRegistry.InstanceStatus instanceStatus;
        uint256 appRecordId; // App.id as the registry answers it: 0 when the app is unknown
        INovaAppRegistry.AppStatus appStatus;
        uint256 appCreatedAt; // seconds since 1970
        uint256 versionRecordId; // AppVersion.id as the registry answers it: 0 when the version is unknown
        INovaAppRegistry.VersionStatus versionStatus;
        bytes32 codeMeasurement;
    }

    event OperatorAdded(address indexed wallet, uint256 indexed versionId, uint256 indexed instanceId);
    event OperatorRemoved(address indexed wallet);
    event KmsAppIdSet(uint256 indexed appId);
    event EpochOpened(uint256 indexed epoch);
    event EpochActivated(uint256 indexed epoch, bytes32 indexed secretHash, address[] endorsers);
    event EpochRetired(uint256 indexed epoch);
    event ClusterReset(uint256 indexed nextEpoch);
    event MeasurementApproved(bytes32 indexed measurement);
    event MeasurementRemoved(bytes32 indexed measurement);
    event RegistryChanged(address indexed previous, address indexed current);
    event GuardiansSet(bytes32 indexed policyHash);
    event ChangeScheduled(
        uint256 indexed changeId, ChangeKind indexed kind, bytes32 subject, bytes32 codeHash, uint64 readyAt
    );
    event ChangeCancelled(uint256 indexed changeId);
    event ChangeVetoed(uint256 indexed changeId, address[] vetoers);
    event ChangeExecuted(uint256 indexed changeId);

    error NotNovaAppRegistry(address caller);
    error NotConfigured();
    error AlreadyConfigured();
    error AppIdMismatch(uint256 appId);
    error AppNotBound(uint256 appId); // the app is unknown or its dappContract is not this proxy
    error ZeroWallet();
    error ZeroHash();
    error NotAContract(address account);
    error MinOperatorsTooSmall(uint256 minOperators);
    error TooFewOperators(uint256 live, uint256 needed);
    error EpochNotOpen(uint256 epoch);
    error EpochAlreadyOpen(uint256 epoch);
    error EpochStillActive(uint256 epoch);
    error NoActiveEpoch();
    error EpochNotRetirable(uint256 epoch);
    error TextExpired(uint256 validUntilBlock);
    error TextValidTooLong(uint256 validUntilBlock);
    error BadSignature(uint256 index);
    error NotEligible(address signer);
    error NotLive(address signer);
    error SignersNotAscending(address signer);
    error TooFewSignatures(uint256 given, uint256 needed);
    error UnknownChange(uint256 changeId);
    error ChangeNotPending(uint256 changeId);
    error ChangeNotReady(uint256 changeId, uint64 readyAt);
    error ChangeExpired(uint256 changeId, uint64 expiresAt);
    error WrongChangeKind(uint256 changeId);
    error UpgradeNotAnnounced(address implementation);
    error OperatorStillActive(address wallet);
    error RenounceDisabled();

    // Configuration -----------------------------------------------------------------------------------------------
    function initialize(address owner, address registry, uint256 minOperators, bytes32[] calldata measurements) external;
    /// Owner, once; the app must exist in the registry with this proxy as its dappContract.
    function setKmsAppId(uint256 appId) external;
    function configured() external view returns (bool);
    function novaAppRegistry() external view returns (address);
    function kmsAppId() external view returns (uint256);
    function minOperators() external view returns (uint256);

    // Operators: callbacks of the app registry (100,000 gas, never retried) ---------------------------------------
    function addOperator(address teeWallet, uint256 appId, uint256 versionId, uint256 instanceId) external;
    function removeOperator(address teeWallet, uint256 appId, uint256 versionId, uint256 instanceId) external;
    /// Anyone; for a wallet whose instance is no longer ACTIVE (a lost removeOperator callback).
    function pruneOperator(address wallet) external;
    function isOperator(address wallet) external view returns (bool);
    function getOperators() external view returns (address[] memory);
    function operatorCount() external view returns (uint256);
    function liveOperators() external view returns (address[] memory);
    function eligibleOperators() external view returns (address[] memory);

    // Epochs --------------------------------------------------------------------------------------------------------
    /// Owner, with at least minOperators live, no epoch active and none open.
    function openGenesis() external returns (uint256 epoch);
    /// Owner, with an active epoch and none open.
    function requestRotation() external returns (uint256 epoch);
    /// Anyone, with a majority's Rotate texts by eligible operators, ordered by ascending signer address.
    function requestRotationBySignatures(uint64 validUntilBlock, bytes[] calldata signatures)
        external
        returns (uint256 epoch);
    /// Anyone, with a majority's Endorse texts by eligible operators, ordered by ascending signer address.
    function activate(uint256 epoch, bytes32 secretHash, uint64 validUntilBlock, bytes[] calldata signatures) external;
    function epochCount() external view returns (uint256);
    function getEpoch(uint256 epoch) external view returns (Epoch memory);
    function secretHash(uint256 epoch) external view returns (bytes32);
    function activatedAt(uint256 epoch) external view returns (uint64);
    function openedAtBlock(uint256 epoch) external view returns (uint64);
    /// Hash of the active epoch; 0 when none is.
    function masterSecretHash() external view returns (bytes32);
    function majority() external view returns (uint256);

    // Measurements --------------------------------------------------------------------------------------------------
    function isMeasurementApproved(bytes32 measurement) external view returns (bool);
    /// Anyone, at once, with a majority's RemoveMeasurement texts by eligible operators, ordered likewise.
    function removeMeasurementBySignatures(bytes32 measurement, uint64 validUntilBlock, bytes[] calldata signatures)
        external;

    // Scheduled changes: owner announces, DELAY passes, owner executes; cancel by owner, veto by live operators -------
    function scheduleUpgrade(address implementation, bytes32 codeHash) external returns (uint256 changeId);
    function scheduleRegistry(address registry) external returns (uint256 changeId);
    function scheduleMeasurement(bytes32 measurement) external returns (uint256 changeId);
    function scheduleMeasurementRemoval(bytes32 measurement) external returns (uint256 changeId);
    function scheduleGuardians(bytes32 policyHash) external returns (uint256 changeId);
    function scheduleRetirement(uint256 epoch) external returns (uint256 changeId);
    function scheduleReset() external returns (uint256 changeId);
    /// Owner, after the delay and before expiry. Upgrades are executed by upgradeToAndCall instead.
    function execute(uint256 changeId) external;
    function cancel(uint256 changeId) external;
    /// Anyone relays. A majority of live operators' Veto texts; a RESET falls to the text of one eligible operator.
    function veto(uint256 changeId, uint64 validUntilBlock, bytes[] calldata signatures) external;
    /// Ids count from 0; an unknown one has the kind and the state NONE.
    function getChange(uint256 changeId) external view returns (Change memory);
    function changeCount() external view returns (uint256);
    function guardians() external view returns (bytes32);

    // Lenses: one eth_call, one coherent block -------------------------------------------------------------------------
    function clusterView() external view returns (ClusterView memory);
    function callerView(address wallet) external view returns (CallerView memory);
}
