// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {OwnableUpgradeable} from "@openzeppelin/contracts-upgradeable/access/OwnableUpgradeable.sol";
import {Initializable} from "@openzeppelin/contracts-upgradeable/proxy/utils/Initializable.sol";
import {UUPSUpgradeable} from "@openzeppelin/contracts/proxy/utils/UUPSUpgradeable.sol";

import {INovaAppRegistry} from "../interfaces/INovaAppRegistry.sol";
import {INovaApp} from "./INovaApp.sol";
import {IZkVerifier} from "./IZkVerifier.sol";

/// @title The Nova platform's app registry, for development chains
/// @notice The same functions, events, errors and quirks as the platform's, quirks that hurt included: getters answer
/// zeroed structs for unknown ids; a wallet registers once for ever; a lost callback is never repeated; revoking a version
/// leaves its instances ACTIVE and calls nobody; deprecating works on a revoked version. Only the encoding of proofs is its
/// own: see DevZkVerifier.
contract NovaAppRegistry is Initializable, OwnableUpgradeable, UUPSUpgradeable {
    struct App {
        uint256 id;
        address owner;
        bytes32 teeArch;
        address dappContract;
        string metadataUri;
        uint256 latestVersionId;
        uint256 createdAt;
        INovaAppRegistry.AppStatus status;
        address appWallet;
    }

    uint256 private constant PCR_BYTES = 48;
    uint256 private constant PUBKEY_BYTES_MAX = 128;
    uint256 private constant USER_DATA_BYTES_MIN = 55;
    bytes private constant ETH_ADDR = '"eth_addr":"0x';

    mapping(uint256 appId => App) public apps;
    mapping(address owner => uint256[]) public ownerApps;
    uint256 public nextAppId;
    mapping(uint256 appId => mapping(uint256 versionId => INovaAppRegistry.AppVersion)) public appVersions;
    mapping(uint256 appId => uint256) public appVersionCount;
    mapping(uint256 appId => mapping(bytes32 measurement => uint256)) private _versionOf;
    mapping(uint256 instanceId => INovaAppRegistry.RuntimeInstance) public instances;
    mapping(address wallet => uint256 instanceId) public walletToInstance;
    mapping(uint256 appId => mapping(uint256 versionId => uint256[])) public versionInstances;
    mapping(uint256 appId => address[]) private _activeWallets;
    uint256 public nextInstanceId;
    IZkVerifier public zkVerifier;
    uint256 public callbackGasLimit;

    event ZKVerifierChanged(address indexed previous, address indexed current);
    event CallbackGasLimitChanged(uint256 previous, uint256 current);
    event AppCreated(
        uint256 indexed appId, address indexed owner, bytes32 teeArch, address dappContract, string metadataUri
    );
    event AppStatusChanged(uint256 indexed appId, INovaAppRegistry.AppStatus status, address indexed updatedBy);
    event AppWalletSet(uint256 indexed appId, address indexed appWallet);
    event VersionEnrolled(
        uint256 indexed appId, uint256 indexed versionId, string versionName, bytes32 codeMeasurement, string imageUri
    );
    event VersionStatusChanged(uint256 indexed appId, uint256 indexed versionId, INovaAppRegistry.VersionStatus status);
    event InstanceRegistered(
        uint256 indexed instanceId,
        uint256 indexed appId,
        uint256 indexed versionId,
        address teeWalletAddress,
        string instanceUrl,
        bool zkVerified
    );
    event InstanceWalletBound(address indexed teeWalletAddress, uint256 indexed instanceId, uint256 indexed appId);
    event InstanceStatusChanged(uint256 indexed instanceId, INovaAppRegistry.InstanceStatus status);
    event OperatorCallbackSuccess(uint256 indexed appId, address indexed dappContract, address teeWalletAddress);
    event OperatorCallbackFailed(uint256 indexed appId, address indexed dappContract, string reason);

    error InvalidZkVerifier();
    error AttestationFailed();
    error AppNotFound();
    error VersionNotFound();
    error InstanceNotFound();
    error NotAppOwner();
    error NotInstanceOperator();
    error JsonParsingFailed();
    error DuplicateCodeMeasurement();
    error DuplicateTEEWallet();
    error DuplicatePCRIndex(uint64 index);
    error MissingPCRIndex(uint64 index);
    error InvalidPCRLength(uint64 index, uint256 length);
    error InvalidTEEWalletAddress();
    error InvalidTEEPubkeyLength();
    error InvalidInstanceUrl();
    error VersionNotEnrolled();
    error VersionRevoked();
    error CodeMeasurementMismatch();
    error InvalidStatusTransition();
    error InvalidMetadataUri();
    error InvalidVersionName();
    error InvalidImageUri();
    error AppNotActive();
    error AppWalletAlreadySet();
    error InvalidAppWallet();

    modifier onlyAppOwner(uint256 appId) {
        _requireAppOwner(appId);
        _;
    }

    constructor() {
        _disableInitializers();
    }

    /// @notice Anyone, once; the caller becomes the owner. Emits ZKVerifierChanged and CallbackGasLimitChanged.
    function initialize(address verifier) external initializer {
        __Ownable_init(msg.sender);
        nextAppId = 1;
        nextInstanceId = 1;
        _setZkVerifier(verifier);
        _setCallbackGasLimit(100_000);
    }

    /// @notice Owner. Emits ZKVerifierChanged.
    function setZkVerifier(address verifier) external onlyOwner {
        _setZkVerifier(verifier);
    }

    /// @notice Owner. Emits CallbackGasLimitChanged.
    function setCallbackGasLimit(uint256 gasLimit) external onlyOwner {
        _setCallbackGasLimit(gasLimit);
    }

    /// @notice Anyone. Emits AppCreated. Nothing ever changes `dappContract`.
    function createApp(bytes32 teeArch, address dappContract, string calldata metadataUri)
        external
        returns (uint256 appId)
    {
        require(_isMetadataUri(bytes(metadataUri)), InvalidMetadataUri());
        appId = nextAppId++;
        App storage app = apps[appId];
        app.id = appId;
        app.owner = msg.sender;
        app.teeArch = teeArch;
        app.dappContract = dappContract;
        app.metadataUri = metadataUri;
        app.createdAt = block.timestamp;
        ownerApps[msg.sender].push(appId);
        emit AppCreated(appId, msg.sender, teeArch, dappContract, metadataUri);
    }

    /// @notice App owner: ACTIVE to INACTIVE and back. Registry owner: to REVOKED, and from there to INACTIVE. Touches no
    /// instance and calls nobody. Emits AppStatusChanged.
    function updateAppStatus(uint256 appId, INovaAppRegistry.AppStatus status) external {
        App storage app = apps[appId];
        require(app.id != 0, AppNotFound());
        bool byAppOwner = msg.sender == app.owner;
        bool byOwner = msg.sender == owner();
        require(byAppOwner || byOwner, NotAppOwner());
        INovaAppRegistry.AppStatus current = app.status;
        INovaAppRegistry.AppStatus revoked = INovaAppRegistry.AppStatus.REVOKED;
        bool mayAppOwner = byAppOwner && current != revoked && status != revoked && status != current;
        bool mayOwner =
            byOwner && (current == revoked ? status == INovaAppRegistry.AppStatus.INACTIVE : status == revoked);
        require(mayAppOwner || mayOwner, InvalidStatusTransition());
        app.status = status;
        emit AppStatusChanged(appId, status, msg.sender);
    }

    /// @notice App owner, once. Emits AppWalletSet.
    function setAppWalletIfUnset(uint256 appId, address appWallet) external onlyAppOwner(appId) {
        require(appWallet != address(0), InvalidAppWallet());
        require(apps[appId].appWallet == address(0), AppWalletAlreadySet());
        apps[appId].appWallet = appWallet;
        emit AppWalletSet(appId, appWallet);
    }

    /// @notice App owner, while the app is ACTIVE; a measurement is unique per app. Emits VersionEnrolled.
    function enrollVersion(
        uint256 appId,
        string memory versionName,
        bytes memory pcr0,
        bytes memory pcr1,
        bytes memory pcr2,
        string memory imageUri,
        string memory auditUrl,
        string memory auditHash,
        string memory githubRunId
    ) external onlyAppOwner(appId) returns (uint256 versionId) {
        require(apps[appId].status == INovaAppRegistry.AppStatus.ACTIVE, AppNotActive());
        require(bytes(versionName).length != 0, InvalidVersionName());
        require(bytes(imageUri).length != 0, InvalidImageUri());
        bytes32 measurement = _measurement(pcr0, pcr1, pcr2);
        require(_versionOf[appId][measurement] == 0, DuplicateCodeMeasurement());
        versionId = ++appVersionCount[appId];
        _versionOf[appId][measurement] = versionId;
        apps[appId].latestVersionId = versionId;
        INovaAppRegistry.AppVersion storage version = appVersions[appId][versionId];
        version.id = versionId;
        version.versionName = versionName;
        version.codeMeasurement = measurement;
        version.imageUri = imageUri;
        version.auditUrl = auditUrl;
        version.auditHash = auditHash;
        version.githubRunId = githubRunId;
        version.enrolledAt = block.timestamp;
        version.enrolledBy = msg.sender;
        emit VersionEnrolled(appId, versionId, versionName, measurement, imageUri);
    }

    /// @notice App owner, whatever the version's status is. Nothing enrols it again. Emits VersionStatusChanged.
    function deprecateVersion(uint256 appId, uint256 versionId) external onlyAppOwner(appId) {
        _setVersionStatus(appId, versionId, INovaAppRegistry.VersionStatus.DEPRECATED);
    }

    /// @notice App owner or registry owner. The version's instances leave the active list, keep their status, and no
    /// removeOperator is called. Emits VersionStatusChanged.
    function revokeVersion(uint256 appId, uint256 versionId) external {
        require(apps[appId].id != 0, AppNotFound());
        require(msg.sender == apps[appId].owner || msg.sender == owner(), NotAppOwner());
        _setVersionStatus(appId, versionId, INovaAppRegistry.VersionStatus.REVOKED);
        uint256[] storage ids = versionInstances[appId][versionId];
        for (uint256 i = 0; i < ids.length; i++) {
            _dropActive(appId, instances[ids[i]].teeWalletAddress);
        }
    }

    /// @notice App owner, for an ENROLLED version of an ACTIVE app, with a proven attestation. Calls addOperator of the
    /// app's contract once, with `callbackGasLimit` gas, and goes on whatever comes of it. Emits InstanceWalletBound,
    /// OperatorCallbackSuccess or OperatorCallbackFailed, and InstanceRegistered.
    function registerInstance(
        uint256 appId,
        uint256 versionId,
        string calldata instanceUrl,
        IZkVerifier.ZkCoprocessor zkCoprocessor,
        bytes calldata publicValues,
        bytes calldata proof
    ) external onlyAppOwner(appId) returns (uint256 instanceId) {
        bytes32 measurement = _requireRegistrable(appId, versionId);
        require(_isHttpUrl(bytes(instanceUrl)), InvalidInstanceUrl());
        IZkVerifier.Journal memory journal = zkVerifier.verify(publicValues, zkCoprocessor, proof);
        require(journal.result == IZkVerifier.VerificationResult.Success, AttestationFailed());
        require(_measurementOf(journal.pcrs) == measurement, CodeMeasurementMismatch());
        address wallet = parseEthAddr(journal.userData);
        return _createInstance(appId, versionId, instanceUrl, journal.publicKey, wallet);
    }

    /// @notice The instance's operator, the app owner or the registry owner: ACTIVE to STOPPED or FAILED. Calls
    /// removeOperator of the app's contract. Emits InstanceStatusChanged and the outcome of the callback.
    function updateInstanceStatus(uint256 instanceId, INovaAppRegistry.InstanceStatus status) external {
        INovaAppRegistry.RuntimeInstance storage instance = instances[instanceId];
        require(instance.id != 0, InstanceNotFound());
        App storage app = apps[instance.appId];
        require(
            msg.sender == instance.operator || msg.sender == app.owner || msg.sender == owner(), NotInstanceOperator()
        );
        require(
            instance.status == INovaAppRegistry.InstanceStatus.ACTIVE
                && status != INovaAppRegistry.InstanceStatus.ACTIVE,
            InvalidStatusTransition()
        );
        instance.status = status;
        address wallet = instance.teeWalletAddress;
        _dropActive(app.id, wallet);
        if (app.dappContract.code.length != 0) {
            try INovaApp(app.dappContract).removeOperator{gas: callbackGasLimit}(
                wallet, app.id, instance.versionId, instanceId
            ) {
                emit OperatorCallbackSuccess(app.id, app.dappContract, wallet);
            } catch {
                emit OperatorCallbackFailed(app.id, app.dappContract, "removeOperator failed");
            }
        }
        emit InstanceStatusChanged(instanceId, status);
    }

    function getApp(uint256 appId) external view returns (App memory) {
        return apps[appId];
    }

    function getVersion(uint256 appId, uint256 versionId) external view returns (INovaAppRegistry.AppVersion memory) {
        return appVersions[appId][versionId];
    }

    function getLatestVersion(uint256 appId) external view returns (INovaAppRegistry.AppVersion memory) {
        return appVersions[appId][apps[appId].latestVersionId];
    }

    function getVersionByCodeMeasurement(uint256 appId, bytes32 measurement) external view returns (uint256 versionId) {
        return _versionOf[appId][measurement];
    }

    function getInstance(uint256 instanceId) external view returns (INovaAppRegistry.RuntimeInstance memory) {
        return instances[instanceId];
    }

    function getInstanceByWallet(address wallet) external view returns (INovaAppRegistry.RuntimeInstance memory) {
        return instances[walletToInstance[wallet]];
    }

    function getInstancesForVersion(uint256 appId, uint256 versionId) external view returns (uint256[] memory) {
        return versionInstances[appId][versionId];
    }

    /// @return The TEE wallets of the app's active list, whatever the app's own status is.
    function getActiveInstances(uint256 appId) external view returns (address[] memory) {
        return _activeWallets[appId];
    }

    function getAppsByOwner(address appOwner) external view returns (uint256[] memory) {
        return ownerApps[appOwner];
    }

    function getAppCount() external view returns (uint256) {
        return nextAppId - 1;
    }

    function getVersionCount(uint256 appId) external view returns (uint256) {
        return appVersionCount[appId];
    }

    /// @return wallet From the first `"eth_addr":"0x` in an attestation's user data; anything that JSON allows beyond
    /// those exact bytes is not understood.
    function parseEthAddr(bytes memory userData) public pure returns (address wallet) {
        require(userData.length >= USER_DATA_BYTES_MIN, JsonParsingFailed());
        uint256 start = _indexAfter(userData, ETH_ADDR);
        require(start + 40 <= userData.length, JsonParsingFailed());
        uint160 value;
        for (uint256 i = 0; i < 40; i++) {
            value = value * 16 + _nibble(uint8(userData[start + i]));
        }
        return address(value);
    }

    function _authorizeUpgrade(address) internal override onlyOwner {}

    function _requireAppOwner(uint256 appId) private view {
        require(apps[appId].id != 0, AppNotFound());
        require(apps[appId].owner == msg.sender, NotAppOwner());
    }

    function _requireRegistrable(uint256 appId, uint256 versionId) private view returns (bytes32 measurement) {
        require(apps[appId].status == INovaAppRegistry.AppStatus.ACTIVE, AppNotActive());
        INovaAppRegistry.AppVersion storage version = appVersions[appId][versionId];
        require(version.id != 0, VersionNotFound());
        require(version.status != INovaAppRegistry.VersionStatus.REVOKED, VersionRevoked());
        require(version.status == INovaAppRegistry.VersionStatus.ENROLLED, VersionNotEnrolled());
        return version.codeMeasurement;
    }

    function _createInstance(
        uint256 appId,
        uint256 versionId,
        string calldata instanceUrl,
        bytes memory teePubkey,
        address wallet
    ) private returns (uint256 instanceId) {
        require(teePubkey.length != 0 && teePubkey.length <= PUBKEY_BYTES_MAX, InvalidTEEPubkeyLength());
        require(wallet != address(0), InvalidTEEWalletAddress());
        require(walletToInstance[wallet] == 0, DuplicateTEEWallet());
        instanceId = nextInstanceId++;
        INovaAppRegistry.RuntimeInstance storage instance = instances[instanceId];
        instance.id = instanceId;
        instance.appId = appId;
        instance.versionId = versionId;
        instance.operator = msg.sender;
        instance.instanceUrl = instanceUrl;
        instance.teePubkey = teePubkey;
        instance.teeWalletAddress = wallet;
        instance.zkVerified = true;
        instance.registeredAt = block.timestamp;
        walletToInstance[wallet] = instanceId;
        versionInstances[appId][versionId].push(instanceId);
        _activeWallets[appId].push(wallet);
        emit InstanceWalletBound(wallet, instanceId, appId);
        _callAddOperator(appId, versionId, instanceId, wallet);
        emit InstanceRegistered(instanceId, appId, versionId, wallet, instanceUrl, true);
    }

    function _callAddOperator(uint256 appId, uint256 versionId, uint256 instanceId, address wallet) private {
        address dappContract = apps[appId].dappContract;
        if (dappContract.code.length == 0) return;
        try INovaApp(dappContract).addOperator{gas: callbackGasLimit}(wallet, appId, versionId, instanceId) {
            emit OperatorCallbackSuccess(appId, dappContract, wallet);
        } catch {
            emit OperatorCallbackFailed(appId, dappContract, "addOperator failed");
        }
    }

    function _setVersionStatus(uint256 appId, uint256 versionId, INovaAppRegistry.VersionStatus status) private {
        INovaAppRegistry.AppVersion storage version = appVersions[appId][versionId];
        require(version.id != 0, VersionNotFound());
        version.status = status;
        emit VersionStatusChanged(appId, versionId, status);
    }

    function _dropActive(uint256 appId, address wallet) private {
        address[] storage wallets = _activeWallets[appId];
        for (uint256 i = 0; i < wallets.length; i++) {
            if (wallets[i] != wallet) continue;
            wallets[i] = wallets[wallets.length - 1];
            wallets.pop();
            return;
        }
    }

    function _setZkVerifier(address verifier) private {
        require(verifier.code.length != 0, InvalidZkVerifier());
        emit ZKVerifierChanged(address(zkVerifier), verifier);
        zkVerifier = IZkVerifier(verifier);
    }

    function _setCallbackGasLimit(uint256 gasLimit) private {
        require(gasLimit >= 50_000 && gasLimit <= 500_000, "Gas limit out of range");
        emit CallbackGasLimitChanged(callbackGasLimit, gasLimit);
        callbackGasLimit = gasLimit;
    }

    function _measurementOf(IZkVerifier.Pcr[] memory pcrs) private pure returns (bytes32) {
        bytes[3] memory values;
        bool[3] memory seen;
        for (uint256 i = 0; i < pcrs.length; i++) {
            uint64 index = pcrs[i].index;
            if (index > 2) continue;
            require(!seen[index], DuplicatePCRIndex(index));
            seen[index] = true;
            values[index] = pcrs[i].value;
        }
        for (uint64 index = 0; index < 3; index++) {
            require(seen[index], MissingPCRIndex(index));
        }
        return _measurement(values[0], values[1], values[2]);
    }

    function _measurement(bytes memory pcr0, bytes memory pcr1, bytes memory pcr2) private pure returns (bytes32) {
        require(pcr0.length == PCR_BYTES, InvalidPCRLength(0, pcr0.length));
        require(pcr1.length == PCR_BYTES, InvalidPCRLength(1, pcr1.length));
        require(pcr2.length == PCR_BYTES, InvalidPCRLength(2, pcr2.length));
        return keccak256(bytes.concat(pcr0, pcr1, pcr2));
    }

    function _indexAfter(bytes memory text, bytes memory part) private pure returns (uint256) {
        for (uint256 i = 0; i + part.length <= text.length; i++) {
            uint256 j;
            while (j < part.length && text[i + j] == part[j]) j++;
            if (j == part.length) return i + j;
        }
        revert JsonParsingFailed();
    }

    function _nibble(uint8 character) private pure returns (uint8) {
        if (character >= 0x30 && character <= 0x39) return character - 0x30;
        uint8 lower = character | 0x20;
        require(lower >= 0x61 && lower <= 0x66, JsonParsingFailed());
        return lower - 0x57;
    }

    function _isHttpUrl(bytes memory url) private pure returns (bool) {
        return _startsWith(url, "http://") || _startsWith(url, "https://");
    }

    function _isMetadataUri(bytes memory uri) private pure returns (bool) {
        if (uri.length == 0) return true;
        for (uint256 i = 0; i < uri.length; i++) {
            if (uri[i] == " ") return false;
        }
        return _startsWith(uri, "https://") || _startsWith(uri, "ipfs://");
    }

    /// Letters of `text` count as lower case; `start` is lower case already.
    function _startsWith(bytes memory text, bytes memory start) private pure returns (bool) {
        if (text.length < start.length) return false;
        for (uint256 i = 0; i < start.length; i++) {
            bytes1 character = text[i];
            if (character >= "A" && character <= "Z") character |= 0x20;
            if (character != start[i]) return false;
        }
        return true;
    }
}
