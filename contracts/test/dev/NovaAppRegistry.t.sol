// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ERC1967Proxy} from "@openzeppelin/contracts/proxy/ERC1967/ERC1967Proxy.sol";

import {KMSRegistry} from "../../src/KMSRegistry.sol";
import {DevZkVerifier} from "../../src/dev/DevZkVerifier.sol";
import {INovaApp} from "../../src/dev/INovaApp.sol";
import {IZkVerifier} from "../../src/dev/IZkVerifier.sol";
import {NovaAppRegistry} from "../../src/dev/NovaAppRegistry.sol";
import {IKMSRegistry} from "../../src/interfaces/IKMSRegistry.sol";
import {INovaAppRegistry} from "../../src/interfaces/INovaAppRegistry.sol";
import {Vm, vm} from "../support/Vm.sol";

/// An app contract that answers every callback as a test tells it to.
contract RecordingApp is INovaApp {
    bool public failing;
    bool public burning;
    uint256 public added;
    uint256 public removed;
    uint256 public gasGiven;

    function set(bool failing_, bool burning_) external {
        failing = failing_;
        burning = burning_;
    }

    function addOperator(address, uint256, uint256, uint256) external {
        gasGiven = gasleft();
        _answer();
        added++;
    }

    function removeOperator(address, uint256, uint256, uint256) external {
        _answer();
        removed++;
    }

    function _answer() private view {
        require(!failing, "no");
        while (burning) {}
    }
}

/// The platform's registry as the development chain has it: its ABI, its rules and its quirks.
contract NovaAppRegistryTest {
    uint256 private constant ATTESTER_KEY = 0xA77E57;
    bytes4 private constant STRING_ERROR = 0x08c379a0;

    NovaAppRegistry private registry;
    RecordingApp private dapp;
    uint256 private app;
    uint256 private version;

    function setUp() public {
        vm.warp(1_770_000_000);
        registry = _deploy();
        dapp = new RecordingApp();
        app = registry.createApp("nitro", address(dapp), "");
        version = _enrol(app, 1);
    }

    function test_selectorsAreThoseOfThePlatform() public pure {
        bytes4[23] memory real = [
            bytes4(0x13c417f1),
            0xc3dc8186,
            0x02662be4,
            0x977b81f6,
            0xb7da0aa2,
            0x622eecb2,
            0x79c287e4,
            0x29c9bfe5,
            0x24f3a51b,
            0x6987b075,
            0xebd348de,
            0x9863f8a2,
            0xba4f74fc,
            0x8c228cbf,
            0x849a7ebf,
            0xa5a6bbd2,
            0xca0780ed,
            0xa2f7b3a5,
            0x7431c3a2,
            0x70706ea7,
            0x1ba8065d,
            0x42165882,
            0x24f3a51b
        ];
        bytes4[23] memory ours = [
            NovaAppRegistry.createApp.selector,
            NovaAppRegistry.updateAppStatus.selector,
            NovaAppRegistry.enrollVersion.selector,
            NovaAppRegistry.deprecateVersion.selector,
            NovaAppRegistry.revokeVersion.selector,
            NovaAppRegistry.registerInstance.selector,
            NovaAppRegistry.updateInstanceStatus.selector,
            NovaAppRegistry.setAppWalletIfUnset.selector,
            NovaAppRegistry.getApp.selector,
            NovaAppRegistry.getVersion.selector,
            NovaAppRegistry.getInstance.selector,
            NovaAppRegistry.getInstanceByWallet.selector,
            NovaAppRegistry.getInstancesForVersion.selector,
            NovaAppRegistry.getActiveInstances.selector,
            NovaAppRegistry.getAppsByOwner.selector,
            NovaAppRegistry.getVersionByCodeMeasurement.selector,
            NovaAppRegistry.getLatestVersion.selector,
            bytes4(keccak256("instances(uint256)")),
            bytes4(keccak256("walletToInstance(address)")),
            INovaApp.addOperator.selector,
            INovaApp.removeOperator.selector,
            IKMSRegistry.novaAppRegistry.selector,
            INovaAppRegistry.getApp.selector
        ];
        for (uint256 i = 0; i < real.length; i++) {
            vm.assertEq(bytes32(ours[i]), bytes32(real[i]));
        }
        vm.assertEq(bytes32(IKMSRegistry.addOperator.selector), bytes32(INovaApp.addOperator.selector));
        vm.assertEq(bytes32(IKMSRegistry.removeOperator.selector), bytes32(INovaApp.removeOperator.selector));
        vm.assertEq(bytes32(INovaAppRegistry.getInstance.selector), bytes32(NovaAppRegistry.getInstance.selector));
        vm.assertEq(bytes32(INovaAppRegistry.getVersion.selector), bytes32(NovaAppRegistry.getVersion.selector));
        vm.assertEq(
            bytes32(INovaAppRegistry.getInstanceByWallet.selector),
            bytes32(NovaAppRegistry.getInstanceByWallet.selector)
        );
        vm.assertEq(
            NovaAppRegistry.AppWalletSet.selector, 0x37953ea889a7786474ae6381ffc5061b110b217eafc003a5ac7eb26e882d7e44
        );
    }

    function test_publicGettersOfThePlatformAnswer() public {
        _register(1, "https://a.example.org", 0x1111);
        string[12] memory calls = [
            "apps(uint256)",
            "ownerApps(address,uint256)",
            "nextAppId()",
            "appVersions(uint256,uint256)",
            "appVersionCount(uint256)",
            "instances(uint256)",
            "walletToInstance(address)",
            "versionInstances(uint256,uint256,uint256)",
            "nextInstanceId()",
            "zkVerifier()",
            "callbackGasLimit()",
            "getAppCount()"
        ];
        bytes[12] memory arguments = [
            abi.encode(1),
            abi.encode(address(this), 0),
            bytes(""),
            abi.encode(1, 1),
            abi.encode(1),
            abi.encode(1),
            abi.encode(address(0x1111)),
            abi.encode(1, 1, 0),
            bytes(""),
            bytes(""),
            bytes(""),
            bytes("")
        ];
        for (uint256 i = 0; i < calls.length; i++) {
            (bool answered,) =
                address(registry).staticcall(bytes.concat(bytes4(keccak256(bytes(calls[i]))), arguments[i]));
            vm.assertTrue(answered, calls[i]);
        }
        vm.assertEq(registry.callbackGasLimit(), 100_000);
        vm.assertEq(registry.nextAppId(), 2);
        vm.assertEq(registry.getVersionCount(app), 1);
    }

    function test_unknownIdsReadAsZeroAndNeverRevert() public view {
        vm.assertEq(registry.getApp(99).id, 0);
        vm.assertEq(registry.getVersion(app, 99).id, 0);
        vm.assertEq(registry.getInstance(99).id, 0);
        vm.assertEq(registry.getInstanceByWallet(address(1)).id, 0);
        vm.assertEq(registry.getLatestVersion(99).id, 0);
        vm.assertEq(registry.getActiveInstances(99).length, 0);
        vm.assertEq(uint256(registry.getInstance(99).status), 0);
    }

    function test_instanceIsRegisteredFromItsAttestation() public {
        vm.recordLogs();
        uint256 id = _register(1, "https://a.example.org", 0x1111);
        Vm.Log[] memory logs = vm.getRecordedLogs();
        vm.assertEq(logs[0].topics[0], NovaAppRegistry.InstanceWalletBound.selector);
        vm.assertEq(logs[1].topics[0], NovaAppRegistry.OperatorCallbackSuccess.selector);
        vm.assertEq(logs[2].topics[0], NovaAppRegistry.InstanceRegistered.selector);
        vm.assertEq(logs.length, 3);
        INovaAppRegistry.RuntimeInstance memory instance = registry.getInstanceByWallet(address(0x1111));
        vm.assertEq(instance.id, id);
        vm.assertEq(instance.operator, address(this));
        vm.assertEq(instance.teePubkey.length, 120);
        vm.assertEq(instance.teeWalletAddress, address(0x1111));
        vm.assertTrue(instance.zkVerified);
        vm.assertEq(uint256(instance.status), 0);
        vm.assertEq(dapp.added(), 1);
        vm.assertLt(dapp.gasGiven(), 100_000);
        vm.assertGt(dapp.gasGiven(), 90_000);
        vm.assertEq(registry.getActiveInstances(app).length, 1);
        vm.assertEq(registry.getInstancesForVersion(app, version)[0], id);
    }

    function test_aWalletRegistersOnceForEver() public {
        uint256 id = _register(1, "https://a.example.org", 0x1111);
        registry.updateInstanceStatus(id, INovaAppRegistry.InstanceStatus.STOPPED);
        vm.expectRevert(NovaAppRegistry.DuplicateTEEWallet.selector);
        _register(1, "https://a.example.org", 0x1111);
    }

    function test_aFailedCallbackIsSaidAndNeverRepeated() public {
        dapp.set(true, false);
        _expectCallbackFailed("addOperator failed");
        _register(1, "https://a.example.org", 0x1111);
        dapp.set(false, true);
        _expectCallbackFailed("addOperator failed");
        uint256 id = _register(1, "https://a.example.org", 0x2222);
        _expectCallbackFailed("removeOperator failed");
        registry.updateInstanceStatus(id, INovaAppRegistry.InstanceStatus.FAILED);
        vm.assertEq(dapp.added(), 0);
        vm.assertEq(registry.getActiveInstances(app).length, 1);
    }

    function test_revokingAVersionEmptiesTheActiveListAndNothingElse() public {
        uint256 id = _register(1, "https://a.example.org", 0x1111);
        registry.revokeVersion(app, version);
        vm.assertEq(registry.getActiveInstances(app).length, 0);
        vm.assertEq(uint256(registry.getInstance(id).status), 0);
        vm.assertEq(dapp.removed(), 0);
        vm.expectRevert(NovaAppRegistry.VersionRevoked.selector);
        _register(1, "https://a.example.org", 0x2222);
        registry.deprecateVersion(app, version);
        vm.assertEq(
            uint256(registry.getVersion(app, version).status), uint256(INovaAppRegistry.VersionStatus.DEPRECATED)
        );
        vm.expectRevert(NovaAppRegistry.VersionNotEnrolled.selector);
        _register(1, "https://a.example.org", 0x2222);
    }

    function test_instancesLeaveOnlyByStatus() public {
        uint256 id = _register(1, "https://a.example.org", 0x1111);
        vm.expectRevert(NovaAppRegistry.InvalidStatusTransition.selector);
        registry.updateInstanceStatus(id, INovaAppRegistry.InstanceStatus.ACTIVE);
        vm.expectRevert(NovaAppRegistry.NotInstanceOperator.selector);
        vm.prank(address(0xBAD));
        registry.updateInstanceStatus(id, INovaAppRegistry.InstanceStatus.STOPPED);
        vm.expectRevert(NovaAppRegistry.InstanceNotFound.selector);
        registry.updateInstanceStatus(77, INovaAppRegistry.InstanceStatus.STOPPED);
        registry.updateInstanceStatus(id, INovaAppRegistry.InstanceStatus.STOPPED);
        vm.assertEq(dapp.removed(), 1);
        vm.expectRevert(NovaAppRegistry.InvalidStatusTransition.selector);
        registry.updateInstanceStatus(id, INovaAppRegistry.InstanceStatus.FAILED);
    }

    function test_registrationRefusesWhatThePlatformRefuses() public {
        bytes memory good = _journal(1, _userData(address(0x1111)), 120);
        _expectRegister(99, 1, "https://a", good, NovaAppRegistry.AppNotFound.selector);
        _expectRegister(app, 99, "https://a", good, NovaAppRegistry.VersionNotFound.selector);
        _expectRegister(app, 1, "ftp://a", good, NovaAppRegistry.InvalidInstanceUrl.selector);
        _expectRegister(app, 1, "", good, NovaAppRegistry.InvalidInstanceUrl.selector);
        _expectRegister(
            app,
            1,
            "https://a",
            _journal(2, _userData(address(0x1111)), 120),
            NovaAppRegistry.CodeMeasurementMismatch.selector
        );
        _expectRegister(
            app,
            1,
            "https://a",
            _journal(1, _userData(address(0)), 120),
            NovaAppRegistry.InvalidTEEWalletAddress.selector
        );
        _expectRegister(
            app,
            1,
            "https://a",
            _journal(1, _userData(address(0x1111)), 0),
            NovaAppRegistry.InvalidTEEPubkeyLength.selector
        );
        _expectRegister(
            app,
            1,
            "https://a",
            _journal(1, _userData(address(0x1111)), 129),
            NovaAppRegistry.InvalidTEEPubkeyLength.selector
        );
        _expectRegister(
            app,
            1,
            "https://a",
            _journal(1, '{"eth_addr": "0x0000000000000000000000000000000000001111"}', 120),
            NovaAppRegistry.JsonParsingFailed.selector
        );
        vm.expectRevert(NovaAppRegistry.NotAppOwner.selector);
        vm.prank(address(0xBAD));
        registry.registerInstance(app, 1, "https://a", IZkVerifier.ZkCoprocessor.Succinct, good, "");
        registry.updateAppStatus(app, INovaAppRegistry.AppStatus.INACTIVE);
        _expectRegister(app, 1, "https://a", good, NovaAppRegistry.AppNotActive.selector);
        registry.updateAppStatus(app, INovaAppRegistry.AppStatus.ACTIVE);
        registry.registerInstance(app, 1, "HTTPS://a", IZkVerifier.ZkCoprocessor.Succinct, good, _proof(good));
    }

    function test_pcrsAreThereOnceAndOf48Bytes() public {
        IZkVerifier.Journal memory journal =
            abi.decode(_journal(1, _userData(address(0x1111)), 120), (IZkVerifier.Journal));
        journal.pcrs[1].index = 0;
        _expectJournal(journal, abi.encodeWithSelector(NovaAppRegistry.DuplicatePCRIndex.selector, 0));
        journal.pcrs[1].index = 8;
        _expectJournal(journal, abi.encodeWithSelector(NovaAppRegistry.MissingPCRIndex.selector, 1));
        journal.pcrs[1].index = 1;
        journal.pcrs[1].value = new bytes(47);
        _expectJournal(journal, abi.encodeWithSelector(NovaAppRegistry.InvalidPCRLength.selector, 1, 47));
        journal.pcrs[1].value = _pcr(1);
        journal.result = IZkVerifier.VerificationResult.RootCertNotTrusted;
        _expectJournal(journal, abi.encodeWithSelector(NovaAppRegistry.AttestationFailed.selector));
        journal.result = IZkVerifier.VerificationResult.Success;
        bytes memory values = abi.encode(journal);
        registry.registerInstance(app, 1, "https://a", IZkVerifier.ZkCoprocessor.RiscZero, values, _proof(values));
    }

    function test_verifierTakesItsAttestersWordOnly() public {
        bytes memory good = _journal(1, _userData(address(0x1111)), 120);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(1234, _digest(good));
        vm.expectRevert(abi.encodeWithSelector(DevZkVerifier.NotVouchedFor.selector, vm.addr(1234)));
        registry.registerInstance(
            app, 1, "https://a", IZkVerifier.ZkCoprocessor.Succinct, good, abi.encodePacked(r, s, v)
        );
        bytes memory proof = _proof(good);
        vm.expectRevert(DevZkVerifier.UnknownCoprocessor.selector);
        registry.registerInstance(app, 1, "https://a", IZkVerifier.ZkCoprocessor.Unknown, good, proof);
        bytes memory other = _journal(1, _userData(address(0x2222)), 120);
        vm.expectRevert();
        registry.registerInstance(app, 1, "https://a", IZkVerifier.ZkCoprocessor.Succinct, other, proof);
        vm.warp(block.timestamp + 30 hours);
        vm.expectRevert(NovaAppRegistry.AttestationFailed.selector);
        registry.registerInstance(app, 1, "https://a", IZkVerifier.ZkCoprocessor.Succinct, good, proof);
        vm.warp(block.timestamp - 1);
        registry.registerInstance(app, 1, "https://a", IZkVerifier.ZkCoprocessor.Succinct, good, proof);
    }

    function test_appStatusMovesAsOnThePlatform() public {
        vm.startPrank(address(0xA));
        uint256 id = registry.createApp("nitro", address(0), "ipfs://app");
        vm.expectRevert(NovaAppRegistry.InvalidStatusTransition.selector);
        registry.updateAppStatus(id, INovaAppRegistry.AppStatus.REVOKED);
        registry.updateAppStatus(id, INovaAppRegistry.AppStatus.INACTIVE);
        registry.updateAppStatus(id, INovaAppRegistry.AppStatus.ACTIVE);
        vm.stopPrank();
        vm.expectRevert(NovaAppRegistry.InvalidStatusTransition.selector);
        registry.updateAppStatus(id, INovaAppRegistry.AppStatus.INACTIVE);
        registry.updateAppStatus(id, INovaAppRegistry.AppStatus.REVOKED);
        vm.expectRevert(NovaAppRegistry.InvalidStatusTransition.selector);
        vm.prank(address(0xA));
        registry.updateAppStatus(id, INovaAppRegistry.AppStatus.ACTIVE);
        registry.updateAppStatus(id, INovaAppRegistry.AppStatus.INACTIVE);
        vm.expectRevert(NovaAppRegistry.NotAppOwner.selector);
        vm.prank(address(0xBAD));
        registry.updateAppStatus(id, INovaAppRegistry.AppStatus.ACTIVE);
    }

    function test_versionsAndAppsRefuseWhatThePlatformRefuses() public {
        bytes memory pcr = _pcr(9);
        vm.expectRevert(NovaAppRegistry.InvalidVersionName.selector);
        registry.enrollVersion(app, "", pcr, pcr, pcr, "image", "", "", "");
        vm.expectRevert(NovaAppRegistry.InvalidImageUri.selector);
        registry.enrollVersion(app, "1", pcr, pcr, pcr, "", "", "", "");
        vm.expectRevert(abi.encodeWithSelector(NovaAppRegistry.InvalidPCRLength.selector, 2, 0));
        registry.enrollVersion(app, "1", pcr, pcr, "", "image", "", "", "");
        vm.assertEq(_enrol(app, 9), 2);
        vm.assertEq(registry.getVersionByCodeMeasurement(app, keccak256(bytes.concat(pcr, pcr, pcr))), 2);
        vm.expectRevert(NovaAppRegistry.DuplicateCodeMeasurement.selector);
        _enrol(app, 9);
        vm.expectRevert(NovaAppRegistry.InvalidMetadataUri.selector);
        registry.createApp("nitro", address(0), "https://a b");
        vm.expectRevert(NovaAppRegistry.InvalidMetadataUri.selector);
        registry.createApp("nitro", address(0), "http://a");
        vm.expectRevert(abi.encodeWithSelector(STRING_ERROR, "Gas limit out of range"));
        registry.setCallbackGasLimit(49_999);
        registry.setCallbackGasLimit(50_000);
        registry.setAppWalletIfUnset(app, address(7));
        vm.assertEq(registry.getApp(app).appWallet, address(7));
        vm.expectRevert(NovaAppRegistry.AppWalletAlreadySet.selector);
        registry.setAppWalletIfUnset(app, address(8));
    }

    function testFuzz_walletIsParsedFromTheFirstEthAddr(address wallet, string calldata more) public view {
        bytes memory json = _userData(wallet);
        vm.assertEq(registry.parseEthAddr(json), wallet);
        vm.assertEq(registry.parseEthAddr(bytes.concat(json, bytes(more), _userData(address(7)))), wallet);
    }

    function test_U_13_kmsRegistryHearsOfItsOperatorsThroughTheRealCallback() public {
        KMSRegistry implementation = KMSRegistry(vm.deployCode("KMSRegistry.sol:KMSRegistry"));
        bytes32[] memory measurements = new bytes32[](1);
        measurements[0] = registry.getVersion(app, version).codeMeasurement;
        bytes memory call = abi.encodeCall(KMSRegistry.initialize, (address(this), address(registry), 2, measurements));
        KMSRegistry kms = KMSRegistry(address(new ERC1967Proxy(address(implementation), call)));
        app = registry.createApp("nitro", address(kms), "");
        version = _enrol(app, 1);
        _expectCallbackFailed("addOperator failed"); // X-6: before setKmsAppId, and lost for ever
        _register(1, "https://a.example.org", 0x1111);
        kms.setKmsAppId(app);
        registry.setCallbackGasLimit(80_000);
        for (uint160 i = 0; i < 3; i++) {
            vm.cool(address(kms));
            vm.cool(address(implementation));
            _register(1, "https://a.example.org", 0x2222 + i);
        }
        vm.assertEq(kms.operatorCount(), 3);
        vm.assertEq(kms.liveOperators().length, 1); // same operator, same URL: the newest
        IKMSRegistry.CallerView memory caller = kms.callerView(address(0x2224));
        vm.assertEq(caller.appRecordId, app); // from the 9-field App
        vm.assertEq(caller.appCreatedAt, block.timestamp);
        registry.updateInstanceStatus(caller.instanceId, INovaAppRegistry.InstanceStatus.STOPPED);
        vm.assertEq(kms.operatorCount(), 2);
        vm.assertEq(kms.liveOperators()[0], address(0x2223));
    }

    function _deploy() private returns (NovaAppRegistry) {
        DevZkVerifier verifier = new DevZkVerifier(vm.addr(ATTESTER_KEY));
        bytes memory call = abi.encodeCall(NovaAppRegistry.initialize, (address(verifier)));
        return NovaAppRegistry(address(new ERC1967Proxy(vm.deployCode("NovaAppRegistry.sol:NovaAppRegistry"), call)));
    }

    function _enrol(uint256 appId, uint8 fill) private returns (uint256) {
        return registry.enrollVersion(appId, "1.0", _pcr(fill), _pcr(fill), _pcr(fill), "image", "", "", "");
    }

    function _register(uint8 fill, string memory url, uint160 wallet) private returns (uint256) {
        bytes memory values = _journal(fill, _userData(address(wallet)), 120);
        bytes memory proof = _proof(values);
        return registry.registerInstance(app, version, url, IZkVerifier.ZkCoprocessor.Succinct, values, proof);
    }

    function _journal(uint8 fill, bytes memory userData, uint256 pubkeyBytes) private view returns (bytes memory) {
        IZkVerifier.Pcr[] memory pcrs = new IZkVerifier.Pcr[](4);
        for (uint64 i = 0; i < 4; i++) {
            pcrs[i] = IZkVerifier.Pcr(i, _pcr(fill));
        }
        return abi.encode(
            IZkVerifier.Journal({
                result: IZkVerifier.VerificationResult.Success,
                timestampMs: uint64(block.timestamp * 1000),
                userData: userData,
                publicKey: new bytes(pubkeyBytes),
                pcrs: pcrs
            })
        );
    }

    function _expectRegister(uint256 appId, uint256 versionId, string memory url, bytes memory values, bytes4 reason)
        private
    {
        bytes memory proof = _proof(values);
        vm.expectRevert(reason);
        registry.registerInstance(appId, versionId, url, IZkVerifier.ZkCoprocessor.Succinct, values, proof);
    }

    function _expectJournal(IZkVerifier.Journal memory journal, bytes memory reason) private {
        bytes memory values = abi.encode(journal);
        bytes memory proof = _proof(values);
        vm.expectRevert(reason);
        registry.registerInstance(app, 1, "https://a", IZkVerifier.ZkCoprocessor.Succinct, values, proof);
    }

    function _expectCallbackFailed(string memory reason) private {
        address target = registry.getApp(app).dappContract;
        vm.expectEmit(address(registry));
        emit NovaAppRegistry.OperatorCallbackFailed(app, target, reason);
    }

    function _proof(bytes memory values) private pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(ATTESTER_KEY, _digest(values));
        return abi.encodePacked(r, s, v);
    }

    function _digest(bytes memory values) private pure returns (bytes32) {
        return keccak256(abi.encodePacked("\x19Ethereum Signed Message:\n32", keccak256(values)));
    }

    function _userData(address wallet) private pure returns (bytes memory) {
        return bytes(string.concat('{"eth_addr":"', vm.toLowercase(vm.toString(wallet)), '"}'));
    }

    function _pcr(uint8 fill) private pure returns (bytes memory pcr) {
        pcr = new bytes(48);
        for (uint256 i = 0; i < 48; i++) {
            pcr[i] = bytes1(fill);
        }
    }
}
