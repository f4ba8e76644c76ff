// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {OwnableUpgradeable} from "@openzeppelin/contracts-upgradeable/access/OwnableUpgradeable.sol";
import {UUPSUpgradeable} from "@openzeppelin/contracts/proxy/utils/UUPSUpgradeable.sol";

import {KMSRegistry} from "../src/KMSRegistry.sol";
import {IKMSRegistry} from "../src/interfaces/IKMSRegistry.sol";
import {Cluster} from "./support/Cluster.sol";
import {ScriptedAppRegistry} from "./support/ScriptedAppRegistry.sol";
import {vm} from "./support/Vm.sol";

/// What a later release might be: the same, and able to say so.
contract KMSRegistryNext is KMSRegistry {
    function release() external pure returns (string memory) {
        return "next";
    }
}

/// What a hostile owner would like to install.
contract Thief is UUPSUpgradeable {
    function masterSecretHash() external pure returns (bytes32) {
        return keccak256("mine");
    }

    function _authorizeUpgrade(address) internal override {}
}

/// Changes that wait, are cancelled, vetoed, executed or forgotten; an owner who is hostile.
contract KMSRegistryChangesTest is Cluster {
    bytes32 private constant POLICY = keccak256("policy");

    function test_S_M6_announcedUpgradeIsExecutedAfterTheDelay() public {
        _born();
        address next = address(new KMSRegistryNext());
        vm.expectEmit(address(kms));
        emit IKMSRegistry.ChangeScheduled(
            0,
            IKMSRegistry.ChangeKind.UPGRADE,
            bytes32(uint256(uint160(next))),
            next.codehash,
            uint64(block.timestamp) + kms.DELAY()
        );
        uint256 id = _scheduleUpgrade(next, next.codehash);
        _afterDelay();
        vm.expectEmit(address(kms));
        emit IKMSRegistry.ChangeExecuted(id);
        _asOwner();
        kms.upgradeToAndCall(next, "");
        vm.assertEq(KMSRegistryNext(address(kms)).release(), "next");
        vm.assertEq(kms.masterSecretHash(), SECRET_HASH);
        vm.assertEq(kms.operatorCount(), 3);
        vm.assertEq(kms.owner(), OWNER);
        _expectChangeState(id, IKMSRegistry.ChangeState.EXECUTED);
    }

    function test_S_M6_hostileOwnerCannotUpgradeAtOnce() public {
        _born();
        address thief = address(new Thief());
        _expectUpgrade(thief, abi.encodeWithSelector(IKMSRegistry.UpgradeNotAnnounced.selector, thief));
        uint256 id = _scheduleUpgrade(thief, thief.codehash);
        uint64 readyAt = kms.getChange(id).readyAt;
        bytes memory early = abi.encodeWithSelector(IKMSRegistry.ChangeNotReady.selector, id, readyAt);
        _expectUpgrade(thief, early);
        vm.warp(readyAt - 1);
        _expectUpgrade(thief, early);
        vm.expectRevert(abi.encodeWithSelector(IKMSRegistry.WrongChangeKind.selector, id));
        _asOwner();
        kms.execute(id);

        _veto(id, _keys(1, 2));
        vm.warp(readyAt);
        _expectUpgrade(thief, abi.encodeWithSelector(IKMSRegistry.UpgradeNotAnnounced.selector, thief));
        vm.assertEq(kms.masterSecretHash(), SECRET_HASH);
    }

    function test_S_M6_codeThatIsNotTheAnnouncedCodeIsRefused() public {
        address next = address(new KMSRegistryNext());
        _scheduleUpgrade(next, keccak256("other code"));
        _afterDelay();
        _expectUpgrade(next, abi.encodeWithSelector(IKMSRegistry.UpgradeNotAnnounced.selector, next));
    }

    function test_S_M6_codeExchangedAfterTheAnnouncementIsRefused() public {
        address next = address(new KMSRegistryNext());
        bytes memory honest = next.code;
        _scheduleUpgrade(next, next.codehash);
        _afterDelay();
        vm.etch(next, address(new Thief()).code);
        _expectUpgrade(next, abi.encodeWithSelector(IKMSRegistry.UpgradeNotAnnounced.selector, next));
        vm.etch(next, honest);
        _asOwner();
        kms.upgradeToAndCall(next, "");
    }

    function test_S_M6_announcementServesOneUpgradeOfOneImplementation() public {
        address next = address(new KMSRegistryNext());
        address twin = address(new KMSRegistryNext());
        _scheduleUpgrade(next, next.codehash);
        _afterDelay();
        _expectUpgrade(twin, abi.encodeWithSelector(IKMSRegistry.UpgradeNotAnnounced.selector, twin));
        _asOwner();
        kms.upgradeToAndCall(next, "");
        _expectUpgrade(next, abi.encodeWithSelector(IKMSRegistry.UpgradeNotAnnounced.selector, next));
    }

    function test_S_M6_upgradeIsTheOwnersOnly() public {
        address next = address(new KMSRegistryNext());
        vm.expectRevert(abi.encodeWithSelector(OwnableUpgradeable.OwnableUnauthorizedAccount.selector, address(this)));
        kms.scheduleUpgrade(next, keccak256("code"));
        _scheduleUpgrade(next, next.codehash);
        _afterDelay();
        vm.expectRevert(abi.encodeWithSelector(OwnableUpgradeable.OwnableUnauthorizedAccount.selector, address(this)));
        kms.upgradeToAndCall(next, "");
    }

    function test_S_M6_forgottenUpgradeExpires() public {
        address next = address(new KMSRegistryNext());
        uint256 id = _scheduleUpgrade(next, next.codehash);
        uint64 expiresAt = kms.getChange(id).expiresAt;
        vm.warp(uint256(expiresAt) + 1);
        _expectUpgrade(next, abi.encodeWithSelector(IKMSRegistry.ChangeExpired.selector, id, expiresAt));
        vm.warp(expiresAt);
        _asOwner();
        kms.upgradeToAndCall(next, "");
    }

    function test_S_M6_secondAnnouncementCancelsTheFirst() public {
        address next = address(new KMSRegistryNext());
        uint256 first = _scheduleUpgrade(next, next.codehash);
        vm.warp(block.timestamp + 1 days);
        uint256 second = _scheduleUpgrade(next, next.codehash);
        _expectChangeState(first, IKMSRegistry.ChangeState.CANCELLED);
        vm.warp(block.timestamp + 1 days);
        _expectUpgrade(
            next, abi.encodeWithSelector(IKMSRegistry.ChangeNotReady.selector, second, kms.getChange(second).readyAt)
        );
    }

    function test_everyKindWaitsIsExecutedAndExpires() public {
        _born();
        _rotate(1, keccak256("next"));
        ScriptedAppRegistry other = new ScriptedAppRegistry();
        other.setApp(APP, address(kms));
        bytes[] memory calls = _calls(address(other));
        for (uint256 i = 0; i < calls.length; i++) {
            _checkWaiting(calls[i]);
        }
        vm.assertTrue(kms.isMeasurementApproved(EVIL_MEASUREMENT));
        vm.assertFalse(kms.isMeasurementApproved(MEASUREMENT));
        vm.assertEq(kms.guardians(), POLICY);
        vm.assertEq(kms.novaAppRegistry(), address(other));
        vm.assertEq(uint256(kms.getEpoch(0).state), uint256(IKMSRegistry.EpochState.RETIRED));
        vm.assertEq(uint256(kms.getEpoch(1).state), uint256(IKMSRegistry.EpochState.LOST));
        vm.assertEq(kms.changeCount(), calls.length * 3);
    }

    function test_everyKindIsScheduledByTheOwnerOnly() public {
        _born();
        _rotate(1, keccak256("next"));
        bytes[] memory calls = _calls(address(registry));
        bytes memory stranger =
            abi.encodeWithSelector(OwnableUpgradeable.OwnableUnauthorizedAccount.selector, address(this));
        for (uint256 i = 0; i < calls.length; i++) {
            vm.expectRevert(stranger);
            (bool ignored,) = address(kms).call(calls[i]);
            ignored;
        }
        uint256 id = _schedule(calls[0]);
        vm.expectRevert(stranger);
        kms.cancel(id);
        _afterDelay();
        vm.expectRevert(stranger);
        kms.execute(id);
    }

    function test_everyKindButResetFallsToAMajorityOfLiveOperators() public {
        _born();
        _rotate(1, keccak256("next"));
        bytes[] memory calls = _calls(address(registry));
        for (uint256 i = 0; i < calls.length - 1; i++) {
            uint256 id = _schedule(calls[i]);
            bytes[] memory one = _sign(_vetoText(id, _until()), _keys(1, 1));
            vm.expectRevert(abi.encodeWithSelector(IKMSRegistry.TooFewSignatures.selector, 1, 2));
            kms.veto(id, _until(), one);
            address[] memory vetoers = new address[](2);
            uint256[] memory keys = _sorted(_keys(1, 2));
            (vetoers[0], vetoers[1]) = (vm.addr(keys[0]), vm.addr(keys[1]));
            vm.expectEmit(address(kms));
            emit IKMSRegistry.ChangeVetoed(id, vetoers);
            _veto(id, keys);
            _afterDelay();
            _expectExecute(id, abi.encodeWithSelector(IKMSRegistry.ChangeNotPending.selector, id));
            _expectChangeState(id, IKMSRegistry.ChangeState.VETOED);
        }
    }

    function test_manyChangesOfAHostileOwnerAreVetoedOneByOne() public {
        _born();
        for (uint256 i = 0; i < 20; i++) {
            _asOwner();
            uint256 id = kms.scheduleMeasurement(keccak256(abi.encode(i)));
            _veto(id, _keys(1, 2));
        }
        _afterDelay();
        for (uint256 id = 0; id < 20; id++) {
            _expectExecute(id, abi.encodeWithSelector(IKMSRegistry.ChangeNotPending.selector, id));
        }
    }

    function test_vetoOfOneChangeVetoesNoOther() public {
        _born();
        _asOwner();
        uint256 first = kms.scheduleGuardians(POLICY);
        _asOwner();
        uint256 second = kms.scheduleGuardians(POLICY);
        bytes[] memory texts = _sign(_vetoText(first, _until()), _keys(1, 3));
        (bool vetoed,) = address(kms).call(abi.encodeCall(kms.veto, (second, _until(), texts)));
        vm.assertFalse(vetoed);
        kms.veto(first, _until(), texts);
        vm.expectRevert(abi.encodeWithSelector(IKMSRegistry.ChangeNotPending.selector, first));
        kms.veto(first, _until(), texts);
    }

    function test_U_12_deadWalletsVetoNothing() public {
        _born();
        _joinAt(11, VERSION, "https://node-1.example.org");
        _asOwner();
        uint256 id = kms.scheduleGuardians(POLICY);
        bytes[] memory texts = _sign(_vetoText(id, _until()), _keys(1, 2));
        vm.expectRevert(abi.encodeWithSelector(IKMSRegistry.NotLive.selector, vm.addr(1)));
        kms.veto(id, _until(), texts);
        _veto(id, _keys(2, 3));
    }

    function test_vetoTextsExpire() public {
        _born();
        _asOwner();
        uint256 id = kms.scheduleGuardians(POLICY);
        uint64 until = _until();
        bytes[] memory texts = _sign(_vetoText(id, until), _keys(1, 2));
        vm.roll(uint256(until) + 1);
        vm.expectRevert(abi.encodeWithSelector(IKMSRegistry.TextExpired.selector, until));
        kms.veto(id, until, texts);
        vm.roll(until);
        kms.veto(id, until, texts);
    }

    function test_X_13_resetOfALivingClusterFallsToOneOperator() public {
        _born();
        _asOwner();
        uint256 id = kms.scheduleReset();
        _expectExecute(id, abi.encodeWithSelector(IKMSRegistry.ChangeNotReady.selector, id, kms.getChange(id).readyAt));
        _veto(id, _keys(3, 3));
        _afterDelay();
        _expectExecute(id, abi.encodeWithSelector(IKMSRegistry.ChangeNotPending.selector, id));
        vm.assertEq(kms.masterSecretHash(), SECRET_HASH);
    }

    function test_X_13_lastOperatorOfThreeStillVetoesAReset() public {
        _born();
        _stop(1);
        _stop(2);
        _asOwner();
        uint256 id = kms.scheduleReset();
        _veto(id, _keys(3, 3));
        _expectChangeState(id, IKMSRegistry.ChangeState.VETOED);
    }

    function test_X_13_onlyEligibleOperatorsVetoAReset() public {
        _born();
        _joinKey(4, EVIL_VERSION);
        _asOwner();
        uint256 id = kms.scheduleReset();
        bytes[] memory none = new bytes[](0);
        vm.expectRevert(abi.encodeWithSelector(IKMSRegistry.TooFewSignatures.selector, 0, 1));
        kms.veto(id, _until(), none);
        bytes[] memory evil = _sign(_vetoText(id, _until()), _keys(4, 4));
        vm.expectRevert(abi.encodeWithSelector(IKMSRegistry.NotEligible.selector, vm.addr(4)));
        kms.veto(id, _until(), evil);
        _veto(id, _keys(1, 1));
    }

    function test_X_13_deadClusterIsRevivedWithoutRepeatingANumber() public {
        _born();
        _rotate(1, keccak256("next"));
        _asOwner();
        kms.requestRotation();
        for (uint256 key = 1; key <= 3; key++) {
            _stop(key);
        }
        _asOwner();
        uint256 id = kms.scheduleReset();
        _afterDelay();
        vm.expectEmit(address(kms));
        emit IKMSRegistry.ClusterReset(3);
        _asOwner();
        kms.execute(id);
        for (uint256 epoch = 0; epoch < 3; epoch++) {
            vm.assertEq(uint256(kms.getEpoch(epoch).state), uint256(IKMSRegistry.EpochState.LOST));
        }
        vm.assertEq(kms.masterSecretHash(), 0);
        vm.assertEq(kms.secretHash(0), SECRET_HASH);

        for (uint256 key = 11; key <= 13; key++) {
            _joinKey(key, VERSION);
        }
        vm.assertEq(_openGenesis(), 3);
        _activate(3, keccak256("new life"), _keys(11, 12));
        vm.assertEq(kms.masterSecretHash(), keccak256("new life"));
    }

    function test_retiredEpochsStayRetiredThroughAReset() public {
        _born();
        _rotate(1, keccak256("next"));
        _asOwner();
        _executeAfterDelay(kms.scheduleRetirement(0));
        _asOwner();
        _executeAfterDelay(kms.scheduleReset());
        vm.assertEq(uint256(kms.getEpoch(0).state), uint256(IKMSRegistry.EpochState.RETIRED));
        vm.assertEq(uint256(kms.getEpoch(1).state), uint256(IKMSRegistry.EpochState.LOST));
    }

    function test_onlyPreviousEpochsRetire() public {
        _born();
        _expectNotRetirable(0); // active
        _expectNotRetirable(1); // none
        _expectNotRetirable(type(uint256).max);
        _asOwner();
        kms.requestRotation();
        _expectNotRetirable(1); // open
        _activate(1, keccak256("next"), _keys(1, 2));
        _asOwner();
        uint256 first = kms.scheduleRetirement(0);
        _asOwner();
        uint256 second = kms.scheduleRetirement(0);
        _afterDelay();
        vm.expectEmit(address(kms));
        emit IKMSRegistry.EpochRetired(0);
        _asOwner();
        kms.execute(first);
        _expectNotRetirable(0); // retired
        _expectExecute(second, abi.encodeWithSelector(IKMSRegistry.EpochNotRetirable.selector, 0));
    }

    function test_retirementIsCheckedAgainWhenExecuted() public {
        _born();
        _rotate(1, keccak256("next"));
        _asOwner();
        uint256 retirement = kms.scheduleRetirement(0);
        _asOwner();
        uint256 reset = kms.scheduleReset();
        _afterDelay();
        _asOwner();
        kms.execute(reset);
        _expectExecute(retirement, abi.encodeWithSelector(IKMSRegistry.EpochNotRetirable.selector, 0));
    }

    function test_registryNeedsCodeAndThisClustersApp() public {
        vm.expectRevert(abi.encodeWithSelector(IKMSRegistry.NotAContract.selector, address(1234)));
        _asOwner();
        kms.scheduleRegistry(address(1234));

        ScriptedAppRegistry other = new ScriptedAppRegistry();
        _asOwner();
        uint256 id = kms.scheduleRegistry(address(other));
        _afterDelay();
        _expectExecute(id, abi.encodeWithSelector(IKMSRegistry.AppNotBound.selector, APP));
        other.setApp(APP, address(kms));
        vm.expectEmit(address(kms));
        emit IKMSRegistry.RegistryChanged(address(registry), address(other));
        _asOwner();
        kms.execute(id);
        vm.expectRevert(abi.encodeWithSelector(IKMSRegistry.NotNovaAppRegistry.selector, address(registry)));
        vm.prank(address(registry));
        kms.addOperator(vm.addr(1), APP, VERSION, 1);
    }

    function test_registryIsCheckedForCodeAgainWhenExecuted() public {
        ScriptedAppRegistry other = new ScriptedAppRegistry();
        other.setApp(APP, address(kms));
        _asOwner();
        uint256 id = kms.scheduleRegistry(address(other));
        _afterDelay();
        bytes memory code = address(other).code;
        vm.etch(address(other), "");
        _expectExecute(id, abi.encodeWithSelector(IKMSRegistry.NotAContract.selector, address(other)));
        vm.etch(address(other), code);
        _asOwner();
        kms.execute(id);
    }

    function test_wrongRegistryIsCorrectedBeforeTheAppIsSet() public {
        kms = _newProxy();
        ScriptedAppRegistry other = new ScriptedAppRegistry();
        _asOwner();
        _executeAfterDelay(kms.scheduleRegistry(address(other)));
        other.setApp(APP, address(kms));
        _asOwner();
        kms.setKmsAppId(APP);
    }

    function test_measurementsChangeOnceAndSayIt() public {
        vm.expectRevert(IKMSRegistry.ZeroHash.selector);
        _asOwner();
        kms.scheduleMeasurement(0);
        vm.expectRevert(IKMSRegistry.ZeroHash.selector);
        _asOwner();
        kms.scheduleMeasurementRemoval(0);

        _asOwner();
        uint256 id = kms.scheduleMeasurement(EVIL_MEASUREMENT);
        _afterDelay();
        vm.expectEmit(address(kms));
        emit IKMSRegistry.MeasurementApproved(EVIL_MEASUREMENT);
        _asOwner();
        kms.execute(id);
        _asOwner();
        id = kms.scheduleMeasurementRemoval(EVIL_MEASUREMENT);
        _afterDelay();
        vm.expectEmit(address(kms));
        emit IKMSRegistry.MeasurementRemoved(EVIL_MEASUREMENT);
        _asOwner();
        kms.execute(id);
        vm.assertFalse(kms.isMeasurementApproved(EVIL_MEASUREMENT));
    }

    function test_aMajorityRemovesAMeasurementAtOnce() public {
        _born();
        bytes[] memory one = _sign(_removeText(MEASUREMENT, _until()), _keys(1, 1));
        vm.expectRevert(abi.encodeWithSelector(IKMSRegistry.TooFewSignatures.selector, 1, 2));
        kms.removeMeasurementBySignatures(MEASUREMENT, _until(), one);
        vm.expectEmit(address(kms));
        emit IKMSRegistry.MeasurementRemoved(MEASUREMENT);
        kms.removeMeasurementBySignatures(MEASUREMENT, _until(), _sign(_removeText(MEASUREMENT, _until()), _keys(1, 2)));
        vm.assertEq(kms.eligibleOperators().length, 0);
    }

    function test_U_10_unapprovedMeasurementRemovesNone() public {
        _born();
        for (uint256 key = 4; key <= 9; key++) {
            _joinKey(key, EVIL_VERSION);
        }
        bytes[] memory evil = _sign(_removeText(MEASUREMENT, _until()), _keys(4, 9));
        (bool removed, bytes memory reason) =
            address(kms).call(abi.encodeCall(kms.removeMeasurementBySignatures, (MEASUREMENT, _until(), evil)));
        vm.assertFalse(removed);
        vm.assertEq(bytes32(bytes4(reason)), bytes32(IKMSRegistry.NotEligible.selector));
        vm.assertTrue(kms.isMeasurementApproved(MEASUREMENT));
    }

    function test_cancelledChangesStayCancelled() public {
        _asOwner();
        uint256 id = kms.scheduleGuardians(POLICY);
        vm.expectEmit(address(kms));
        emit IKMSRegistry.ChangeCancelled(id);
        _asOwner();
        kms.cancel(id);
        _afterDelay();
        _expectExecute(id, abi.encodeWithSelector(IKMSRegistry.ChangeNotPending.selector, id));
        vm.expectRevert(abi.encodeWithSelector(IKMSRegistry.ChangeNotPending.selector, id));
        _asOwner();
        kms.cancel(id);
        _expectChangeState(id, IKMSRegistry.ChangeState.CANCELLED);
    }

    function test_unknownChangesAreUnknown() public {
        _born();
        bytes memory unknown = abi.encodeWithSelector(IKMSRegistry.UnknownChange.selector, 5);
        _expectExecute(5, unknown);
        vm.expectRevert(unknown);
        _asOwner();
        kms.cancel(5);
        bytes[] memory texts = _sign(_vetoText(5, _until()), _keys(1, 3));
        vm.expectRevert(unknown);
        kms.veto(5, _until(), texts);
        _expectChangeState(5, IKMSRegistry.ChangeState.NONE);
        vm.assertEq(kms.getChange(5).id, 5);
    }

    /// Scheduled three times: executed too early and then in time; expired; cancelled.
    function _checkWaiting(bytes memory call) private {
        uint256 late = _schedule(call);
        uint256 cancelled = _schedule(call);
        uint256 id = _schedule(call);
        IKMSRegistry.Change memory change = kms.getChange(id);
        vm.assertEq(change.readyAt, block.timestamp + 2 days);
        vm.assertEq(change.expiresAt, block.timestamp + 16 days);
        _asOwner();
        kms.cancel(cancelled);
        vm.warp(change.readyAt - 1);
        _expectExecute(id, abi.encodeWithSelector(IKMSRegistry.ChangeNotReady.selector, id, change.readyAt));
        vm.warp(change.readyAt);
        vm.expectEmit(address(kms));
        emit IKMSRegistry.ChangeExecuted(id);
        _asOwner();
        kms.execute(id);
        _expectExecute(id, abi.encodeWithSelector(IKMSRegistry.ChangeNotPending.selector, id));
        _expectExecute(cancelled, abi.encodeWithSelector(IKMSRegistry.ChangeNotPending.selector, cancelled));
        vm.warp(uint256(change.expiresAt) + 1);
        _expectExecute(late, abi.encodeWithSelector(IKMSRegistry.ChangeExpired.selector, late, change.expiresAt));
    }

    /// One of each kind but UPGRADE; the last is the reset.
    function _calls(address otherRegistry) private view returns (bytes[] memory calls) {
        calls = new bytes[](6);
        calls[0] = abi.encodeCall(kms.scheduleGuardians, (POLICY));
        calls[1] = abi.encodeCall(kms.scheduleMeasurement, (EVIL_MEASUREMENT));
        calls[2] = abi.encodeCall(kms.scheduleMeasurementRemoval, (MEASUREMENT));
        calls[3] = abi.encodeCall(kms.scheduleRetirement, (0));
        calls[4] = abi.encodeCall(kms.scheduleRegistry, (otherRegistry));
        calls[5] = abi.encodeCall(kms.scheduleReset, ());
    }

    function _schedule(bytes memory call) private returns (uint256) {
        _asOwner();
        (bool scheduled, bytes memory answer) = address(kms).call(call);
        vm.assertTrue(scheduled);
        return abi.decode(answer, (uint256));
    }

    function _scheduleUpgrade(address next, bytes32 codeHash) private returns (uint256) {
        _asOwner();
        return kms.scheduleUpgrade(next, codeHash);
    }

    function _rotate(uint256 epoch, bytes32 hash) private {
        _asOwner();
        kms.requestRotation();
        _activate(epoch, hash, _keys(1, 2));
    }

    function _executeAfterDelay(uint256 id) private {
        _afterDelay();
        _asOwner();
        kms.execute(id);
    }

    function _expectExecute(uint256 id, bytes memory reason) private {
        vm.expectRevert(reason);
        _asOwner();
        kms.execute(id);
    }

    function _expectUpgrade(address next, bytes memory reason) private {
        vm.expectRevert(reason);
        _asOwner();
        kms.upgradeToAndCall(next, "");
    }

    function _expectNotRetirable(uint256 epoch) private {
        vm.expectRevert(abi.encodeWithSelector(IKMSRegistry.EpochNotRetirable.selector, epoch));
        _asOwner();
        kms.scheduleRetirement(epoch);
    }

    function _expectChangeState(uint256 id, IKMSRegistry.ChangeState state) private view {
        vm.assertEq(uint256(kms.getChange(id).state), uint256(state));
    }
}
