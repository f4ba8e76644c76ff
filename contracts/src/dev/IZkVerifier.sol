// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title What the development registry asks of whoever judges an attestation
interface IZkVerifier {
    enum ZkCoprocessor {
        Unknown,
        RiscZero,
        Succinct
    }

    enum VerificationResult {
        Success,
        RootCertNotTrusted,
        IntermediateCertsNotTrusted,
        InvalidTimestamp
    }

    struct Pcr {
        uint64 index;
        bytes value;
    }

    /// What an attestation document says, once judged.
    struct Journal {
        VerificationResult result;
        uint64 timestampMs; // of the document, since 1970
        bytes userData;
        bytes publicKey;
        Pcr[] pcrs;
    }

    /// Reverts when `proof` proves nothing about `publicValues`.
    function verify(bytes calldata publicValues, ZkCoprocessor coprocessor, bytes calldata proof)
        external
        view
        returns (Journal memory);
}
