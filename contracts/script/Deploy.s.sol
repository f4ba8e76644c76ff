// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ERC1967Proxy} from "@openzeppelin/contracts/proxy/ERC1967/ERC1967Proxy.sol";

import {KMSRegistry} from "../src/KMSRegistry.sol";
import {DevZkVerifier} from "../src/dev/DevZkVerifier.sol";
import {NovaAppRegistry} from "../src/dev/NovaAppRegistry.sol";
import {ScriptVm} from "./ScriptVm.sol";

/// @title Deploys a KMSRegistry and binds it to an app of the app registry, in the only order that works
/// @notice `forge script script/Deploy.s.sol --rpc-url … --broadcast --private-key …`; the sender becomes the app's owner.
/// What was made is the return value, which forge prints.
///
///   NOVA_APP_REGISTRY   the app registry; with DEV_REGISTRY=true one is deployed instead, and ATTESTER vouches there
///   MIN_OPERATORS       live operators that genesis asks for, 2 or more
///   MEASUREMENTS        comma-separated hashes approved from the start (optional)
///   PCR0 PCR1 PCR2      of a version to enrol and approve (optional), named VERSION_NAME, found at IMAGE_URI
///   KMS_OWNER           who is offered the ownership and must accept it (optional; the sender keeps it otherwise)
///   METADATA_URI        of the app (optional)
///   DEPLOYMENT_FILE     where the addresses are written as JSON (optional; in /tmp or contracts/out)
///
/// Instances are registered after this script: the platform calls addOperator once, and a callback that comes before
/// setKmsAppId is lost for ever.
contract Deploy {
    struct Deployment {
        address novaAppRegistry;
        address zkVerifier; // 0 unless DEV_REGISTRY
        address implementation;
        address kmsRegistry;
        uint256 kmsAppId;
        uint256 versionId; // 0 when none was enrolled
        uint256 addOperatorGas;
        bytes32[] measurements;
    }

    struct Version {
        string name;
        string imageUri;
        bytes pcr0;
        bytes pcr1;
        bytes pcr2;
    }

    uint256 private constant ADD_OPERATOR_GAS_MAX = 80_000;
    ScriptVm private constant VM = ScriptVm(address(uint160(uint256(keccak256("hevm cheat code")))));

    bool public constant IS_SCRIPT = true;

    error CheckFailed(string what);

    function run() external returns (Deployment memory done) {
        Version memory version = _version();
        done.measurements = _measurements(version);

        VM.startBroadcast();
        if (VM.envOr("DEV_REGISTRY", false)) _deployDevRegistry(done);
        else done.novaAppRegistry = VM.envAddress("NOVA_APP_REGISTRY");
        _check(done.novaAppRegistry.code.length != 0, "the app registry has code");
        _deployKms(done);
        _bind(done);
        if (version.pcr0.length != 0) _enrol(done, version);
        _offerOwnership(done);
        VM.stopBroadcast();

        _measureAddOperator(done);
        _writeFile(done);
    }

    function _deployDevRegistry(Deployment memory done) private {
        DevZkVerifier verifier = new DevZkVerifier(VM.envAddress("ATTESTER"));
        NovaAppRegistry implementation = new NovaAppRegistry();
        bytes memory call = abi.encodeCall(NovaAppRegistry.initialize, (address(verifier)));
        NovaAppRegistry registry = NovaAppRegistry(address(new ERC1967Proxy(address(implementation), call)));
        _check(registry.owner() == msg.sender, "the sender owns the development registry");
        _check(address(registry.zkVerifier()) == address(verifier), "the development registry has its verifier");
        done.zkVerifier = address(verifier);
        done.novaAppRegistry = address(registry);
    }

    function _deployKms(Deployment memory done) private {
        KMSRegistry implementation = new KMSRegistry();
        uint256 minOperators = VM.envUint("MIN_OPERATORS");
        bytes memory call =
            abi.encodeCall(KMSRegistry.initialize, (msg.sender, done.novaAppRegistry, minOperators, done.measurements));
        KMSRegistry kms = KMSRegistry(address(new ERC1967Proxy(address(implementation), call)));
        _check(kms.owner() == msg.sender, "the sender owns the KMS registry");
        _check(kms.novaAppRegistry() == done.novaAppRegistry, "the KMS registry reads the app registry");
        _check(kms.minOperators() == minOperators, "the KMS registry asks for MIN_OPERATORS");
        for (uint256 i = 0; i < done.measurements.length; i++) {
            _check(kms.isMeasurementApproved(done.measurements[i]), "every measurement is approved");
        }
        done.implementation = address(implementation);
        done.kmsRegistry = address(kms);
    }

    function _bind(Deployment memory done) private {
        NovaAppRegistry registry = NovaAppRegistry(done.novaAppRegistry);
        KMSRegistry kms = KMSRegistry(done.kmsRegistry);
        done.kmsAppId = registry.createApp("nitro", done.kmsRegistry, VM.envOr("METADATA_URI", string("")));
        kms.setKmsAppId(done.kmsAppId);
        _check(kms.configured() && kms.kmsAppId() == done.kmsAppId, "the KMS registry is configured");
    }

    function _enrol(Deployment memory done, Version memory version) private {
        NovaAppRegistry registry = NovaAppRegistry(done.novaAppRegistry);
        done.versionId = registry.enrollVersion(
            done.kmsAppId, version.name, version.pcr0, version.pcr1, version.pcr2, version.imageUri, "", "", ""
        );
        _check(
            registry.getVersion(done.kmsAppId, done.versionId).codeMeasurement == _measurement(version),
            "the version has the measurement of its PCRs"
        );
    }

    function _offerOwnership(Deployment memory done) private {
        address owner = VM.envOr("KMS_OWNER", msg.sender);
        if (owner == msg.sender) return;
        KMSRegistry(done.kmsRegistry).transferOwnership(owner);
        _check(KMSRegistry(done.kmsRegistry).pendingOwner() == owner, "the ownership is offered");
    }

    /// Rehearses the callback on the state just made, with what the platform gives it, and forgets it again.
    function _measureAddOperator(Deployment memory done) private {
        uint256 snapshot = VM.snapshotState();
        address wallet = address(uint160(uint256(keccak256("a wallet that nobody has"))));
        VM.cool(done.kmsRegistry);
        VM.cool(done.implementation);
        VM.prank(done.novaAppRegistry);
        uint256 before = gasleft();
        KMSRegistry(done.kmsRegistry).addOperator{gas: ADD_OPERATOR_GAS_MAX}(wallet, done.kmsAppId, 1, 1);
        uint256 used = before - gasleft();
        _check(KMSRegistry(done.kmsRegistry).isOperator(wallet), "addOperator adds an operator");
        VM.revertToState(snapshot);
        _check(used < ADD_OPERATOR_GAS_MAX, "addOperator stays far below the 100,000 gas of the callback");
        done.addOperatorGas = used;
    }

    function _writeFile(Deployment memory done) private {
        string memory path = VM.envOr("DEPLOYMENT_FILE", string(""));
        if (bytes(path).length == 0) return;
        VM.serializeUint("deployment", "chainId", block.chainid);
        VM.serializeAddress("deployment", "novaAppRegistry", done.novaAppRegistry);
        VM.serializeAddress("deployment", "zkVerifier", done.zkVerifier);
        VM.serializeAddress("deployment", "implementation", done.implementation);
        VM.serializeAddress("deployment", "kmsRegistry", done.kmsRegistry);
        VM.serializeUint("deployment", "kmsAppId", done.kmsAppId);
        VM.serializeUint("deployment", "versionId", done.versionId);
        VM.serializeUint("deployment", "addOperatorGas", done.addOperatorGas);
        VM.writeFile(path, VM.serializeBytes32("deployment", "measurements", done.measurements));
    }

    function _version() private view returns (Version memory version) {
        version.pcr0 = VM.envOr("PCR0", bytes(""));
        if (version.pcr0.length == 0) return version;
        version.pcr1 = VM.envOr("PCR1", bytes(""));
        version.pcr2 = VM.envOr("PCR2", bytes(""));
        version.name = VM.envOr("VERSION_NAME", string("0.1.0"));
        version.imageUri = VM.envOr("IMAGE_URI", string("nova-kms:0.1.0"));
    }

    function _measurements(Version memory version) private view returns (bytes32[] memory measurements) {
        bytes32[] memory named = VM.envOr("MEASUREMENTS", ",", new bytes32[](0));
        if (version.pcr0.length == 0) return named;
        measurements = new bytes32[](named.length + 1);
        for (uint256 i = 0; i < named.length; i++) {
            measurements[i] = named[i];
        }
        measurements[named.length] = _measurement(version);
    }

    function _measurement(Version memory version) private pure returns (bytes32) {
        return keccak256(bytes.concat(version.pcr0, version.pcr1, version.pcr2));
    }

    function _check(bool holds, string memory what) private pure {
        require(holds, CheckFailed(what));
    }
}
