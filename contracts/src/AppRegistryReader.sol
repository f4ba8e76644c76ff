// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {INovaAppRegistry} from "./interfaces/INovaAppRegistry.sol";

/// @title Bounded reads of the Nova platform's app registry
/// @notice Answers are decoded word by word instead of by `abi.decode`, for three reasons: strings in the registry are
/// as long as their writer pleases and must neither fill memory nor reach our callers; fields appended to a struct by a
/// newer registry are ignored; and a status that a newer registry invents counts as the last one known here (FAILED or
/// REVOKED), never as the first.
///
/// An answer that cannot be read reverts: "cannot read" is never "empty".
library AppRegistryReader {
    uint256 internal constant URL_BYTES_MAX = 256;
    uint256 internal constant PUBKEY_BYTES_MAX = 128;

    struct App {
        uint256 id;
        address dappContract;
        uint256 createdAt;
        INovaAppRegistry.AppStatus status;
    }

    struct Version {
        uint256 id;
        bytes32 codeMeasurement;
        INovaAppRegistry.VersionStatus status;
    }

    struct Instance {
        uint256 id;
        uint256 appId;
        uint256 versionId;
        address operator;
        string instanceUrl; // "" when longer than URL_BYTES_MAX
        bytes teePubkey; // "" when longer than PUBKEY_BYTES_MAX
        address wallet;
        bool zkVerified;
        INovaAppRegistry.InstanceStatus status;
        bytes32 place; // hash of operator and whole URL, however long
    }

    error RegistryCallFailed(address registry);
    error RegistryAnswerMalformed(address registry);

    function app(address registry, uint256 appId) internal view returns (App memory found) {
        uint256 mark = _mark();
        bytes memory answer = _ask(registry, abi.encodeCall(INovaAppRegistry.getApp, (appId)));
        uint256 tuple = _tuple(registry, answer, 8);
        found.id = _word(answer, tuple);
        found.dappContract = address(uint160(_word(answer, tuple + 3 * 32)));
        found.createdAt = _word(answer, tuple + 6 * 32);
        found.status = INovaAppRegistry.AppStatus(_atMost(_word(answer, tuple + 7 * 32), 2));
        _release(mark);
    }

    function version(address registry, uint256 appId, uint256 versionId) internal view returns (Version memory found) {
        uint256 mark = _mark();
        bytes memory answer = _ask(registry, abi.encodeCall(INovaAppRegistry.getVersion, (appId, versionId)));
        uint256 tuple = _tuple(registry, answer, 10);
        found.id = _word(answer, tuple);
        found.codeMeasurement = bytes32(_word(answer, tuple + 2 * 32));
        found.status = INovaAppRegistry.VersionStatus(_atMost(_word(answer, tuple + 7 * 32), 2));
        _release(mark);
    }

    function instanceOf(address registry, address wallet) internal view returns (Instance memory found) {
        bytes memory url = new bytes(URL_BYTES_MAX);
        found.instanceUrl = string(url);
        found.teePubkey = new bytes(PUBKEY_BYTES_MAX);
        uint256 mark = _mark();
        bytes memory answer = _ask(registry, abi.encodeCall(INovaAppRegistry.getInstanceByWallet, (wallet)));
        uint256 tuple = _tuple(registry, answer, 10);
        found.id = _word(answer, tuple);
        found.appId = _word(answer, tuple + 32);
        found.versionId = _word(answer, tuple + 2 * 32);
        found.operator = address(uint160(_word(answer, tuple + 3 * 32)));
        bytes32 urlHash = _copy(registry, answer, tuple, 4, url, URL_BYTES_MAX);
        _copy(registry, answer, tuple, 5, found.teePubkey, PUBKEY_BYTES_MAX);
        found.wallet = address(uint160(_word(answer, tuple + 6 * 32)));
        found.zkVerified = _word(answer, tuple + 7 * 32) == 1;
        found.status = INovaAppRegistry.InstanceStatus(_atMost(_word(answer, tuple + 8 * 32), 2));
        found.place = keccak256(abi.encode(found.operator, urlHash));
        _release(mark);
    }

    function _ask(address registry, bytes memory request) private view returns (bytes memory) {
        (bool answered, bytes memory answer) = registry.staticcall(request);
        require(answered, RegistryCallFailed(registry));
        return answer;
    }

    /// Where the one returned tuple starts; its `words` head words are then within the answer.
    function _tuple(address registry, bytes memory answer, uint256 words) private pure returns (uint256 offset) {
        require(answer.length >= 32, RegistryAnswerMalformed(registry));
        offset = _word(answer, 0);
        require(offset <= answer.length && answer.length - offset >= words * 32, RegistryAnswerMalformed(registry));
    }

    /// The dynamic member behind head word `index` goes into `to`, which becomes empty when it is longer than
    /// `bytesMax`; the hash is that of the whole member.
    function _copy(
        address registry,
        bytes memory answer,
        uint256 tuple,
        uint256 index,
        bytes memory to,
        uint256 bytesMax
    ) private pure returns (bytes32 hash) {
        uint256 room = answer.length - tuple;
        uint256 offset = _word(answer, tuple + index * 32);
        require(offset <= room && room - offset >= 32, RegistryAnswerMalformed(registry));
        uint256 size = _word(answer, tuple + offset);
        require(size <= room - offset - 32, RegistryAnswerMalformed(registry));
        uint256 start = tuple + offset + 32;
        uint256 kept = size <= bytesMax ? size : 0;
        assembly ("memory-safe") {
            let from := add(add(answer, 32), start)
            hash := keccak256(from, size)
            mcopy(add(to, 32), from, kept)
            mstore(to, kept)
        }
    }

    function _atMost(uint256 value, uint256 limit) private pure returns (uint256) {
        return value <= limit ? value : limit;
    }

    function _word(bytes memory answer, uint256 offset) private pure returns (uint256 word) {
        assembly ("memory-safe") {
            word := mload(add(add(answer, 32), offset))
        }
    }

    function _mark() private pure returns (uint256 mark) {
        assembly ("memory-safe") {
            mark := mload(0x40)
        }
    }

    /// Gives back the memory taken since `mark`: nothing read from an answer points into it.
    function _release(uint256 mark) private pure {
        assembly ("memory-safe") {
            mstore(0x40, mark)
        }
    }
}
