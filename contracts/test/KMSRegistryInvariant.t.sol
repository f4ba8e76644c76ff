// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IKMSRegistry} from "../src/interfaces/IKMSRegistry.sol";
import {ClusterHandler} from "./support/ClusterHandler.sol";
import {vm} from "./support/Vm.sol";

/// What holds after any sequence of registrations, losses, births, rotations, retirements and resets.
contract KMSRegistryInvariantTest {
    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    ClusterHandler private handler;
    IKMSRegistry private kms;

    function setUp() public {
        handler = new ClusterHandler();
        kms = handler.target();
    }

    function targetContracts() external view returns (address[] memory contracts) {
        contracts = new address[](1);
        contracts[0] = address(handler);
    }

    function targetSelectors() external view returns (FuzzSelector[] memory targets) {
        targets = new FuzzSelector[](1);
        targets[0].addr = address(handler);
        // Twice what makes progress, so that most sequences come to a second epoch.
        bytes4[12] memory chosen = [
            handler.register.selector,
            handler.register.selector,
            handler.stop.selector,
            handler.prune.selector,
            handler.openGenesis.selector,
            handler.openGenesis.selector,
            handler.rotate.selector,
            handler.rotateBySignatures.selector,
            handler.activate.selector,
            handler.activate.selector,
            handler.retire.selector,
            handler.reset.selector
        ];
        targets[0].selectors = new bytes4[](chosen.length);
        for (uint256 i = 0; i < chosen.length; i++) {
            targets[0].selectors[i] = chosen[i];
        }
    }

    function invariant_noRuleIsEverBroken() public view {
        vm.assertEq(handler.broken(), "");
    }

    function invariant_operatorSetIsThatOfTheModel() public view {
        address[] memory wallets = kms.getOperators();
        uint256 count;
        for (uint256 key = 1; key <= handler.KEYS(); key++) {
            (,, bool inSet,,,) = handler.nodes(key);
            vm.assertTrue(kms.isOperator(vm.addr(key)) == inSet);
            if (inSet) count++;
        }
        vm.assertEq(wallets.length, count);
        vm.assertEq(kms.operatorCount(), count);
        for (uint256 i = 0; i < wallets.length; i++) {
            vm.assertTrue(kms.isOperator(wallets[i]));
            for (uint256 j = 0; j < i; j++) {
                vm.assertTrue(wallets[i] != wallets[j]);
            }
        }
    }

    function invariant_liveAndEligibleAreThoseOfTheModel() public view {
        (uint256 live, uint256 eligible) = handler.liveAndEligible();
        vm.assertEq(kms.liveOperators().length, live);
        vm.assertEq(kms.eligibleOperators().length, eligible);
    }

    function invariant_atMostOneEpochIsOpenAndOneActive() public view {
        IKMSRegistry.Epoch[] memory epochs = kms.clusterView().epochs;
        uint256 open;
        uint256 active;
        bytes32 current;
        for (uint256 i = 0; i < epochs.length; i++) {
            vm.assertEq(epochs[i].id, i);
            vm.assertTrue(epochs[i].state != IKMSRegistry.EpochState.NONE);
            vm.assertEq(epochs[i].secretHash, handler.hashOnceActive(i));
            if (epochs[i].state == IKMSRegistry.EpochState.OPEN) open++;
            if (epochs[i].state != IKMSRegistry.EpochState.ACTIVE) continue;
            active++;
            current = epochs[i].secretHash;
        }
        vm.assertTrue(open <= 1 && active <= 1);
        vm.assertEq(kms.masterSecretHash(), current);
        vm.assertTrue(epochs.length >= handler.highestEpochCount());
    }
}
