// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {OwnableUpgradeable} from "@openzeppelin/contracts-upgradeable/access/OwnableUpgradeable.sol";

import {KMSRegistry} from "../src/KMSRegistry.sol";
import {IKMSRegistry} from "../src/interfaces/IKMSRegistry.sol";
import {INovaAppRegistry} from "../src/interfaces/INovaAppRegistry.sol";
import {Cluster} from "./support/Cluster.sol";
import {vm} from "./support/Vm.sol";

/// Birth, rotation and who may endorse.
contract KMSRegistryEpochsTest is Cluster {
    uint256 private constant SECP256K1_N = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141;

    function test_genesisOpensAndIsActivatedByAMajority() public {
        _join(3);
        vm.expectEmit(address(kms));
        emit IKMSRegistry.EpochOpened(0);
        vm.assertEq(_openGenesis(), 0);
        vm.assertEq(uint256(kms.getEpoch(0).state), uint256(IKMSRegistry.EpochState.OPEN));
        vm.assertEq(kms.openedAtBlock(0), block.number);
        vm.assertEq(kms.masterSecretHash(), 0);

        address[] memory endorsers = new address[](2);
        uint256[] memory keys = _sorted(_keys(1, 2));
        (endorsers[0], endorsers[1]) = (vm.addr(keys[0]), vm.addr(keys[1]));
        vm.roll(block.number + 5);
        vm.expectEmit(address(kms));
        emit IKMSRegistry.EpochActivated(0, SECRET_HASH, endorsers);
        _activate(0, SECRET_HASH, keys);
        IKMSRegistry.Epoch memory epoch = kms.getEpoch(0);
        vm.assertEq(uint256(epoch.state), uint256(IKMSRegistry.EpochState.ACTIVE));
        vm.assertEq(epoch.secretHash, SECRET_HASH);
        vm.assertEq(epoch.activatedAtBlock, block.number);
        vm.assertEq(epoch.openedAtBlock, block.number - 5);
        vm.assertEq(epoch.activatedAt, block.timestamp);
        vm.assertEq(kms.masterSecretHash(), SECRET_HASH);
        vm.assertEq(kms.secretHash(0), SECRET_HASH);
        vm.assertEq(kms.activatedAt(0), block.timestamp);
        vm.assertEq(kms.epochCount(), 1);
    }

    function test_U_11_genesisNeedsMinOperatorsLive() public {
        _join(2);
        vm.expectRevert(abi.encodeWithSelector(IKMSRegistry.TooFewOperators.selector, 2, 3));
        _openGenesis();
        _joinAt(9, VERSION, "https://node-1.example.org"); // supersedes node 1: still two live
        vm.expectRevert(abi.encodeWithSelector(IKMSRegistry.TooFewOperators.selector, 2, 3));
        _openGenesis();
        _joinKey(3, VERSION);
        _openGenesis();
    }

    function test_U_11_firstRegistrantBeforeGenesisActivatesNothing() public {
        _join(1);
        bytes[] memory alone = _endorsements(0, SECRET_HASH, _keys(1, 1));
        vm.expectRevert(abi.encodeWithSelector(IKMSRegistry.EpochNotOpen.selector, 0));
        kms.activate(0, SECRET_HASH, _until(), alone);
        _joinKey(2, VERSION);
        _joinKey(3, VERSION);
        _openGenesis();
        _stop(2);
        _stop(3);
        alone = _endorsements(0, SECRET_HASH, _keys(1, 1));
        vm.expectRevert(abi.encodeWithSelector(IKMSRegistry.TooFewSignatures.selector, 1, 2));
        kms.activate(0, SECRET_HASH, _until(), alone); // the only one left, and still no majority of one
    }

    function test_genesisOpensOnce() public {
        _join(3);
        _openGenesis();
        vm.expectRevert(abi.encodeWithSelector(IKMSRegistry.EpochAlreadyOpen.selector, 0));
        _openGenesis();
        _activate(0, SECRET_HASH, _keys(1, 2));
        vm.expectRevert(abi.encodeWithSelector(IKMSRegistry.EpochStillActive.selector, 0));
        _openGenesis();
    }

    function test_genesisIsOpenedByTheOwnerOfAConfiguredCluster() public {
        _join(3);
        vm.expectRevert(abi.encodeWithSelector(OwnableUpgradeable.OwnableUnauthorizedAccount.selector, address(this)));
        kms.openGenesis();
        kms = _newProxy();
        vm.expectRevert(IKMSRegistry.NotConfigured.selector);
        _openGenesis();
    }

    function test_S_H5_oneOperatorAloneActivatesNothing() public {
        _join(3);
        _openGenesis();
        _expectActivate(_keys(1, 1), abi.encodeWithSelector(IKMSRegistry.TooFewSignatures.selector, 1, 2));
        bytes[] memory twice = new bytes[](2);
        twice[0] = _signature(_endorseText(0, SECRET_HASH, _until()), 1);
        twice[1] = twice[0];
        vm.expectRevert(abi.encodeWithSelector(IKMSRegistry.SignersNotAscending.selector, vm.addr(1)));
        kms.activate(0, SECRET_HASH, _until(), twice);
        _activate(0, SECRET_HASH, _keys(1, 2));
    }

    function test_S_H5_frontRunningChangesNothing() public {
        _join(3);
        _openGenesis();
        bytes[] memory honest = _endorsements(0, SECRET_HASH, _keys(1, 2));
        bytes32 other = keccak256("other");
        vm.expectRevert(); // the same signatures recover to strangers over another hash
        kms.activate(0, other, _until(), honest);
        vm.prank(address(0xBAD));
        kms.activate(0, SECRET_HASH, _until(), honest); // whoever relays them, the result is the same
        vm.assertEq(kms.masterSecretHash(), SECRET_HASH);
        vm.expectRevert(abi.encodeWithSelector(IKMSRegistry.EpochNotOpen.selector, 0));
        kms.activate(0, SECRET_HASH, _until(), honest);
    }

    function test_S_H5_ownerKeyAloneActivatesNothing() public {
        _join(3);
        _openGenesis();
        uint256 ownerKey = 0xABCDEF;
        _asOwner();
        kms.transferOwnership(vm.addr(ownerKey));
        vm.prank(vm.addr(ownerKey));
        kms.acceptOwnership();
        uint256[] memory keys = _keys(1, 2);
        keys[1] = ownerKey;
        _expectActivate(keys, abi.encodeWithSelector(IKMSRegistry.NotEligible.selector, vm.addr(ownerKey)));
        _activate(0, SECRET_HASH, _keys(1, 2));
    }

    function test_U_10_unapprovedMeasurementEndorsesNothing() public {
        _join(3);
        _joinKey(4, EVIL_VERSION);
        _openGenesis();
        uint256[] memory keys = _keys(3, 4);
        _expectActivate(keys, abi.encodeWithSelector(IKMSRegistry.NotEligible.selector, vm.addr(4)));
        _activate(0, SECRET_HASH, _keys(1, 2));
    }

    function test_U_10_appOwnersVersionInTheMajorityEndorsesNothing() public {
        _join(3);
        for (uint256 key = 4; key <= 9; key++) {
            _joinKey(key, EVIL_VERSION);
        }
        _openGenesis();
        _expectActivateAnyRevert(_keys(4, 9));
        _expectActivateAnyRevert(_keys(3, 9));
        // They do not count towards the majority either, so they cannot delay a birth.
        vm.assertEq(kms.majority(), 2);
        _activate(0, SECRET_HASH, _keys(1, 2));
    }

    function test_U_12_supersededWalletEndorsesNothing() public {
        _join(3);
        _joinAt(11, VERSION, "https://node-1.example.org");
        _openGenesis();
        _expectActivate(_keys(1, 2), abi.encodeWithSelector(IKMSRegistry.NotEligible.selector, vm.addr(1)));
        uint256[] memory keys = _keys(2, 3);
        keys[1] = 11;
        _activate(0, SECRET_HASH, keys);
    }

    function test_deprecatedVersionEndorsesNothing() public {
        _join(3);
        _openGenesis();
        registry.setVersionStatus(APP, VERSION, INovaAppRegistry.VersionStatus.DEPRECATED);
        _expectActivateAnyRevert(_keys(1, 3));
        registry.setVersionStatus(APP, VERSION, INovaAppRegistry.VersionStatus.ENROLLED);
        _activate(0, SECRET_HASH, _keys(1, 3));
    }

    function test_zeroHashIsNoSecret() public {
        _join(3);
        _openGenesis();
        bytes[] memory signatures = _endorsements(0, 0, _keys(1, 2));
        vm.expectRevert(IKMSRegistry.ZeroHash.selector);
        kms.activate(0, 0, _until(), signatures);
    }

    function test_textsExpireAndReachNotTooFar() public {
        _join(3);
        _openGenesis();
        uint64 until = uint64(block.number + kms.TEXT_BLOCKS_MAX());
        bytes[] memory far = _sign(_endorseText(0, SECRET_HASH, until + 1), _keys(1, 2));
        bytes[] memory furthest = _sign(_endorseText(0, SECRET_HASH, until), _keys(1, 2));
        vm.expectRevert(abi.encodeWithSelector(IKMSRegistry.TextValidTooLong.selector, until + 1));
        kms.activate(0, SECRET_HASH, until + 1, far);
        vm.roll(uint256(until) + 1);
        vm.expectRevert(abi.encodeWithSelector(IKMSRegistry.TextExpired.selector, until));
        kms.activate(0, SECRET_HASH, until, furthest);
        vm.roll(until);
        kms.activate(0, SECRET_HASH, until, furthest);
    }

    function test_signersAscendStrictly() public {
        _join(3);
        _openGenesis();
        bytes[] memory signatures = _endorsements(0, SECRET_HASH, _keys(1, 3));
        (signatures[1], signatures[2]) = (signatures[2], signatures[1]);
        vm.expectRevert(
            abi.encodeWithSelector(IKMSRegistry.SignersNotAscending.selector, vm.addr(_sorted(_keys(1, 3))[1]))
        );
        kms.activate(0, SECRET_HASH, _until(), signatures);
        (signatures[1], signatures[2]) = (signatures[2], signatures[1]);
        kms.activate(0, SECRET_HASH, _until(), signatures);
    }

    function test_bothFormsOfVAreTaken() public {
        _join(3);
        _openGenesis();
        bytes[] memory signatures = _endorsements(0, SECRET_HASH, _keys(1, 3));
        for (uint256 i = 0; i < 2; i++) {
            signatures[i][64] = bytes1(uint8(signatures[i][64]) - 27); // as Odyn writes it
        }
        kms.activate(0, SECRET_HASH, _until(), signatures);
    }

    function test_malformedSignaturesAreRefusedByPlace() public {
        _join(3);
        _openGenesis();
        bytes[] memory signatures = _endorsements(0, SECRET_HASH, _keys(1, 2));
        bytes memory good = signatures[1];
        (bytes32 r, bytes32 s, uint8 v) = _split(good);
        bytes32 highS = bytes32(SECP256K1_N - uint256(s));
        bytes[] memory bad = new bytes[](10);
        bad[0] = "";
        bad[1] = abi.encodePacked(r, s);
        bad[2] = abi.encodePacked(r, s, v, uint8(0));
        bad[3] = abi.encodePacked(r, s, uint8(29));
        bad[4] = abi.encodePacked(r, s, uint8(2));
        bad[5] = abi.encodePacked(r, s, uint8(255));
        bad[6] = abi.encodePacked(r, highS, v == 27 ? uint8(28) : uint8(27));
        bad[7] = abi.encodePacked(r, highS, v == 27 ? uint8(1) : uint8(0));
        bad[8] = abi.encodePacked(bytes32(0), bytes32(0), v);
        bad[9] = abi.encodePacked(r, s | bytes32(uint256(1) << 255), v);
        for (uint256 i = 0; i < bad.length; i++) {
            signatures[1] = bad[i];
            vm.expectRevert(abi.encodeWithSelector(IKMSRegistry.BadSignature.selector, 1));
            kms.activate(0, SECRET_HASH, _until(), signatures);
        }
        signatures[1] = good;
        kms.activate(0, SECRET_HASH, _until(), signatures);
    }

    function test_signaturesOfAnotherPurposeChainOrRegistryActivateNothing() public {
        _join(3);
        _openGenesis();
        uint64 until = _until();
        _expectForeign(_sign(_rotateText(0, until), _keys(1, 3)));
        _expectForeign(_sign(_endorseText(1, SECRET_HASH, until), _keys(1, 3)));
        _expectForeign(_sign(_endorseText(0, keccak256("other"), until), _keys(1, 3)));
        _expectForeign(_sign(_endorseText(0, SECRET_HASH, until + 1), _keys(1, 3)));
        uint256 chain = block.chainid;
        vm.chainId(8453);
        bytes[] memory signatures = _endorsements(0, SECRET_HASH, _keys(1, 3));
        vm.chainId(chain);
        _expectForeign(signatures);
        KMSRegistry own = kms;
        kms = _newProxy();
        signatures = _endorsements(0, SECRET_HASH, _keys(1, 3));
        kms = own;
        _expectForeign(signatures);
        _activate(0, SECRET_HASH, _keys(1, 3));
    }

    function testFuzz_S_H5_onlyAMajorityOfEligibleActivates(uint256 seed) public {
        uint256 count = 3 + seed % 6;
        uint256 evil = (seed >> 8) % 3;
        _join(count);
        for (uint256 i = 0; i < evil; i++) {
            _joinKey(100 + i, EVIL_VERSION);
        }
        _openGenesis();
        uint256 signers = (seed >> 16) % (count + 1);
        bool withEvil = evil != 0 && (seed >> 24) % 2 == 1;
        uint256[] memory keys = _keys(1, signers + (withEvil ? 1 : 0));
        if (withEvil) keys[signers] = 100;
        bytes[] memory signatures = _endorsements(0, SECRET_HASH, keys);
        uint256 needed = kms.majority();
        bool enough = signers >= needed && !withEvil;
        try kms.activate(0, SECRET_HASH, _until(), signatures) {
            vm.assertTrue(enough, "activated without a majority of eligible operators");
        } catch {
            vm.assertFalse(enough, "refused a majority of eligible operators");
        }
    }

    function test_rotationByOwnerKeepsThePreviousEpoch() public {
        vm.expectRevert(IKMSRegistry.NoActiveEpoch.selector);
        _asOwner();
        kms.requestRotation();
        _born();
        vm.expectRevert(abi.encodeWithSelector(OwnableUpgradeable.OwnableUnauthorizedAccount.selector, address(this)));
        kms.requestRotation();
        _asOwner();
        vm.assertEq(kms.requestRotation(), 1);
        vm.expectRevert(abi.encodeWithSelector(IKMSRegistry.EpochAlreadyOpen.selector, 1));
        _asOwner();
        kms.requestRotation();
        vm.assertEq(kms.masterSecretHash(), SECRET_HASH);

        bytes32 next = keccak256("next");
        _activate(1, next, _keys(2, 3));
        vm.assertEq(uint256(kms.getEpoch(0).state), uint256(IKMSRegistry.EpochState.PREVIOUS));
        vm.assertEq(uint256(kms.getEpoch(1).state), uint256(IKMSRegistry.EpochState.ACTIVE));
        vm.assertEq(kms.secretHash(0), SECRET_HASH);
        vm.assertEq(kms.masterSecretHash(), next);
    }

    function test_rotationByAMajorityOfEligible() public {
        _born();
        bytes[] memory one = _sign(_rotateText(1, _until()), _keys(1, 1));
        vm.expectRevert(abi.encodeWithSelector(IKMSRegistry.TooFewSignatures.selector, 1, 2));
        kms.requestRotationBySignatures(_until(), one);

        bytes[] memory two = _sign(_rotateText(1, _until()), _keys(1, 2));
        vm.assertEq(kms.requestRotationBySignatures(_until(), two), 1);
        _activate(1, keccak256("next"), _keys(1, 2));
        vm.expectRevert(); // the text opened epoch 1 and opens no other
        kms.requestRotationBySignatures(_until(), two);
        vm.assertEq(kms.epochCount(), 2);
    }

    function test_U_12_clusterRotatesAfterThreeRestarts() public {
        _born();
        for (uint256 restart = 1; restart <= 3; restart++) {
            for (uint256 node = 1; node <= 3; node++) {
                _joinAt(restart * 10 + node, VERSION, string.concat("https://node-", vm.toString(node), ".example.org"));
            }
        }
        kms.requestRotationBySignatures(_until(), _sign(_rotateText(1, _until()), _keys(31, 32)));
        _activate(1, keccak256("next"), _keys(32, 33));
        vm.assertEq(kms.masterSecretHash(), keccak256("next"));
    }

    function test_unopenedEpochsReadAsNone() public {
        _born();
        IKMSRegistry.Epoch memory epoch = kms.getEpoch(77);
        vm.assertEq(epoch.id, 77);
        vm.assertEq(uint256(epoch.state), uint256(IKMSRegistry.EpochState.NONE));
        vm.assertEq(kms.secretHash(77), 0);
        vm.assertEq(kms.secretHash(type(uint256).max), 0);
        bytes[] memory signatures = _endorsements(type(uint256).max, SECRET_HASH, _keys(1, 2));
        vm.expectRevert(abi.encodeWithSelector(IKMSRegistry.EpochNotOpen.selector, type(uint256).max));
        kms.activate(type(uint256).max, SECRET_HASH, _until(), signatures);
    }

    function _expectActivate(uint256[] memory keys, bytes memory reason) private {
        bytes[] memory signatures = _endorsements(0, SECRET_HASH, keys);
        vm.expectRevert(reason);
        kms.activate(0, SECRET_HASH, _until(), signatures);
    }

    function _expectActivateAnyRevert(uint256[] memory keys) private {
        bytes[] memory signatures = _endorsements(0, SECRET_HASH, keys);
        (bool activated, bytes memory reason) =
            address(kms).call(abi.encodeCall(kms.activate, (0, SECRET_HASH, _until(), signatures)));
        vm.assertFalse(activated);
        vm.assertEq(bytes32(bytes4(reason)), bytes32(IKMSRegistry.NotEligible.selector));
    }

    function _expectForeign(bytes[] memory signatures) private {
        (bool activated,) = address(kms).call(abi.encodeCall(kms.activate, (0, SECRET_HASH, _until(), signatures)));
        vm.assertFalse(activated);
    }

    function _split(bytes memory signature) private pure returns (bytes32 r, bytes32 s, uint8 v) {
        assembly ("memory-safe") {
            r := mload(add(signature, 32))
            s := mload(add(signature, 64))
            v := byte(0, mload(add(signature, 96)))
        }
    }
}
