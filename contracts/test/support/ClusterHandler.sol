// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IKMSRegistry} from "../../src/interfaces/IKMSRegistry.sol";
import {INovaAppRegistry} from "../../src/interfaces/INovaAppRegistry.sol";
import {Cluster} from "./Cluster.sol";
import {vm} from "./Vm.sol";

/// @title Drives a cluster at random and keeps its own books of what must be true
/// @dev Twelve keys at five places on two versions, one of which is not approved. What is live and eligible is computed
/// here a second time, from these books alone.
contract ClusterHandler is Cluster {
    struct Node {
        bool registered;
        bool active;
        bool inSet;
        uint256 versionId;
        uint256 place;
        uint256 order; // of registration
    }

    uint256 public constant KEYS = 12;
    mapping(uint256 key => Node) public nodes;
    mapping(uint256 epoch => bytes32) public hashOnceActive;
    uint256 public highestEpochCount;
    uint256 public activations;
    uint256 public resets;
    string public broken; // the first rule that was seen broken, if any
    uint256 private _registrations;

    constructor() {
        setUp();
        for (uint256 key = 1; key <= 3; key++) {
            _register(key, VERSION, key);
        }
    }

    function target() external view returns (IKMSRegistry) {
        return kms;
    }

    function register(uint256 key, uint256 version, uint256 place) external {
        _register(1 + key % KEYS, version % 4 == 0 ? EVIL_VERSION : VERSION, place % 5);
    }

    function stop(uint256 key, bool callbackLost) external {
        key = 1 + key % KEYS;
        Node storage node = nodes[key];
        if (!node.active) return;
        registry.setInstanceStatus(vm.addr(key), INovaAppRegistry.InstanceStatus.FAILED);
        node.active = false;
        if (callbackLost) return;
        registry.callRemoveOperator(address(kms), vm.addr(key), APP);
        node.inSet = false;
    }

    function prune(uint256 key) external {
        key = 1 + key % KEYS;
        try kms.pruneOperator(vm.addr(key)) {
            if (nodes[key].active) broken = "an active operator was pruned";
            nodes[key].inSet = false;
        } catch {}
    }

    function openGenesis() external {
        (uint256 live,) = _counts();
        _asOwner();
        try kms.openGenesis() {
            if (live < MIN) broken = "genesis opened below minOperators";
        } catch {}
        _note();
    }

    function rotate() external {
        _asOwner();
        try kms.requestRotation() {} catch {}
        _note();
    }

    function rotateBySignatures(uint256 signers) external {
        uint256 epoch = kms.epochCount();
        uint256[] memory keys = _subset(signers);
        bool allowed = _isMajorityOfEligible(keys);
        bytes[] memory signatures = _sign(_rotateText(epoch, _until()), keys);
        try kms.requestRotationBySignatures(_until(), signatures) {
            if (!allowed) broken = "rotated without a majority";
        } catch {}
        _note();
    }

    function activate(uint256 signers, bytes32 hash, bool everybody) external {
        uint256 count = kms.epochCount();
        if (count == 0 || hash == 0) return;
        uint256[] memory keys = everybody ? _eligibleKeys() : _subset(signers);
        bool allowed = _isMajorityOfEligible(keys);
        bytes[] memory signatures = _endorsements(count - 1, hash, keys);
        try kms.activate(count - 1, hash, _until(), signatures) {
            if (!allowed) broken = "activated without a majority of eligible operators";
            if (hashOnceActive[count - 1] != 0) broken = "an epoch was activated twice";
            hashOnceActive[count - 1] = hash;
            activations++;
        } catch {
            bool open = kms.getEpoch(count - 1).state == IKMSRegistry.EpochState.OPEN;
            if (allowed && open) broken = "a majority of eligible operators was refused";
        }
    }

    function retire(uint256 epoch) external {
        epoch = epoch % (kms.epochCount() + 1);
        IKMSRegistry.EpochState state = kms.getEpoch(epoch).state;
        _asOwner();
        try kms.scheduleRetirement(epoch) returns (uint256 id) {
            if (state != IKMSRegistry.EpochState.PREVIOUS) broken = "a retirement of no previous epoch was scheduled";
            _executeLater(id);
        } catch {}
    }

    function reset(uint256 vetoer) external {
        _asOwner();
        uint256 id = kms.scheduleReset();
        uint256 key = 1 + vetoer % KEYS;
        bool eligible = _isEligible(key);
        uint256[] memory keys = _keys(key, key);
        bytes[] memory signatures = _sign(_vetoText(id, _until()), keys);
        try kms.veto(id, _until(), signatures) {
            if (!eligible) broken = "a reset was vetoed by who may not";
        } catch {
            if (eligible) broken = "an eligible operator could not veto a reset";
            if (vetoer % 3 == 0) _executeLater(id);
            resets++;
        }
    }

    function _executeLater(uint256 id) private {
        _afterDelay();
        _asOwner();
        kms.execute(id);
    }

    function _register(uint256 key, uint256 version, uint256 place) private {
        Node storage node = nodes[key];
        if (node.registered) return;
        _joinAt(key, version, string.concat("https://node-", vm.toString(place), ".example.org"));
        nodes[key] = Node(true, true, true, version, place, ++_registrations);
    }

    function _note() private {
        if (kms.epochCount() < highestEpochCount) broken = "the number of epochs fell";
        highestEpochCount = kms.epochCount();
    }

    function _subset(uint256 bits) private pure returns (uint256[] memory keys) {
        uint256 count;
        for (uint256 key = 1; key <= KEYS; key++) {
            if (bits >> key & 1 == 1) count++;
        }
        keys = new uint256[](count);
        for (uint256 key = KEYS; key > 0; key--) {
            if (bits >> key & 1 == 1) keys[--count] = key;
        }
    }

    function _eligibleKeys() private view returns (uint256[] memory) {
        uint256 bits;
        for (uint256 key = 1; key <= KEYS; key++) {
            if (_isEligible(key)) bits |= 1 << key;
        }
        return _subset(bits);
    }

    function _isMajorityOfEligible(uint256[] memory keys) private view returns (bool) {
        (uint256 live,) = _counts();
        for (uint256 i = 0; i < keys.length; i++) {
            if (!_isEligible(keys[i])) return false;
        }
        return keys.length * 2 > live && keys.length * 2 > MIN;
    }

    function _counts() private view returns (uint256 live, uint256 eligible) {
        for (uint256 key = 1; key <= KEYS; key++) {
            if (_isLive(key)) live++;
            if (_isEligible(key)) eligible++;
        }
    }

    function _isLive(uint256 key) private view returns (bool) {
        Node storage node = nodes[key];
        if (!node.active || !node.inSet || node.versionId != VERSION) return false;
        for (uint256 other = 1; other <= KEYS; other++) {
            Node storage newer = nodes[other];
            if (newer.active && newer.inSet && newer.place == node.place && newer.order > node.order) return false;
        }
        return true;
    }

    function _isEligible(uint256 key) private view returns (bool) {
        return _isLive(key);
    }

    function liveAndEligible() external view returns (uint256 live, uint256 eligible) {
        return _counts();
    }
}
