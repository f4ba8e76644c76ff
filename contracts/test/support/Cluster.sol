// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ERC1967Proxy} from "@openzeppelin/contracts/proxy/ERC1967/ERC1967Proxy.sol";

import {KMSRegistry} from "../../src/KMSRegistry.sol";
import {INovaAppRegistry} from "../../src/interfaces/INovaAppRegistry.sol";
import {ScriptedAppRegistry} from "./ScriptedAppRegistry.sol";
import {Vm, vm} from "./Vm.sol";

/// @title A configured KMSRegistry behind its proxy, and operators whose keys the test holds
/// @dev Texts are built here from the interface's comment, not with the library under test.
abstract contract Cluster {
    uint256 internal constant APP = 43;
    uint256 internal constant VERSION = 1;
    uint256 internal constant EVIL_VERSION = 2;
    uint256 internal constant MIN = 3;
    bytes32 internal constant MEASUREMENT = keccak256("measurement");
    bytes32 internal constant EVIL_MEASUREMENT = keccak256("evil measurement");
    bytes32 internal constant SECRET_HASH = keccak256("secret");
    address internal constant OWNER = address(0xA11CE);

    ScriptedAppRegistry internal registry;
    KMSRegistry internal implementation;
    KMSRegistry internal kms;

    function setUp() public virtual {
        vm.warp(1_770_000_000);
        vm.roll(1_000_000);
        registry = new ScriptedAppRegistry();
        // From the artifact: `new` would compile the contract once more into every test contract.
        implementation = KMSRegistry(vm.deployCode("KMSRegistry.sol:KMSRegistry"));
        kms = _newProxy();
        registry.setApp(APP, address(kms));
        registry.setVersion(APP, VERSION, MEASUREMENT);
        registry.setVersion(APP, EVIL_VERSION, EVIL_MEASUREMENT);
        vm.prank(OWNER);
        kms.setKmsAppId(APP);
    }

    function _newProxy() internal returns (KMSRegistry) {
        bytes memory call = abi.encodeCall(KMSRegistry.initialize, (OWNER, address(registry), MIN, _list(MEASUREMENT)));
        return KMSRegistry(address(new ERC1967Proxy(address(implementation), call)));
    }

    /// Keys 1 … n, each an operator on the approved version at its own URL.
    function _join(uint256 count) internal {
        for (uint256 key = 1; key <= count; key++) {
            _joinKey(key, VERSION);
        }
    }

    function _joinKey(uint256 key, uint256 versionId) internal returns (address wallet) {
        return _joinAt(key, versionId, string.concat("https://node-", vm.toString(key), ".example.org"));
    }

    function _joinAt(uint256 key, uint256 versionId, string memory url) internal returns (address wallet) {
        wallet = vm.addr(key);
        registry.bind(wallet, APP, versionId, address(0xB0B), url);
        registry.callAddOperator(address(kms), wallet, APP);
    }

    function _stop(uint256 key) internal {
        registry.setInstanceStatus(vm.addr(key), INovaAppRegistry.InstanceStatus.STOPPED);
        registry.callRemoveOperator(address(kms), vm.addr(key), APP);
    }

    function _openGenesis() internal returns (uint256) {
        vm.prank(OWNER);
        return kms.openGenesis();
    }

    /// Opens genesis with three operators and activates it with two.
    function _born() internal {
        _join(3);
        _activate(_openGenesis(), SECRET_HASH, _keys(1, 2));
    }

    function _activate(uint256 epoch, bytes32 hash, uint256[] memory keys) internal {
        kms.activate(epoch, hash, _until(), _endorsements(epoch, hash, keys));
    }

    function _endorsements(uint256 epoch, bytes32 hash, uint256[] memory keys) internal view returns (bytes[] memory) {
        return _sign(_endorseText(epoch, hash, _until()), keys);
    }

    function _veto(uint256 changeId, uint256[] memory keys) internal {
        kms.veto(changeId, _until(), _sign(_vetoText(changeId, _until()), keys));
    }

    function _until() internal view returns (uint64) {
        return uint64(block.number + 100);
    }

    function _endorseText(uint256 epoch, bytes32 hash, uint64 until) internal view returns (string memory) {
        return _text("Endorse", string.concat(vm.toString(epoch), ":", vm.toString(hash)), until);
    }

    function _rotateText(uint256 epoch, uint64 until) internal view returns (string memory) {
        return _text("Rotate", vm.toString(epoch), until);
    }

    function _vetoText(uint256 changeId, uint64 until) internal view returns (string memory) {
        return _text("Veto", vm.toString(changeId), until);
    }

    function _removeText(bytes32 measurement, uint64 until) internal view returns (string memory) {
        return _text("RemoveMeasurement", vm.toString(measurement), until);
    }

    function _text(string memory purpose, string memory subject, uint64 until) internal view returns (string memory) {
        string memory proxy = vm.toLowercase(vm.toString(address(kms)));
        string memory chain = vm.toString(block.chainid);
        return
            string.concat("NovaKMS:", purpose, ":", chain, ":", proxy, ":", subject, ":", vm.toString(uint256(until)));
    }

    /// One signature per key, ordered by ascending signer as the contract asks.
    function _sign(string memory text, uint256[] memory keys) internal pure returns (bytes[] memory signatures) {
        uint256[] memory sorted = _sorted(keys);
        signatures = new bytes[](sorted.length);
        for (uint256 i = 0; i < sorted.length; i++) {
            signatures[i] = _signature(text, sorted[i]);
        }
    }

    function _signature(string memory text, uint256 key) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, _digest(text));
        return abi.encodePacked(r, s, v);
    }

    function _digest(string memory text) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked("\x19Ethereum Signed Message:\n", vm.toString(bytes(text).length), text));
    }

    function _sorted(uint256[] memory keys) internal pure returns (uint256[] memory) {
        for (uint256 i = 1; i < keys.length; i++) {
            for (uint256 j = i; j > 0 && vm.addr(keys[j - 1]) > vm.addr(keys[j]); j--) {
                (keys[j - 1], keys[j]) = (keys[j], keys[j - 1]);
            }
        }
        return keys;
    }

    function _keys(uint256 first, uint256 last) internal pure returns (uint256[] memory keys) {
        keys = new uint256[](last + 1 - first);
        for (uint256 i = 0; i < keys.length; i++) {
            keys[i] = first + i;
        }
    }

    function _list(bytes32 value) internal pure returns (bytes32[] memory values) {
        values = new bytes32[](1);
        values[0] = value;
    }

    function _list(bytes memory value) internal pure returns (bytes[] memory values) {
        values = new bytes[](1);
        values[0] = value;
    }

    function _asOwner() internal {
        vm.prank(OWNER);
    }

    function _afterDelay() internal {
        vm.warp(block.timestamp + kms.DELAY());
    }
}
