// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {AppRegistryReader} from "../src/AppRegistryReader.sol";
import {IKMSRegistry} from "../src/interfaces/IKMSRegistry.sol";
import {INovaAppRegistry} from "../src/interfaces/INovaAppRegistry.sol";
import {Cluster} from "./support/Cluster.sol";
import {vm} from "./support/Vm.sol";

/// What one eth_call shows, whatever the app registry answers.
contract KMSRegistryLensesTest is Cluster {
    struct NineFieldApp {
        uint256 id;
        address owner;
        bytes32 teeArch;
        address dappContract;
        string metadataUri;
        uint256 latestVersionId;
        uint256 createdAt;
        INovaAppRegistry.AppStatus status;
        address appWallet;
    }

    bytes4 private constant BY_WALLET = INovaAppRegistry.getInstanceByWallet.selector;
    bytes4 private constant VERSIONS = INovaAppRegistry.getVersion.selector;
    bytes4 private constant APPS = INovaAppRegistry.getApp.selector;

    function test_clusterViewShowsTheWholeClusterInOneBlock() public {
        _born();
        _joinKey(4, EVIL_VERSION);
        registry.setTeePubkey(vm.addr(2), hex"3076");
        IKMSRegistry.ClusterView memory cluster = kms.clusterView();
        vm.assertEq(cluster.blockNumber, block.number);
        vm.assertEq(cluster.blockTimestamp, block.timestamp);
        vm.assertEq(cluster.chainId, block.chainid);
        vm.assertEq(cluster.novaAppRegistry, address(registry));
        vm.assertEq(cluster.kmsAppId, APP);
        vm.assertTrue(cluster.configured);
        vm.assertEq(cluster.minOperators, MIN);
        vm.assertEq(cluster.majority, 2);
        vm.assertEq(cluster.operators.length, 4);
        IKMSRegistry.OperatorView memory second = cluster.operators[1];
        vm.assertEq(second.wallet, vm.addr(2));
        vm.assertEq(second.instanceId, 2);
        vm.assertEq(second.versionId, VERSION);
        vm.assertEq(second.operator, address(0xB0B));
        vm.assertEq(second.instanceUrl, "https://node-2.example.org");
        vm.assertEq(second.teePubkey, hex"3076");
        vm.assertEq(second.codeMeasurement, MEASUREMENT);
        vm.assertTrue(second.zkVerified && second.live && second.eligible && second.measurementApproved);
        vm.assertFalse(second.superseded);
        IKMSRegistry.OperatorView memory evil = cluster.operators[3];
        vm.assertFalse(evil.live || evil.eligible || evil.measurementApproved);
        vm.assertEq(cluster.epochs.length, 1);
        vm.assertEq(cluster.epochs[0].id, 0);
        vm.assertEq(cluster.epochs[0].secretHash, SECRET_HASH);
        vm.assertEq(uint256(cluster.epochs[0].state), uint256(IKMSRegistry.EpochState.ACTIVE));
    }

    function test_U_8_callerViewOfAnUnknownWalletIsZero() public view {
        IKMSRegistry.CallerView memory caller = kms.callerView(address(0xDEAD));
        vm.assertEq(caller.blockNumber, block.number);
        vm.assertEq(caller.blockTimestamp, block.timestamp);
        vm.assertEq(caller.instanceId, 0);
        vm.assertEq(caller.wallet, address(0));
        vm.assertEq(caller.appRecordId, 0);
        vm.assertEq(caller.versionRecordId, 0);
        vm.assertEq(caller.teePubkey.length, 0);
    }

    function test_R_8_callerViewReadsInstanceAppAndVersion() public {
        address wallet = vm.addr(77);
        registry.setApp(5, address(0));
        registry.setAppStatus(5, INovaAppRegistry.AppStatus.INACTIVE);
        registry.setVersion(5, 9, keccak256("app"));
        registry.setVersionStatus(5, 9, INovaAppRegistry.VersionStatus.DEPRECATED);
        registry.bind(wallet, 5, 9, address(this), "https://app.example.org");
        IKMSRegistry.CallerView memory caller = kms.callerView(wallet);
        vm.assertEq(caller.instanceId, 1);
        vm.assertEq(caller.appId, 5);
        vm.assertEq(caller.versionId, 9);
        vm.assertEq(caller.wallet, wallet);
        vm.assertEq(caller.teePubkey.length, 120);
        vm.assertTrue(caller.zkVerified);
        vm.assertEq(uint256(caller.instanceStatus), 0);
        vm.assertEq(caller.appRecordId, 5);
        vm.assertEq(uint256(caller.appStatus), uint256(INovaAppRegistry.AppStatus.INACTIVE));
        vm.assertEq(caller.appCreatedAt, block.timestamp);
        vm.assertEq(caller.versionRecordId, 9);
        vm.assertEq(uint256(caller.versionStatus), uint256(INovaAppRegistry.VersionStatus.DEPRECATED));
        vm.assertEq(caller.codeMeasurement, keccak256("app"));
    }

    function test_R_8_unknownAppAndVersionReadAsZero() public {
        registry.bind(vm.addr(77), 1000, 1000, address(this), "https://app.example.org");
        IKMSRegistry.CallerView memory caller = kms.callerView(vm.addr(77));
        vm.assertEq(caller.appId, 1000);
        vm.assertEq(caller.appRecordId, 0);
        vm.assertEq(caller.versionRecordId, 0);
    }

    function test_R_8_aNinthFieldOfAppChangesNothing() public {
        _join(1);
        NineFieldApp memory app = NineFieldApp({
            id: APP,
            owner: address(this),
            teeArch: "nitro",
            dappContract: address(kms),
            metadataUri: "https://example.org/a-rather-long-metadata-uri-that-takes-two-words.json",
            latestVersionId: 1,
            createdAt: 1_700_000_000,
            status: INovaAppRegistry.AppStatus.REVOKED,
            appWallet: address(0xFEED)
        });
        registry.setRawAnswer(APPS, abi.encode(app));
        IKMSRegistry.CallerView memory caller = kms.callerView(vm.addr(1));
        vm.assertEq(caller.appRecordId, APP);
        vm.assertEq(caller.appCreatedAt, 1_700_000_000);
        vm.assertEq(uint256(caller.appStatus), uint256(INovaAppRegistry.AppStatus.REVOKED));
    }

    function test_R_8_stringsAtTheirLimits() public {
        _checkUrl(0, 0);
        _checkUrl(1, 1);
        _checkUrl(255, 255);
        _checkUrl(256, 256);
        _checkUrl(257, 0);
        _checkUrl(20_000, 0);
        _checkPubkey(0, 0);
        _checkPubkey(127, 127);
        _checkPubkey(128, 128);
        _checkPubkey(129, 0);
        _checkPubkey(20_000, 0);
    }

    function test_R_8_longStringsDoNotAddUp() public {
        INovaAppRegistry.RuntimeInstance memory instance = _instance();
        instance.instanceUrl = string(new bytes(50_000));
        registry.setRawAnswer(BY_WALLET, abi.encode(instance));
        _join(12);
        uint256 twelve = _viewGas();
        _join(24);
        // Answers that stayed in memory would make this three times as dear: memory costs the square of its size.
        vm.assertLt(_viewGas() * 10, twelve * 22);
    }

    function test_R_8_statusesOfANewerRegistryCountAsTheWorst() public {
        _join(3);
        bytes memory instance = abi.encode(_instance());
        registry.setRawAnswer(BY_WALLET, _withWord(instance, 1 + 8, 3));
        vm.assertEq(uint256(kms.callerView(vm.addr(1)).instanceStatus), uint256(INovaAppRegistry.InstanceStatus.FAILED));
        vm.assertEq(kms.liveOperators().length, 0);

        registry.setRawAnswer(BY_WALLET, instance);
        registry.setRawAnswer(VERSIONS, _withWord(abi.encode(_version()), 1 + 7, 200));
        vm.assertEq(uint256(kms.callerView(vm.addr(1)).versionStatus), uint256(INovaAppRegistry.VersionStatus.REVOKED));
        vm.assertEq(kms.liveOperators().length, 0);

        registry.setRawAnswer(APPS, _withWord(abi.encode(_app()), 1 + 7, type(uint256).max));
        vm.assertEq(uint256(kms.callerView(vm.addr(1)).appStatus), uint256(INovaAppRegistry.AppStatus.REVOKED));
    }

    function test_R_8_answersThatCannotBeReadAreNotReadAsEmpty() public {
        _join(1);
        bytes memory good = abi.encode(_instance());
        registry.setRawAnswer(BY_WALLET, good);
        vm.assertEq(kms.callerView(vm.addr(1)).instanceId, 1);

        _expectMalformed("");
        _expectMalformed(new bytes(31));
        _expectMalformed(new bytes(32 * 9)); // one word short of the head behind offset 0
        _expectMalformed(_withWord(good, 0, good.length));
        _expectMalformed(_withWord(good, 0, type(uint256).max));
        _expectMalformed(_withWord(good, 0, type(uint256).max - 31));
        _expectMalformed(_withWord(good, 1 + 4, good.length)); // URL behind the end
        _expectMalformed(_withWord(good, 1 + 4, type(uint256).max));
        _expectMalformed(_withWord(good, 1 + 5, type(uint256).max - 63));
        _expectMalformed(_withWord(good, 1 + 10, 1 << 40)); // URL longer than the answer
        _expectMalformed(_withWord(good, 1 + 10, type(uint256).max));

        registry.setReverting(true);
        vm.expectRevert(abi.encodeWithSelector(AppRegistryReader.RegistryCallFailed.selector, address(registry)));
        kms.callerView(vm.addr(1));
        vm.expectRevert(abi.encodeWithSelector(AppRegistryReader.RegistryCallFailed.selector, address(registry)));
        kms.clusterView();
        registry.setReverting(false);
        registry.setRawAnswer(BY_WALLET, good);
        kms.clusterView();
    }

    function testFuzz_R_8_anyAnswerIsReadOrRefused(bytes calldata answer) public {
        registry.setRawAnswer(BY_WALLET, answer);
        try kms.callerView(vm.addr(1)) {}
        catch (bytes memory reason) {
            vm.assertEq(bytes32(bytes4(reason)), bytes32(AppRegistryReader.RegistryAnswerMalformed.selector));
        }
    }

    function testFuzz_R_8_instancesReadAsSolidityReadsThem(
        uint256 id,
        uint256 versionId,
        address operator,
        string calldata url,
        bytes calldata teePubkey,
        address wallet,
        bool zkVerified,
        uint8 status
    ) public {
        INovaAppRegistry.RuntimeInstance memory instance = INovaAppRegistry.RuntimeInstance({
            id: id,
            appId: APP,
            versionId: versionId,
            operator: operator,
            instanceUrl: url,
            teePubkey: teePubkey,
            teeWalletAddress: wallet,
            zkVerified: zkVerified,
            status: INovaAppRegistry.InstanceStatus(status % 3),
            registeredAt: 1
        });
        vm.prank(address(registry));
        kms.addOperator(address(0xD00D), APP, VERSION, 1);
        registry.setRawAnswer(BY_WALLET, abi.encode(instance));
        IKMSRegistry.OperatorView memory seen = kms.clusterView().operators[0];
        if (id == 0) {
            vm.assertEq(seen.instanceId, 0);
            vm.assertFalse(seen.live);
            return;
        }
        vm.assertEq(seen.instanceId, id);
        vm.assertEq(seen.versionId, versionId);
        vm.assertEq(seen.operator, operator);
        vm.assertEq(seen.instanceUrl, bytes(url).length <= 256 ? url : "");
        vm.assertEq(seen.teePubkey, teePubkey.length <= 128 ? teePubkey : bytes(""));
        vm.assertEq(seen.zkVerified ? 1 : 0, zkVerified ? 1 : 0);
        vm.assertEq(uint256(seen.instanceStatus), status % 3);
        vm.assertEq(kms.callerView(address(0xD00D)).wallet, wallet);
    }

    function _viewGas() private view returns (uint256) {
        kms.clusterView(); // warms the storage
        uint256 before = gasleft();
        kms.clusterView();
        return before - gasleft();
    }

    function _checkUrl(uint256 size, uint256 shown) private {
        INovaAppRegistry.RuntimeInstance memory instance = _instance();
        bytes memory url = new bytes(size);
        if (size != 0) url[size - 1] = "x";
        instance.instanceUrl = string(url);
        registry.setRawAnswer(BY_WALLET, abi.encode(instance));
        vm.prank(address(registry));
        kms.addOperator(vm.addr(1), APP, VERSION, 1);
        bytes memory seen = bytes(kms.clusterView().operators[0].instanceUrl);
        vm.assertEq(seen.length, shown);
        if (shown != 0) vm.assertEq(seen, url);
    }

    function _checkPubkey(uint256 size, uint256 shown) private {
        INovaAppRegistry.RuntimeInstance memory instance = _instance();
        instance.teePubkey = new bytes(size);
        registry.setRawAnswer(BY_WALLET, abi.encode(instance));
        vm.assertEq(kms.callerView(vm.addr(1)).teePubkey.length, shown);
        vm.assertEq(kms.clusterView().operators[0].teePubkey.length, shown);
    }

    function _expectMalformed(bytes memory answer) private {
        registry.setRawAnswer(BY_WALLET, answer);
        bytes memory reason =
            abi.encodeWithSelector(AppRegistryReader.RegistryAnswerMalformed.selector, address(registry));
        vm.expectRevert(reason);
        kms.callerView(vm.addr(1));
        vm.expectRevert(reason);
        kms.clusterView();
    }

    function _withWord(bytes memory answer, uint256 index, uint256 value) private pure returns (bytes memory changed) {
        changed = bytes.concat(answer);
        assembly ("memory-safe") {
            mstore(add(add(changed, 32), mul(index, 32)), value)
        }
    }

    function _instance() private pure returns (INovaAppRegistry.RuntimeInstance memory) {
        return INovaAppRegistry.RuntimeInstance({
            id: 1,
            appId: APP,
            versionId: VERSION,
            operator: address(0xB0B),
            instanceUrl: "https://node.example.org",
            teePubkey: new bytes(120),
            teeWalletAddress: vm.addr(1),
            zkVerified: true,
            status: INovaAppRegistry.InstanceStatus.ACTIVE,
            registeredAt: 1
        });
    }

    function _version() private pure returns (INovaAppRegistry.AppVersion memory version) {
        version.id = VERSION;
        version.versionName = "0.1.0";
        version.codeMeasurement = MEASUREMENT;
    }

    function _app() private view returns (INovaAppRegistry.App memory app) {
        app.id = APP;
        app.dappContract = address(kms);
    }
}
