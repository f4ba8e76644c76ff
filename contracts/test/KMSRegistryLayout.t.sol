// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {KMSRegistryState, KMSRegistryStorage} from "../src/KMSRegistryStorage.sol";
import {IKMSRegistry} from "../src/interfaces/IKMSRegistry.sol";
import {Cluster} from "./support/Cluster.sol";
import {vm} from "./support/Vm.sol";

/// Carries the namespaced struct as an ordinary variable, so that the compiler describes its layout.
contract KMSRegistryLayoutProbe {
    KMSRegistryState internal state;
}

/// An upgrade reads what the release before it wrote.
contract KMSRegistryLayoutTest is Cluster {
    string private constant ARTIFACT = "out/KMSRegistryLayout.t.sol/KMSRegistryLayoutProbe.json";

    function test_X_8_stateOnlyGrowsSinceRelease01() public view {
        string memory committed = vm.readFile("test/layout/0.1/KMSRegistryState.txt");
        string memory now_ = _layoutOf("KMSRegistryState");
        vm.assertTrue(_startsWith(bytes(now_), bytes(committed)), now_);
    }

    function test_X_8_recordsAreThoseOfRelease01() public view {
        vm.assertEq(_layoutOf("EpochRecord"), vm.readFile("test/layout/0.1/EpochRecord.txt"));
        vm.assertEq(_layoutOf("ChangeRecord"), vm.readFile("test/layout/0.1/ChangeRecord.txt"));
    }

    function test_X_8_storedEnumsKeepTheirNumbers() public pure {
        vm.assertEq(uint256(IKMSRegistry.EpochState.OPEN), 1);
        vm.assertEq(uint256(IKMSRegistry.EpochState.ACTIVE), 2);
        vm.assertEq(uint256(IKMSRegistry.EpochState.PREVIOUS), 3);
        vm.assertEq(uint256(IKMSRegistry.EpochState.RETIRED), 4);
        vm.assertEq(uint256(IKMSRegistry.EpochState.LOST), 5);
        vm.assertEq(uint256(IKMSRegistry.ChangeKind.UPGRADE), 1);
        vm.assertEq(uint256(IKMSRegistry.ChangeKind.REGISTRY), 2);
        vm.assertEq(uint256(IKMSRegistry.ChangeKind.APPROVE_MEASUREMENT), 3);
        vm.assertEq(uint256(IKMSRegistry.ChangeKind.REMOVE_MEASUREMENT), 4);
        vm.assertEq(uint256(IKMSRegistry.ChangeKind.GUARDIANS), 5);
        vm.assertEq(uint256(IKMSRegistry.ChangeKind.RETIRE_EPOCH), 6);
        vm.assertEq(uint256(IKMSRegistry.ChangeKind.RESET), 7);
        vm.assertEq(uint256(IKMSRegistry.ChangeState.SCHEDULED), 1);
        vm.assertEq(uint256(IKMSRegistry.ChangeState.EXECUTED), 2);
        vm.assertEq(uint256(IKMSRegistry.ChangeState.CANCELLED), 3);
        vm.assertEq(uint256(IKMSRegistry.ChangeState.VETOED), 4);
    }

    function test_X_8_stateLivesInItsNamespace() public {
        _join(1);
        bytes32 expected =
            keccak256(abi.encode(uint256(keccak256("nova-kms.storage.KMSRegistry")) - 1)) & ~bytes32(uint256(0xff));
        vm.assertEq(KMSRegistryStorage.SLOT, expected);
        vm.assertEq(vm.load(address(kms), expected), bytes32(uint256(1) << 160 | uint256(uint160(address(registry)))));
        for (uint256 slot = 0; slot < 32; slot++) {
            vm.assertEq(vm.load(address(kms), bytes32(slot)), 0);
        }
    }

    /// One line per member: name, slot, offset, type without the compiler's running numbers.
    function _layoutOf(string memory structName) private view returns (string memory lines) {
        string memory json = vm.readFile(ARTIFACT);
        string memory members = string.concat(".storageLayout.types['", _typeOf(json, structName), "'].members[");
        for (uint256 i = 0;; i++) {
            string memory member = string.concat(members, vm.toString(i), "].");
            if (!vm.keyExistsJson(json, string.concat(member, "label"))) break;
            lines = string.concat(
                lines,
                vm.parseJsonString(json, string.concat(member, "label")),
                " ",
                vm.parseJsonString(json, string.concat(member, "slot")),
                " ",
                vm.toString(vm.parseJsonUint(json, string.concat(member, "offset"))),
                " ",
                _plain(vm.parseJsonString(json, string.concat(member, "type"))),
                "\n"
            );
        }
    }

    function _typeOf(string memory json, string memory structName) private pure returns (string memory) {
        string[] memory keys = vm.parseJsonKeys(json, ".storageLayout.types");
        bytes memory start = bytes(string.concat("t_struct(", structName, ")"));
        for (uint256 i = 0; i < keys.length; i++) {
            if (_startsWith(bytes(keys[i]), start)) return keys[i];
        }
        revert("no such struct in the layout");
    }

    /// The compiler numbers user types by place in the source: "t_enum(EpochState)123".
    function _plain(string memory name) private pure returns (string memory) {
        bytes memory from = bytes(name);
        bytes memory to = new bytes(from.length);
        uint256 size;
        bool dropping;
        for (uint256 i = 0; i < from.length; i++) {
            dropping = (dropping || (i > 0 && from[i - 1] == ")")) && from[i] >= "0" && from[i] <= "9";
            if (!dropping) to[size++] = from[i];
        }
        assembly ("memory-safe") {
            mstore(to, size)
        }
        return string(to);
    }

    function _startsWith(bytes memory text, bytes memory start) private pure returns (bool) {
        if (text.length < start.length) return false;
        for (uint256 i = 0; i < start.length; i++) {
            if (text[i] != start[i]) return false;
        }
        return true;
    }
}
