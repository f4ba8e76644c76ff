// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Ownable2StepUpgradeable} from "@openzeppelin/contracts-upgradeable/access/Ownable2StepUpgradeable.sol";
import {OwnableUpgradeable} from "@openzeppelin/contracts-upgradeable/access/OwnableUpgradeable.sol";
import {Initializable} from "@openzeppelin/contracts-upgradeable/proxy/utils/Initializable.sol";
import {UUPSUpgradeable} from "@openzeppelin/contracts/proxy/utils/UUPSUpgradeable.sol";

import {AppRegistryReader} from "./AppRegistryReader.sol";
import {ChangeRecord, EpochRecord, KMSRegistryState, KMSRegistryStorage} from "./KMSRegistryStorage.sol";
import {SignedText} from "./SignedText.sol";
import {IKMSRegistry} from "./interfaces/IKMSRegistry.sol";
import {INovaAppRegistry} from "./interfaces/INovaAppRegistry.sol";

/// @title The on-chain truth of one Nova KMS cluster
/// @notice See IKMSRegistry for the vocabulary and the signed texts. Runs behind an ERC1967Proxy; the owner's powers
/// over a cluster that has a secret all wait DELAY and can be vetoed, except asking for a rotation.
contract KMSRegistry is IKMSRegistry, Initializable, Ownable2StepUpgradeable, UUPSUpgradeable {
    /// What an owner announces may be executed this many seconds later,
    uint64 public constant DELAY = 2 days;
    /// and for this many seconds, so that no forgotten change is executed years after anybody looked.
    uint64 public constant EXECUTION_WINDOW = 14 days;
    /// A signed text reaches at most this many blocks ahead, so that one that was never relayed dies soon.
    uint64 public constant TEXT_BLOCKS_MAX = 7200;

    constructor() {
        _disableInitializers();
    }

    /// @inheritdoc IKMSRegistry
    /// @dev Anyone, once, in the transaction that creates the proxy. Emits OwnershipTransferred, RegistryChanged and
    /// MeasurementApproved. `minOperators_` is at least 2: one operator alone never activates anything.
    function initialize(address owner_, address registry, uint256 minOperators_, bytes32[] calldata measurements)
        external
        initializer
    {
        __Ownable_init(owner_);
        __Ownable2Step_init();
        require(minOperators_ >= 2, MinOperatorsTooSmall(minOperators_));
        _state().minOperators = minOperators_;
        _setRegistry(registry);
        for (uint256 i = 0; i < measurements.length; i++) {
            require(measurements[i] != 0, ZeroHash());
            _approve(measurements[i]);
        }
    }

    /// @inheritdoc IKMSRegistry
    /// @dev Emits KmsAppIdSet. Register the first instance after this call: the platform never repeats a callback.
    function setKmsAppId(uint256 appId) external onlyOwner {
        KMSRegistryState storage $ = _state();
        require($.kmsAppId == 0, AlreadyConfigured());
        _requireBound($.novaAppRegistry, appId);
        $.kmsAppId = appId;
        emit KmsAppIdSet(appId);
    }

    /// @inheritdoc IKMSRegistry
    /// @dev Only the app registry, for the cluster's app. Emits OperatorAdded, unless the wallet is in the set already.
    function addOperator(address teeWallet, uint256 appId, uint256 versionId, uint256 instanceId) external {
        KMSRegistryState storage $ = _state();
        _checkCallback($, teeWallet, appId);
        if ($.operatorPosition[teeWallet] != 0) return;
        uint96 count = $.operatorCount;
        $.operatorAt[count] = teeWallet;
        $.operatorCount = count + 1;
        $.operatorPosition[teeWallet] = uint256(count) + 1;
        emit OperatorAdded(teeWallet, versionId, instanceId);
    }

    /// @inheritdoc IKMSRegistry
    /// @dev Only the app registry, for the cluster's app. Emits OperatorRemoved, unless the wallet is not in the set.
    function removeOperator(address teeWallet, uint256 appId, uint256, uint256) external {
        KMSRegistryState storage $ = _state();
        _checkCallback($, teeWallet, appId);
        _removeOperator($, teeWallet);
    }

    /// @inheritdoc IKMSRegistry
    /// @dev Emits OperatorRemoved, unless the wallet is not in the set.
    function pruneOperator(address wallet) external {
        KMSRegistryState storage $ = _state();
        AppRegistryReader.Instance memory instance = AppRegistryReader.instanceOf($.novaAppRegistry, wallet);
        require(!_isActiveInstance($, instance), OperatorStillActive(wallet));
        _removeOperator($, wallet);
    }

    /// @inheritdoc IKMSRegistry
    /// @dev Emits EpochOpened.
    function openGenesis() external onlyOwner returns (uint256 epoch) {
        KMSRegistryState storage $ = _state();
        require($.kmsAppId != 0, NotConfigured());
        if ($.activeEpochPlusOne != 0) revert EpochStillActive($.activeEpochPlusOne - 1);
        uint256 live = _count(_operatorViews(), false);
        require(live >= $.minOperators, TooFewOperators(live, $.minOperators));
        return _openEpoch($);
    }

    /// @inheritdoc IKMSRegistry
    /// @dev Emits EpochOpened.
    function requestRotation() external onlyOwner returns (uint256 epoch) {
        return _openRotation(_state());
    }

    /// @inheritdoc IKMSRegistry
    /// @dev The signers are eligible operators. The text names the epoch, so it opens one epoch and no other. Emits
    /// EpochOpened.
    function requestRotationBySignatures(uint64 validUntilBlock, bytes[] calldata signatures)
        external
        returns (uint256 epoch)
    {
        KMSRegistryState storage $ = _state();
        bytes memory text = SignedText.rotate($.epochs.length, validUntilBlock);
        _checkSignatures(text, validUntilBlock, signatures, true, 0);
        return _openRotation($);
    }

    /// @inheritdoc IKMSRegistry
    /// @dev Emits EpochActivated. The epoch that was active becomes PREVIOUS.
    function activate(uint256 epoch, bytes32 secretHash_, uint64 validUntilBlock, bytes[] calldata signatures)
        external
    {
        KMSRegistryState storage $ = _state();
        require(secretHash_ != 0, ZeroHash());
        require(epoch < $.epochs.length && $.openEpochPlusOne == epoch + 1, EpochNotOpen(epoch));
        bytes memory text = SignedText.endorse(epoch, secretHash_, validUntilBlock);
        address[] memory endorsers = _checkSignatures(text, validUntilBlock, signatures, true, 0);

        if ($.activeEpochPlusOne != 0) $.epochs[$.activeEpochPlusOne - 1].state = EpochState.PREVIOUS;
        EpochRecord storage record = $.epochs[epoch];
        record.state = EpochState.ACTIVE;
        record.secretHash = secretHash_;
        record.activatedAtBlock = uint64(block.number);
        record.activatedAt = uint64(block.timestamp);
        $.activeEpochPlusOne = epoch + 1;
        $.openEpochPlusOne = 0;
        emit EpochActivated(epoch, secretHash_, endorsers);
    }

    /// @inheritdoc IKMSRegistry
    /// @dev The signers are eligible operators: instances of a measurement that was never approved remove none. Emits
    /// MeasurementRemoved, unless the measurement is not approved.
    function removeMeasurementBySignatures(bytes32 measurement, uint64 validUntilBlock, bytes[] calldata signatures)
        external
    {
        bytes memory text = SignedText.removeMeasurement(measurement, validUntilBlock);
        _checkSignatures(text, validUntilBlock, signatures, true, 0);
        _disapprove(measurement);
    }

    /// @inheritdoc IKMSRegistry
    /// @dev Owner. `codeHash` is that of the implementation's code when the upgrade happens, which may be deployed in the
    /// meantime. An earlier announcement of the same implementation is cancelled. Emits ChangeScheduled.
    function scheduleUpgrade(address implementation, bytes32 codeHash) external onlyOwner returns (uint256 changeId) {
        require(codeHash != 0, ZeroHash());
        KMSRegistryState storage $ = _state();
        uint256 earlier = $.announcedUpgrade[implementation];
        if (earlier != 0 && $.changes[earlier - 1].state == ChangeState.SCHEDULED) _cancel($, earlier - 1);
        changeId = _schedule(ChangeKind.UPGRADE, _toBytes32(implementation), codeHash);
        $.announcedUpgrade[implementation] = changeId + 1;
    }

    /// @inheritdoc IKMSRegistry
    /// @dev Owner. Emits ChangeScheduled.
    function scheduleRegistry(address registry) external onlyOwner returns (uint256 changeId) {
        require(registry.code.length != 0, NotAContract(registry));
        return _schedule(ChangeKind.REGISTRY, _toBytes32(registry), 0);
    }

    /// @inheritdoc IKMSRegistry
    /// @dev Owner. Emits ChangeScheduled.
    function scheduleMeasurement(bytes32 measurement) external onlyOwner returns (uint256 changeId) {
        require(measurement != 0, ZeroHash());
        return _schedule(ChangeKind.APPROVE_MEASUREMENT, measurement, 0);
    }

    /// @inheritdoc IKMSRegistry
    /// @dev Owner. Emits ChangeScheduled.
    function scheduleMeasurementRemoval(bytes32 measurement) external onlyOwner returns (uint256 changeId) {
        require(measurement != 0, ZeroHash());
        return _schedule(ChangeKind.REMOVE_MEASUREMENT, measurement, 0);
    }

    /// @inheritdoc IKMSRegistry
    /// @dev Owner. The hash is 0 when a recovery policy is given up. Emits ChangeScheduled.
    function scheduleGuardians(bytes32 policyHash) external onlyOwner returns (uint256 changeId) {
        return _schedule(ChangeKind.GUARDIANS, policyHash, 0);
    }

    /// @inheritdoc IKMSRegistry
    /// @dev Owner, for a PREVIOUS epoch. Emits ChangeScheduled.
    function scheduleRetirement(uint256 epoch) external onlyOwner returns (uint256 changeId) {
        _requireRetirable(_state(), epoch);
        return _schedule(ChangeKind.RETIRE_EPOCH, bytes32(epoch), 0);
    }

    /// @inheritdoc IKMSRegistry
    /// @dev Owner. Emits ChangeScheduled. Any one eligible operator's veto ends it, so only a cluster in which none is
    /// left can be reset.
    function scheduleReset() external onlyOwner returns (uint256 changeId) {
        return _schedule(ChangeKind.RESET, 0, 0);
    }

    /// @inheritdoc IKMSRegistry
    /// @dev Emits ChangeExecuted and the event of what changed.
    function execute(uint256 changeId) external onlyOwner {
        KMSRegistryState storage $ = _state();
        ChangeRecord storage change = _pending($, changeId);
        ChangeKind kind = change.kind;
        bytes32 subject = change.subject;
        require(kind != ChangeKind.UPGRADE, WrongChangeKind(changeId));
        _finish(change, changeId);
        if (kind == ChangeKind.REGISTRY) _changeRegistry($, address(uint160(uint256(subject))));
        else if (kind == ChangeKind.APPROVE_MEASUREMENT) _approve(subject);
        else if (kind == ChangeKind.REMOVE_MEASUREMENT) _disapprove(subject);
        else if (kind == ChangeKind.GUARDIANS) _setGuardians($, subject);
        else if (kind == ChangeKind.RETIRE_EPOCH) _retire($, uint256(subject));
        else _reset($);
    }

    /// @inheritdoc IKMSRegistry
    /// @dev Owner. Emits ChangeCancelled.
    function cancel(uint256 changeId) external onlyOwner {
        KMSRegistryState storage $ = _state();
        _pending($, changeId);
        _cancel($, changeId);
    }

    /// @inheritdoc IKMSRegistry
    /// @dev Emits ChangeVetoed.
    function veto(uint256 changeId, uint64 validUntilBlock, bytes[] calldata signatures) external {
        ChangeRecord storage change = _pending(_state(), changeId);
        bool isReset = change.kind == ChangeKind.RESET;
        bytes memory text = SignedText.veto(changeId, validUntilBlock);
        address[] memory vetoers = _checkSignatures(text, validUntilBlock, signatures, isReset, isReset ? 1 : 0);
        change.state = ChangeState.VETOED;
        emit ChangeVetoed(changeId, vetoers);
    }

    /// @inheritdoc IKMSRegistry
    function configured() external view returns (bool) {
        return _state().kmsAppId != 0;
    }

    /// @inheritdoc IKMSRegistry
    function novaAppRegistry() external view returns (address) {
        return _state().novaAppRegistry;
    }

    /// @inheritdoc IKMSRegistry
    function kmsAppId() external view returns (uint256) {
        return _state().kmsAppId;
    }

    /// @inheritdoc IKMSRegistry
    function minOperators() external view returns (uint256) {
        return _state().minOperators;
    }

    /// @inheritdoc IKMSRegistry
    function isOperator(address wallet) external view returns (bool) {
        return _state().operatorPosition[wallet] != 0;
    }

    /// @inheritdoc IKMSRegistry
    function getOperators() external view returns (address[] memory wallets) {
        KMSRegistryState storage $ = _state();
        wallets = new address[]($.operatorCount);
        for (uint256 i = 0; i < wallets.length; i++) {
            wallets[i] = $.operatorAt[i];
        }
    }

    /// @inheritdoc IKMSRegistry
    function operatorCount() external view returns (uint256) {
        return _state().operatorCount;
    }

    /// @inheritdoc IKMSRegistry
    function liveOperators() external view returns (address[] memory) {
        return _wallets(_operatorViews(), false);
    }

    /// @inheritdoc IKMSRegistry
    function eligibleOperators() external view returns (address[] memory) {
        return _wallets(_operatorViews(), true);
    }

    /// @inheritdoc IKMSRegistry
    function epochCount() external view returns (uint256) {
        return _state().epochs.length;
    }

    /// @inheritdoc IKMSRegistry
    /// @dev An epoch that was never opened has the state NONE.
    function getEpoch(uint256 epoch) external view returns (Epoch memory) {
        return _epoch(epoch);
    }

    /// @inheritdoc IKMSRegistry
    function secretHash(uint256 epoch) external view returns (bytes32) {
        return _epoch(epoch).secretHash;
    }

    /// @inheritdoc IKMSRegistry
    function activatedAt(uint256 epoch) external view returns (uint64) {
        return _epoch(epoch).activatedAt;
    }

    /// @inheritdoc IKMSRegistry
    function openedAtBlock(uint256 epoch) external view returns (uint64) {
        return _epoch(epoch).openedAtBlock;
    }

    /// @inheritdoc IKMSRegistry
    function masterSecretHash() external view returns (bytes32) {
        KMSRegistryState storage $ = _state();
        return $.activeEpochPlusOne == 0 ? bytes32(0) : $.epochs[$.activeEpochPlusOne - 1].secretHash;
    }

    /// @inheritdoc IKMSRegistry
    function majority() external view returns (uint256) {
        return _majorityOf(_count(_operatorViews(), false));
    }

    /// @inheritdoc IKMSRegistry
    function isMeasurementApproved(bytes32 measurement) external view returns (bool) {
        return _state().measurements[measurement];
    }

    /// @inheritdoc IKMSRegistry
    /// @dev Ids count from 0; a change that was never scheduled has the kind and the state NONE.
    function getChange(uint256 changeId) external view returns (Change memory change) {
        KMSRegistryState storage $ = _state();
        change.id = changeId;
        if (changeId >= $.changes.length) return change;
        ChangeRecord storage record = $.changes[changeId];
        change.kind = record.kind;
        change.state = record.state;
        change.readyAt = record.readyAt;
        change.expiresAt = record.expiresAt;
        change.subject = record.subject;
        change.codeHash = record.codeHash;
    }

    /// @inheritdoc IKMSRegistry
    function changeCount() external view returns (uint256) {
        return _state().changes.length;
    }

    /// @inheritdoc IKMSRegistry
    function guardians() external view returns (bytes32) {
        return _state().guardians;
    }

    /// @inheritdoc IKMSRegistry
    function clusterView() external view returns (ClusterView memory cluster) {
        KMSRegistryState storage $ = _state();
        cluster.blockNumber = block.number;
        cluster.blockTimestamp = block.timestamp;
        cluster.chainId = block.chainid;
        cluster.novaAppRegistry = $.novaAppRegistry;
        cluster.kmsAppId = $.kmsAppId;
        cluster.configured = $.kmsAppId != 0;
        cluster.minOperators = $.minOperators;
        cluster.operators = _operatorViews();
        cluster.majority = _majorityOf(_count(cluster.operators, false));
        cluster.epochs = new Epoch[]($.epochs.length);
        for (uint256 i = 0; i < cluster.epochs.length; i++) {
            cluster.epochs[i] = _epoch(i);
        }
    }

    /// @inheritdoc IKMSRegistry
    function callerView(address wallet) external view returns (CallerView memory caller) {
        caller.blockNumber = block.number;
        caller.blockTimestamp = block.timestamp;
        address registry = _state().novaAppRegistry;
        AppRegistryReader.Instance memory instance = AppRegistryReader.instanceOf(registry, wallet);
        if (instance.id == 0) return caller;
        caller.instanceId = instance.id;
        caller.appId = instance.appId;
        caller.versionId = instance.versionId;
        caller.wallet = instance.wallet;
        caller.teePubkey = instance.teePubkey;
        caller.zkVerified = instance.zkVerified;
        caller.instanceStatus = instance.status;
        AppRegistryReader.App memory app = AppRegistryReader.app(registry, instance.appId);
        caller.appRecordId = app.id;
        caller.appStatus = app.status;
        caller.appCreatedAt = app.createdAt;
        AppRegistryReader.Version memory version =
            AppRegistryReader.version(registry, instance.appId, instance.versionId);
        caller.versionRecordId = version.id;
        caller.versionStatus = version.status;
        caller.codeMeasurement = version.codeMeasurement;
    }

    /// @notice Nobody: without an owner a dead cluster could never be revived nor a measurement be approved.
    function renounceOwnership() public pure override(OwnableUpgradeable) {
        revert RenounceDisabled();
    }

    /// @dev Owner, for an implementation that was announced DELAY ago with the hash that its code has now. Each
    /// announcement serves one upgrade. Emits ChangeExecuted.
    function _authorizeUpgrade(address implementation) internal override onlyOwner {
        KMSRegistryState storage $ = _state();
        uint256 announced = $.announcedUpgrade[implementation];
        require(announced != 0, UpgradeNotAnnounced(implementation));
        ChangeRecord storage change = $.changes[announced - 1];
        require(
            change.state == ChangeState.SCHEDULED && change.codeHash == implementation.codehash,
            UpgradeNotAnnounced(implementation)
        );
        _finish(change, announced - 1);
    }

    function _checkCallback(KMSRegistryState storage $, address wallet, uint256 appId) private view {
        require(msg.sender == $.novaAppRegistry, NotNovaAppRegistry(msg.sender));
        uint256 own = $.kmsAppId;
        require(own != 0, NotConfigured());
        require(appId == own, AppIdMismatch(appId));
        require(wallet != address(0), ZeroWallet());
    }

    function _removeOperator(KMSRegistryState storage $, address wallet) private {
        uint256 position = $.operatorPosition[wallet];
        if (position == 0) return;
        uint96 last = $.operatorCount - 1;
        address moved = $.operatorAt[last];
        if (moved != wallet) {
            $.operatorAt[position - 1] = moved;
            $.operatorPosition[moved] = position;
        }
        delete $.operatorAt[last];
        delete $.operatorPosition[wallet];
        $.operatorCount = last;
        emit OperatorRemoved(wallet);
    }

    function _openRotation(KMSRegistryState storage $) private returns (uint256 epoch) {
        require($.activeEpochPlusOne != 0, NoActiveEpoch());
        return _openEpoch($);
    }

    function _openEpoch(KMSRegistryState storage $) private returns (uint256 epoch) {
        if ($.openEpochPlusOne != 0) revert EpochAlreadyOpen($.openEpochPlusOne - 1);
        epoch = $.epochs.length;
        EpochRecord storage record = $.epochs.push();
        record.state = EpochState.OPEN;
        record.openedAtBlock = uint64(block.number);
        $.openEpochPlusOne = epoch + 1;
        emit EpochOpened(epoch);
    }

    function _requireRetirable(KMSRegistryState storage $, uint256 epoch) private view {
        require(epoch < $.epochs.length && $.epochs[epoch].state == EpochState.PREVIOUS, EpochNotRetirable(epoch));
    }

    function _retire(KMSRegistryState storage $, uint256 epoch) private {
        _requireRetirable($, epoch);
        $.epochs[epoch].state = EpochState.RETIRED;
        emit EpochRetired(epoch);
    }

    function _reset(KMSRegistryState storage $) private {
        uint256 count = $.epochs.length;
        for (uint256 i = 0; i < count; i++) {
            if ($.epochs[i].state != EpochState.RETIRED) $.epochs[i].state = EpochState.LOST;
        }
        $.activeEpochPlusOne = 0;
        $.openEpochPlusOne = 0;
        emit ClusterReset(count);
    }

    function _approve(bytes32 measurement) private {
        KMSRegistryState storage $ = _state();
        if ($.measurements[measurement]) return;
        $.measurements[measurement] = true;
        emit MeasurementApproved(measurement);
    }

    function _disapprove(bytes32 measurement) private {
        KMSRegistryState storage $ = _state();
        if (!$.measurements[measurement]) return;
        $.measurements[measurement] = false;
        emit MeasurementRemoved(measurement);
    }

    /// Once the cluster has an app id, the new registry must know that app as this cluster's: the id never changes.
    function _changeRegistry(KMSRegistryState storage $, address registry) private {
        _setRegistry(registry);
        if ($.kmsAppId != 0) _requireBound(registry, $.kmsAppId);
    }

    function _setRegistry(address registry) private {
        require(registry.code.length != 0, NotAContract(registry));
        KMSRegistryState storage $ = _state();
        address previous = $.novaAppRegistry;
        $.novaAppRegistry = registry;
        emit RegistryChanged(previous, registry);
    }

    function _setGuardians(KMSRegistryState storage $, bytes32 policyHash) private {
        $.guardians = policyHash;
        emit GuardiansSet(policyHash);
    }

    function _requireBound(address registry, uint256 appId) private view {
        AppRegistryReader.App memory app = AppRegistryReader.app(registry, appId);
        require(appId != 0 && app.id == appId && app.dappContract == address(this), AppNotBound(appId));
    }

    function _schedule(ChangeKind kind, bytes32 subject, bytes32 codeHash) private returns (uint256 changeId) {
        KMSRegistryState storage $ = _state();
        changeId = $.changes.length;
        uint64 readyAt = uint64(block.timestamp) + DELAY;
        $.changes
            .push(
                ChangeRecord({
                    kind: kind,
                    state: ChangeState.SCHEDULED,
                    readyAt: readyAt,
                    expiresAt: readyAt + EXECUTION_WINDOW,
                    subject: subject,
                    codeHash: codeHash
                })
            );
        emit ChangeScheduled(changeId, kind, subject, codeHash, readyAt);
    }

    function _pending(KMSRegistryState storage $, uint256 changeId) private view returns (ChangeRecord storage change) {
        require(changeId < $.changes.length, UnknownChange(changeId));
        change = $.changes[changeId];
        require(change.state == ChangeState.SCHEDULED, ChangeNotPending(changeId));
    }

    function _cancel(KMSRegistryState storage $, uint256 changeId) private {
        $.changes[changeId].state = ChangeState.CANCELLED;
        emit ChangeCancelled(changeId);
    }

    function _finish(ChangeRecord storage change, uint256 changeId) private {
        require(block.timestamp >= change.readyAt, ChangeNotReady(changeId, change.readyAt));
        require(block.timestamp <= change.expiresAt, ChangeExpired(changeId, change.expiresAt));
        change.state = ChangeState.EXECUTED;
        emit ChangeExecuted(changeId);
    }

    /// @param needed Signatures asked for; 0 stands for a majority.
    /// @return signers In ascending order, each live, and eligible where that is asked.
    function _checkSignatures(
        bytes memory text,
        uint64 validUntilBlock,
        bytes[] calldata signatures,
        bool eligible,
        uint256 needed
    ) private view returns (address[] memory signers) {
        require(block.number <= validUntilBlock, TextExpired(validUntilBlock));
        require(validUntilBlock <= block.number + TEXT_BLOCKS_MAX, TextValidTooLong(validUntilBlock));
        OperatorView[] memory operators = _operatorViews();
        if (needed == 0) needed = _majorityOf(_count(operators, false));
        require(signatures.length >= needed, TooFewSignatures(signatures.length, needed));
        signers = new address[](signatures.length);
        address previous;
        for (uint256 i = 0; i < signatures.length; i++) {
            address signer = SignedText.signerOf(text, signatures[i]);
            require(signer != address(0), BadSignature(i));
            require(signer > previous, SignersNotAscending(signer));
            _requireOperator(operators, signer, eligible);
            signers[i] = signer;
            previous = signer;
        }
    }

    function _requireOperator(OperatorView[] memory operators, address signer, bool eligible) private pure {
        for (uint256 i = 0; i < operators.length; i++) {
            if (operators[i].wallet != signer) continue;
            if (eligible ? operators[i].eligible : operators[i].live) return;
            break;
        }
        if (eligible) revert NotEligible(signer);
        revert NotLive(signer);
    }

    /// Every operator of the set as the app registry shows it in this block: the one place where *superseded*, *live*
    /// and *eligible* are decided.
    function _operatorViews() private view returns (OperatorView[] memory operators) {
        KMSRegistryState storage $ = _state();
        uint256 count = $.operatorCount;
        operators = new OperatorView[](count);
        bytes32[] memory places = new bytes32[](count); // 0 for what is not an active instance of this app
        bool[] memory known = new bool[](count);
        for (uint256 i = 0; i < count; i++) {
            (places[i], known[i]) = _readOperator($, operators[i], $.operatorAt[i]);
        }
        for (uint256 i = 0; i < count; i++) {
            OperatorView memory operator = operators[i];
            operator.superseded = _isSuperseded(operators, places, i);
            operator.live = places[i] != 0 && known[i] && operator.zkVerified && !operator.superseded
                && operator.measurementApproved && operator.versionStatus != INovaAppRegistry.VersionStatus.REVOKED;
            operator.eligible = operator.live && operator.versionStatus == INovaAppRegistry.VersionStatus.ENROLLED;
        }
    }

    /// @return place Who runs the instance and where, if it is an active instance of this app; 0 otherwise.
    /// @return known Whether its version exists: the status of an unknown version reads as ENROLLED.
    function _readOperator(KMSRegistryState storage $, OperatorView memory operator, address wallet)
        private
        view
        returns (bytes32 place, bool known)
    {
        address registry = $.novaAppRegistry;
        AppRegistryReader.Instance memory instance = AppRegistryReader.instanceOf(registry, wallet);
        operator.wallet = wallet;
        if (instance.id == 0) return (0, false);
        operator.instanceId = instance.id;
        operator.versionId = instance.versionId;
        operator.operator = instance.operator;
        operator.instanceUrl = instance.instanceUrl;
        operator.teePubkey = instance.teePubkey;
        operator.instanceStatus = instance.status;
        operator.zkVerified = instance.zkVerified;
        AppRegistryReader.Version memory version =
            AppRegistryReader.version(registry, instance.appId, instance.versionId);
        known = version.id != 0;
        operator.versionStatus = version.status;
        operator.codeMeasurement = version.codeMeasurement;
        operator.measurementApproved = $.measurements[version.codeMeasurement];
        if (_isActiveInstance($, instance)) place = instance.place;
    }

    function _isActiveInstance(KMSRegistryState storage $, AppRegistryReader.Instance memory instance)
        private
        view
        returns (bool)
    {
        return instance.id != 0 && instance.appId == $.kmsAppId
            && instance.status == INovaAppRegistry.InstanceStatus.ACTIVE;
    }

    function _isSuperseded(OperatorView[] memory operators, bytes32[] memory places, uint256 index)
        private
        pure
        returns (bool)
    {
        if (places[index] == 0) return false;
        for (uint256 i = 0; i < operators.length; i++) {
            if (places[i] == places[index] && operators[i].instanceId > operators[index].instanceId) return true;
        }
        return false;
    }

    function _count(OperatorView[] memory operators, bool eligible) private pure returns (uint256 count) {
        for (uint256 i = 0; i < operators.length; i++) {
            if (eligible ? operators[i].eligible : operators[i].live) count++;
        }
    }

    function _wallets(OperatorView[] memory operators, bool eligible) private pure returns (address[] memory wallets) {
        wallets = new address[](_count(operators, eligible));
        uint256 next;
        for (uint256 i = 0; i < operators.length; i++) {
            if (eligible ? operators[i].eligible : operators[i].live) wallets[next++] = operators[i].wallet;
        }
    }

    function _majorityOf(uint256 live) private view returns (uint256) {
        uint256 least = _state().minOperators / 2 + 1;
        uint256 half = live / 2 + 1;
        return half > least ? half : least;
    }

    function _epoch(uint256 id) private view returns (Epoch memory epoch) {
        KMSRegistryState storage $ = _state();
        epoch.id = id;
        if (id >= $.epochs.length) return epoch;
        EpochRecord storage record = $.epochs[id];
        epoch.state = record.state;
        epoch.secretHash = record.secretHash;
        epoch.openedAtBlock = record.openedAtBlock;
        epoch.activatedAtBlock = record.activatedAtBlock;
        epoch.activatedAt = record.activatedAt;
    }

    function _toBytes32(address account) private pure returns (bytes32) {
        return bytes32(uint256(uint160(account)));
    }

    function _state() private pure returns (KMSRegistryState storage) {
        return KMSRegistryStorage.load();
    }
}
