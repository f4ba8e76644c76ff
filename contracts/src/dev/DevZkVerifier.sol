// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";

import {IZkVerifier} from "./IZkVerifier.sol";

/// @title A stand-in for the zero-knowledge verifier: one attester key vouches instead of a proof
/// @notice For development chains. `publicValues` and `proof` are, in viem's terms:
///
///   publicValues = encodeAbiParameters([{ type: 'tuple', components: [
///     { name: 'result', type: 'uint8' },                    // 0 = Success
///     { name: 'timestampMs', type: 'uint64' },              // of the attestation document
///     { name: 'userData', type: 'bytes' },                  // JSON with "eth_addr":"0x…", no spaces
///     { name: 'publicKey', type: 'bytes' },                 // P-384 SPKI DER
///     { name: 'pcrs', type: 'tuple[]', components: [        // at least PCR 0, 1, 2, 48 bytes each
///       { name: 'index', type: 'uint64' }, { name: 'value', type: 'bytes' } ] } ] }], [journal])
///   proof = await attester.signMessage({ message: { raw: keccak256(publicValues) } })
///
/// As with the real verifier, a document older than MAX_AGE is answered with InvalidTimestamp. One that is up to MAX_SKEW
/// ahead of the block passes: a development chain's clock stands still between blocks.
contract DevZkVerifier is IZkVerifier {
    uint256 public constant MAX_AGE = 30 hours;
    uint256 public constant MAX_SKEW = 10 minutes;

    address public immutable attester;

    error UnknownCoprocessor();
    error NotVouchedFor(address signer);

    constructor(address attester_) {
        attester = attester_;
    }

    /// @inheritdoc IZkVerifier
    function verify(bytes calldata publicValues, ZkCoprocessor coprocessor, bytes calldata proof)
        external
        view
        returns (Journal memory journal)
    {
        require(coprocessor != ZkCoprocessor.Unknown, UnknownCoprocessor());
        address signer = ECDSA.recover(MessageHashUtils.toEthSignedMessageHash(keccak256(publicValues)), proof);
        require(signer == attester, NotVouchedFor(signer));
        journal = abi.decode(publicValues, (Journal));
        uint256 takenAt = journal.timestampMs / 1000;
        if (takenAt + MAX_AGE <= block.timestamp || takenAt > block.timestamp + MAX_SKEW) {
            journal.result = VerificationResult.InvalidTimestamp;
        }
    }
}
