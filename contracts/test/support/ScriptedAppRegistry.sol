// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IKMSRegistry} from "../../src/interfaces/IKMSRegistry.sol";
import {INovaAppRegistry} from "../../src/interfaces/INovaAppRegistry.sol";

/// @title An app registry that says what a test tells it to, with the platform's older 8-field App
contract ScriptedAppRegistry is INovaAppRegistry {
    mapping(uint256 => App) private _apps;
    mapping(uint256 => mapping(uint256 => AppVersion)) private _versions;
    mapping(uint256 => RuntimeInstance) private _instances;
    mapping(address => uint256) private _instanceOf;
    mapping(bytes4 => bytes) private _rawAnswers;
    mapping(bytes4 => bool) private _hasRawAnswer;
    bool private _reverting;
    uint256 public lastInstanceId;

    function setApp(uint256 appId, address dappContract) external {
        _apps[appId].id = appId;
        _apps[appId].dappContract = dappContract;
        _apps[appId].metadataUri = "https://example.org/app.json";
        _apps[appId].createdAt = block.timestamp;
    }

    function setAppStatus(uint256 appId, AppStatus status) external {
        _apps[appId].status = status;
    }

    function setVersion(uint256 appId, uint256 versionId, bytes32 measurement) external {
        AppVersion storage version = _versions[appId][versionId];
        version.id = versionId;
        version.versionName = "0.1.0";
        version.codeMeasurement = measurement;
        version.imageUri = "nova-kms:0.1.0";
    }

    function setVersionStatus(uint256 appId, uint256 versionId, VersionStatus status) external {
        _versions[appId][versionId].status = status;
    }

    function bind(address wallet, uint256 appId, uint256 versionId, address operator, string calldata url)
        external
        returns (uint256 instanceId)
    {
        instanceId = ++lastInstanceId;
        RuntimeInstance storage instance = _instances[instanceId];
        instance.id = instanceId;
        instance.appId = appId;
        instance.versionId = versionId;
        instance.operator = operator;
        instance.instanceUrl = url;
        instance.teePubkey = new bytes(120);
        instance.teeWalletAddress = wallet;
        instance.zkVerified = true;
        instance.registeredAt = block.timestamp;
        _instanceOf[wallet] = instanceId;
    }

    function setInstanceStatus(address wallet, InstanceStatus status) external {
        _instances[_instanceOf[wallet]].status = status;
    }

    function setZkVerified(address wallet, bool zkVerified) external {
        _instances[_instanceOf[wallet]].zkVerified = zkVerified;
    }

    function setTeePubkey(address wallet, bytes calldata teePubkey) external {
        _instances[_instanceOf[wallet]].teePubkey = teePubkey;
    }

    /// From now on the getter with this selector answers exactly these bytes.
    function setRawAnswer(bytes4 selector, bytes calldata answer) external {
        _rawAnswers[selector] = answer;
        _hasRawAnswer[selector] = true;
    }

    function setReverting(bool reverting) external {
        _reverting = reverting;
    }

    function callAddOperator(address kms, address wallet, uint256 appId) external {
        uint256 instanceId = _instanceOf[wallet];
        IKMSRegistry(kms).addOperator(wallet, appId, _instances[instanceId].versionId, instanceId);
    }

    function callRemoveOperator(address kms, address wallet, uint256 appId) external {
        uint256 instanceId = _instanceOf[wallet];
        IKMSRegistry(kms).removeOperator(wallet, appId, _instances[instanceId].versionId, instanceId);
    }

    function getApp(uint256 appId) external view returns (App memory) {
        _answerRaw();
        return _apps[appId];
    }

    function getVersion(uint256 appId, uint256 versionId) external view returns (AppVersion memory) {
        _answerRaw();
        return _versions[appId][versionId];
    }

    function getInstance(uint256 instanceId) external view returns (RuntimeInstance memory) {
        _answerRaw();
        return _instances[instanceId];
    }

    function getInstanceByWallet(address wallet) external view returns (RuntimeInstance memory) {
        _answerRaw();
        return _instances[_instanceOf[wallet]];
    }

    function _answerRaw() private view {
        require(!_reverting, "no answer");
        if (!_hasRawAnswer[msg.sig]) return;
        bytes memory answer = _rawAnswers[msg.sig];
        assembly ("memory-safe") {
            return(add(answer, 32), mload(answer))
        }
    }
}
