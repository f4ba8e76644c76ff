// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";
import {Strings} from "@openzeppelin/contracts/utils/Strings.sol";

/// @title The readable texts that operators sign for KMSRegistry, and who signed one
/// @notice Odyn signs texts only, as EIP-191 personal messages with v = 0 or 1; others write 27 or 28. Both are taken;
/// a high s, another length or another v is nobody's signature.
library SignedText {
    function endorse(uint256 epoch, bytes32 secretHash, uint64 validUntilBlock) internal view returns (bytes memory) {
        return _text("Endorse", string.concat(Strings.toString(epoch), ":", _hex(secretHash)), validUntilBlock);
    }

    function rotate(uint256 epoch, uint64 validUntilBlock) internal view returns (bytes memory) {
        return _text("Rotate", Strings.toString(epoch), validUntilBlock);
    }

    function veto(uint256 changeId, uint64 validUntilBlock) internal view returns (bytes memory) {
        return _text("Veto", Strings.toString(changeId), validUntilBlock);
    }

    function removeMeasurement(bytes32 measurement, uint64 validUntilBlock) internal view returns (bytes memory) {
        return _text("RemoveMeasurement", _hex(measurement), validUntilBlock);
    }

    /// @return The signer, or the zero address when `signature` is not one.
    function signerOf(bytes memory text, bytes calldata signature) internal pure returns (address) {
        if (signature.length != 65) return address(0);
        uint8 v = uint8(signature[64]);
        if (v < 2) v += 27;
        (address signer, ECDSA.RecoverError failure,) = ECDSA.tryRecover(
            MessageHashUtils.toEthSignedMessageHash(text), v, bytes32(signature[0:32]), bytes32(signature[32:64])
        );
        return failure == ECDSA.RecoverError.NoError ? signer : address(0);
    }

    function _text(string memory purpose, string memory subject, uint64 validUntilBlock)
        private
        view
        returns (bytes memory)
    {
        return bytes(
            string.concat(
                "NovaKMS:",
                purpose,
                ":",
                Strings.toString(block.chainid),
                ":",
                Strings.toHexString(address(this)),
                ":",
                subject,
                ":",
                Strings.toString(validUntilBlock)
            )
        );
    }

    function _hex(bytes32 value) private pure returns (string memory) {
        return Strings.toHexString(uint256(value), 32);
    }
}
