// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IKMSRegistry} from "./interfaces/IKMSRegistry.sol";

struct EpochRecord {
    IKMSRegistry.EpochState state;
    uint64 openedAtBlock;
    uint64 activatedAtBlock;
    uint64 activatedAt;
    bytes32 secretHash;
}

struct ChangeRecord {
    IKMSRegistry.ChangeKind kind;
    IKMSRegistry.ChangeState state;
    uint64 readyAt;
    uint64 expiresAt;
    bytes32 subject;
    bytes32 codeHash;
}

/// @dev Releases may append members, never move or remove them; `test/layout/` holds what each release had.
/// Operator set and registry address share a slot that is never zero, so that the first `addOperator` is as cheap as
/// any other: the platform calls it with 100,000 gas, once.
/// @custom:storage-location erc7201:nova-kms.storage.KMSRegistry
struct KMSRegistryState {
    address novaAppRegistry;
    uint96 operatorCount;
    uint256 kmsAppId; // 0 until configured
    uint256 minOperators;
    mapping(uint256 index => address wallet) operatorAt;
    mapping(address wallet => uint256 indexPlusOne) operatorPosition;
    EpochRecord[] epochs;
    uint256 activeEpochPlusOne;
    uint256 openEpochPlusOne;
    mapping(bytes32 measurement => bool approved) measurements;
    ChangeRecord[] changes;
    mapping(address implementation => uint256 changeIdPlusOne) announcedUpgrade;
    bytes32 guardians;
}

/// @title Where KMSRegistry keeps its state (ERC-7201)
library KMSRegistryStorage {
    /// keccak256(abi.encode(uint256(keccak256("nova-kms.storage.KMSRegistry")) - 1)) & ~bytes32(uint256(0xff))
    bytes32 internal constant SLOT = 0x45d581f7ac02d06d5ed47180e83b90bda6b1a32515e8ed6fef89a630600c4900;

    function load() internal pure returns (KMSRegistryState storage state) {
        bytes32 slot = SLOT;
        assembly ("memory-safe") {
            state.slot := slot
        }
    }
}
