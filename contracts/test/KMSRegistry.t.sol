// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {OwnableUpgradeable} from "@openzeppelin/contracts-upgradeable/access/OwnableUpgradeable.sol";
import {Initializable} from "@openzeppelin/contracts-upgradeable/proxy/utils/Initializable.sol";
import {ERC1967Proxy} from "@openzeppelin/contracts/proxy/ERC1967/ERC1967Proxy.sol";

import {KMSRegistry} from "../src/KMSRegistry.sol";
import {IKMSRegistry} from "../src/interfaces/IKMSRegistry.sol";
import {INovaAppRegistry} from "../src/interfaces/INovaAppRegistry.sol";
import {Cluster} from "./support/Cluster.sol";
import {Vm, vm} from "./support/Vm.sol";

/// Configuration and the operator set.
contract KMSRegistryTest is Cluster {
    function test_S_L6_initializeSetsEveryParent() public view {
        vm.assertEq(kms.owner(), OWNER);
        vm.assertEq(kms.pendingOwner(), address(0));
        vm.assertEq(kms.novaAppRegistry(), address(registry));
        vm.assertEq(kms.minOperators(), MIN);
        vm.assertTrue(kms.isMeasurementApproved(MEASUREMENT));
        vm.assertFalse(kms.isMeasurementApproved(EVIL_MEASUREMENT));
    }

    function test_S_L6_neitherProxyNorImplementationIsInitializedAgain() public {
        vm.expectRevert(Initializable.InvalidInitialization.selector);
        kms.initialize(address(this), address(registry), MIN, _list(MEASUREMENT));
        vm.expectRevert(Initializable.InvalidInitialization.selector);
        implementation.initialize(address(this), address(registry), MIN, _list(MEASUREMENT));
        vm.assertEq(implementation.owner(), address(0));
    }

    function test_initializeRefusesWhatCannotWork() public {
        _expectInitialize(OWNER, address(registry), 2, MEASUREMENT, "");
        _expectInitialize(
            OWNER,
            address(registry),
            1,
            MEASUREMENT,
            abi.encodeWithSelector(IKMSRegistry.MinOperatorsTooSmall.selector, 1)
        );
        _expectInitialize(
            OWNER,
            address(registry),
            0,
            MEASUREMENT,
            abi.encodeWithSelector(IKMSRegistry.MinOperatorsTooSmall.selector, 0)
        );
        _expectInitialize(
            OWNER,
            address(1234),
            2,
            MEASUREMENT,
            abi.encodeWithSelector(IKMSRegistry.NotAContract.selector, address(1234))
        );
        _expectInitialize(OWNER, address(registry), 2, 0, abi.encodeWithSelector(IKMSRegistry.ZeroHash.selector));
        _expectInitialize(
            address(0),
            address(registry),
            2,
            MEASUREMENT,
            abi.encodeWithSelector(OwnableUpgradeable.OwnableInvalidOwner.selector, address(0))
        );
    }

    function test_X_6_appIdIsSetOnceByTheOwner() public {
        kms = _newProxy();
        registry.setApp(APP, address(kms));
        vm.assertFalse(kms.configured());
        vm.expectRevert(abi.encodeWithSelector(OwnableUpgradeable.OwnableUnauthorizedAccount.selector, address(this)));
        kms.setKmsAppId(APP);

        vm.expectEmit(address(kms));
        emit IKMSRegistry.KmsAppIdSet(APP);
        _asOwner();
        kms.setKmsAppId(APP);
        vm.assertTrue(kms.configured());
        vm.assertEq(kms.kmsAppId(), APP);

        registry.setApp(APP + 1, address(kms));
        vm.expectRevert(IKMSRegistry.AlreadyConfigured.selector);
        _asOwner();
        kms.setKmsAppId(APP + 1);
    }

    function test_X_6_appMustExistAndNameThisProxy() public {
        kms = _newProxy();
        _expectNotBound(APP); // its dappContract is another proxy
        _expectNotBound(999); // unknown: a zeroed struct
        _expectNotBound(0);
        registry.setApp(APP, address(kms));
        _asOwner();
        kms.setKmsAppId(APP);
    }

    function test_renounceOwnershipIsDisabled() public {
        vm.expectRevert(IKMSRegistry.RenounceDisabled.selector);
        _asOwner();
        kms.renounceOwnership();
        vm.assertEq(kms.owner(), OWNER);
    }

    function test_ownershipMovesInTwoSteps() public {
        _asOwner();
        kms.transferOwnership(address(this));
        vm.assertEq(kms.owner(), OWNER);
        kms.acceptOwnership();
        vm.assertEq(kms.owner(), address(this));
    }

    function test_addOperatorEmitsOnceAndIsIdempotent() public {
        address wallet = vm.addr(1);
        vm.expectEmit(address(kms));
        emit IKMSRegistry.OperatorAdded(wallet, VERSION, 7);
        vm.prank(address(registry));
        kms.addOperator(wallet, APP, VERSION, 7);
        vm.recordLogs();
        vm.prank(address(registry));
        kms.addOperator(wallet, APP, VERSION, 8);
        vm.assertEq(vm.getRecordedLogs().length, 0);
        vm.assertEq(kms.operatorCount(), 1);
        vm.assertTrue(kms.isOperator(wallet));
        vm.assertEq(kms.getOperators()[0], wallet);
    }

    function test_removeOperatorEmitsOnceAndIsIdempotent() public {
        _join(3);
        vm.expectEmit(address(kms));
        emit IKMSRegistry.OperatorRemoved(vm.addr(1));
        registry.callRemoveOperator(address(kms), vm.addr(1), APP);
        vm.recordLogs();
        registry.callRemoveOperator(address(kms), vm.addr(1), APP);
        vm.assertEq(vm.getRecordedLogs().length, 0);
        vm.assertFalse(kms.isOperator(vm.addr(1)));
        vm.assertTrue(kms.isOperator(vm.addr(2)) && kms.isOperator(vm.addr(3)));
        vm.assertEq(kms.getOperators().length, 2);
    }

    function test_callbacksAreForTheRegistryAndThisAppOnly() public {
        address wallet = vm.addr(1);
        bytes memory stranger = abi.encodeWithSelector(IKMSRegistry.NotNovaAppRegistry.selector, address(this));
        vm.expectRevert(stranger);
        kms.addOperator(wallet, APP, VERSION, 1);
        vm.expectRevert(stranger);
        kms.removeOperator(wallet, APP, VERSION, 1);

        vm.startPrank(address(registry));
        bytes memory mismatch = abi.encodeWithSelector(IKMSRegistry.AppIdMismatch.selector, APP + 1);
        vm.expectRevert(mismatch);
        kms.addOperator(wallet, APP + 1, VERSION, 1);
        vm.expectRevert(mismatch);
        kms.removeOperator(wallet, APP + 1, VERSION, 1);
        kms.addOperator(wallet, APP, VERSION, 1);
        kms.removeOperator(wallet, APP, VERSION, 1);
        vm.stopPrank();
    }

    function test_X_7_zeroWalletIsNoOperator() public {
        vm.startPrank(address(registry));
        kms.addOperator(vm.addr(1), APP, VERSION, 1);
        vm.expectRevert(IKMSRegistry.ZeroWallet.selector);
        kms.addOperator(address(0), APP, VERSION, 1);
        vm.expectRevert(IKMSRegistry.ZeroWallet.selector);
        kms.removeOperator(address(0), APP, VERSION, 1);
        vm.stopPrank();
    }

    function test_X_6_callbacksSayThatNothingIsConfigured() public {
        kms = _newProxy();
        vm.startPrank(address(registry));
        vm.expectRevert(IKMSRegistry.NotConfigured.selector);
        kms.addOperator(vm.addr(1), 0, VERSION, 1);
        vm.expectRevert(IKMSRegistry.NotConfigured.selector);
        kms.removeOperator(vm.addr(1), APP, VERSION, 1);
        vm.stopPrank();
    }

    function test_U_13_addOperatorStaysUnder80000GasCold() public {
        _checkAddOperatorGas(0);
        _checkAddOperatorGas(1);
        _checkAddOperatorGas(40);
    }

    function test_U_13_removeOperatorStaysUnder80000GasCold() public {
        _join(40);
        _cool();
        vm.prank(address(registry));
        uint256 before = gasleft();
        kms.removeOperator(vm.addr(1), APP, VERSION, 1); // the first: the last moves into its place
        vm.assertLt(before - gasleft(), 80_000);
        vm.assertEq(kms.operatorCount(), 39);
    }

    function test_pruneRemovesAWalletWhoseRemovalWasLost() public {
        _join(3);
        vm.expectRevert(abi.encodeWithSelector(IKMSRegistry.OperatorStillActive.selector, vm.addr(1)));
        kms.pruneOperator(vm.addr(1));

        registry.setInstanceStatus(vm.addr(1), INovaAppRegistry.InstanceStatus.FAILED);
        vm.expectEmit(address(kms));
        emit IKMSRegistry.OperatorRemoved(vm.addr(1));
        kms.pruneOperator(vm.addr(1));
        vm.assertFalse(kms.isOperator(vm.addr(1)));
        kms.pruneOperator(vm.addr(1));
        vm.assertEq(kms.operatorCount(), 2);
    }

    function test_liveOperatorsFollowTheRegistry() public {
        _join(3);
        vm.assertEq(kms.liveOperators().length, 3);
        vm.assertEq(kms.eligibleOperators().length, 3);

        registry.setInstanceStatus(vm.addr(1), INovaAppRegistry.InstanceStatus.STOPPED);
        _expectCounts(2, 2);
        registry.setInstanceStatus(vm.addr(1), INovaAppRegistry.InstanceStatus.ACTIVE);
        registry.setZkVerified(vm.addr(1), false);
        _expectCounts(2, 2);
        registry.setZkVerified(vm.addr(1), true);
        _expectCounts(3, 3);
        registry.setVersionStatus(APP, VERSION, INovaAppRegistry.VersionStatus.DEPRECATED);
        _expectCounts(3, 0);
        registry.setVersionStatus(APP, VERSION, INovaAppRegistry.VersionStatus.REVOKED);
        _expectCounts(0, 0);
    }

    function test_liveOperatorsAreOfThisAppOnly() public {
        _join(2);
        registry.setVersion(APP + 1, VERSION, MEASUREMENT);
        registry.bind(vm.addr(3), APP + 1, VERSION, address(0xB0B), "https://node-3.example.org");
        registry.callAddOperator(address(kms), vm.addr(3), APP);
        _expectCounts(2, 2);
    }

    function test_U_8_unknownWalletAndUnknownVersionAreNotLive() public {
        _join(1);
        vm.prank(address(registry));
        kms.addOperator(vm.addr(50), APP, VERSION, 50); // never registered: a zeroed struct
        _joinKey(51, 99); // an unknown version: its status reads as ENROLLED
        vm.assertEq(kms.operatorCount(), 3);
        _expectCounts(1, 1);
    }

    function test_U_10_unapprovedMeasurementIsNeitherLiveNorEligible() public {
        _join(2);
        _joinKey(3, EVIL_VERSION);
        _expectCounts(2, 2);
        vm.assertEq(kms.operatorCount(), 3);
    }

    function test_U_12_restartedEnclavesSupersedeTheirOldWallets() public {
        _join(3);
        for (uint256 restart = 1; restart <= 3; restart++) {
            for (uint256 node = 1; node <= 3; node++) {
                string memory url = string.concat("https://node-", vm.toString(node), ".example.org");
                _joinAt(restart * 10 + node, VERSION, url);
            }
        }
        vm.assertEq(kms.operatorCount(), 12);
        address[] memory live = kms.liveOperators();
        vm.assertEq(live.length, 3);
        for (uint256 i = 0; i < 3; i++) {
            vm.assertEq(live[i], vm.addr(31 + i));
        }
        vm.assertEq(kms.majority(), 2);
    }

    function test_U_12_onlyTheSameOperatorAtTheSamePlaceSupersedes() public {
        address first = _joinAt(1, VERSION, "https://node.example.org");
        _joinAt(2, VERSION, "https://node.example.org:8443");
        registry.bind(vm.addr(3), APP, VERSION, address(0xCAFE), "https://node.example.org");
        registry.callAddOperator(address(kms), vm.addr(3), APP);
        _expectCounts(3, 3);

        registry.bind(vm.addr(4), APP, VERSION, address(0xB0B), "https://node.example.org");
        _expectCounts(3, 3); // not in the set
        registry.callAddOperator(address(kms), vm.addr(4), APP);
        _expectCounts(3, 3);
        vm.assertTrue(kms.clusterView().operators[0].superseded);
        vm.assertEq(kms.clusterView().operators[0].wallet, first);

        registry.setInstanceStatus(vm.addr(4), INovaAppRegistry.InstanceStatus.FAILED);
        vm.assertFalse(kms.clusterView().operators[0].superseded);
        _expectCounts(3, 3);
    }

    function test_U_12_longUrlsAreComparedWhole() public {
        string memory long = string(new bytes(300));
        _joinAt(1, VERSION, string.concat(long, "a"));
        _joinAt(2, VERSION, string.concat(long, "b"));
        _expectCounts(2, 2);
        _joinAt(3, VERSION, string.concat(long, "a"));
        _expectCounts(2, 2);
        vm.assertTrue(kms.clusterView().operators[0].superseded);
    }

    function test_majorityHasAFloor() public {
        vm.assertEq(kms.majority(), 2); // floor of minOperators 3, though nobody lives
        _join(3);
        vm.assertEq(kms.majority(), 2);
        _joinKey(4, VERSION);
        vm.assertEq(kms.majority(), 3);
        _joinKey(5, VERSION);
        vm.assertEq(kms.majority(), 3);
    }

    function testFuzz_majorityIsMoreThanHalf(uint8 count) public {
        count = count % 24;
        _join(count);
        uint256 majority = kms.majority();
        vm.assertGt(majority * 2, count);
        vm.assertGt(majority * 2, MIN);
    }

    function _expectCounts(uint256 live, uint256 eligible) private view {
        vm.assertEq(kms.liveOperators().length, live);
        vm.assertEq(kms.eligibleOperators().length, eligible);
    }

    function _expectNotBound(uint256 appId) private {
        vm.expectRevert(abi.encodeWithSelector(IKMSRegistry.AppNotBound.selector, appId));
        _asOwner();
        kms.setKmsAppId(appId);
    }

    function _expectInitialize(address owner, address app, uint256 least, bytes32 measurement, bytes memory reason)
        private
    {
        bytes memory call = abi.encodeCall(KMSRegistry.initialize, (owner, app, least, _list(measurement)));
        if (reason.length != 0) vm.expectRevert(reason);
        new ERC1967Proxy(address(implementation), call);
    }

    function _checkAddOperatorGas(uint256 already) private {
        kms = _newProxy();
        registry.setApp(APP, address(kms));
        _asOwner();
        kms.setKmsAppId(APP);
        for (uint256 i = 0; i < already; i++) {
            vm.prank(address(registry));
            kms.addOperator(address(uint160(0x1000 + i)), APP, VERSION, i);
        }
        _cool();
        vm.prank(address(registry));
        uint256 before = gasleft();
        kms.addOperator(vm.addr(1), APP, VERSION, 1000);
        uint256 used = before - gasleft();
        vm.assertLt(used, 80_000);
        vm.assertGt(used, 45_000); // two new slots alone cost that: the storage was cold
        vm.assertTrue(kms.isOperator(vm.addr(1)));
    }

    function _cool() private {
        vm.cool(address(kms));
        vm.cool(address(implementation));
    }
}
