// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {SignedText} from "../src/SignedText.sol";
import {vm} from "./support/Vm.sol";

contract SignedTextHarness {
    function endorse(uint256 epoch, bytes32 hash, uint64 until) external view returns (string memory) {
        return string(SignedText.endorse(epoch, hash, until));
    }

    function rotate(uint256 epoch, uint64 until) external view returns (string memory) {
        return string(SignedText.rotate(epoch, until));
    }

    function veto(uint256 changeId, uint64 until) external view returns (string memory) {
        return string(SignedText.veto(changeId, until));
    }

    function removeMeasurement(bytes32 measurement, uint64 until) external view returns (string memory) {
        return string(SignedText.removeMeasurement(measurement, until));
    }

    function signerOf(string calldata text, bytes calldata signature) external pure returns (address) {
        return SignedText.signerOf(bytes(text), signature);
    }
}

/// The exact bytes that operators sign.
contract SignedTextTest {
    bytes32 private constant HASH = 0x00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF;
    SignedTextHarness private texts = SignedTextHarness(0xabCDeF0123456789AbcdEf0123456789aBCDEF01);

    function setUp() public {
        vm.chainId(84532);
        vm.etch(address(texts), address(new SignedTextHarness()).code);
    }

    function test_textsAreThoseOfTheInterface() public view {
        string memory proxy = "0xabcdef0123456789abcdef0123456789abcdef01";
        string memory hash = "0x00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
        vm.assertEq(
            texts.endorse(0, HASH, 123456), string.concat("NovaKMS:Endorse:84532:", proxy, ":0:", hash, ":123456")
        );
        vm.assertEq(texts.rotate(17, 0), string.concat("NovaKMS:Rotate:84532:", proxy, ":17:0"));
        vm.assertEq(
            texts.veto(3, type(uint64).max), string.concat("NovaKMS:Veto:84532:", proxy, ":3:18446744073709551615")
        );
        vm.assertEq(
            texts.removeMeasurement(HASH, 9), string.concat("NovaKMS:RemoveMeasurement:84532:", proxy, ":", hash, ":9")
        );
    }

    /// The node's own tests read the same file.
    function test_textsAreTheVectorsOfTheNode() public view {
        string memory json = vm.readFile("../tests/vectors/votes.json");
        vm.assertEq(block.chainid, vm.parseJsonUint(json, ".chain_id"));
        vm.assertEq(vm.toLowercase(vm.toString(address(texts))), vm.parseJsonString(json, ".registry"));
        _assertVector(
            json,
            ".endorse",
            texts.endorse(
                vm.parseJsonUint(json, ".texts.endorse.epoch"),
                bytes32(vm.parseJsonUint(json, ".texts.endorse.secret_hash")),
                _until(json, ".endorse")
            )
        );
        _assertVector(json, ".veto", texts.veto(_subject(json, ".veto"), _until(json, ".veto")));
        _assertVector(json, ".rotate", texts.rotate(_subject(json, ".rotate"), _until(json, ".rotate")));
        string memory removal = ".remove_measurement";
        _assertVector(json, removal, texts.removeMeasurement(bytes32(_subject(json, removal)), _until(json, removal)));
    }

    /// Signed by viem with the key 0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d.
    function test_signatureOfAnotherLibraryIsRecovered() public view {
        string memory text = texts.endorse(0, HASH, 123456);
        bytes memory signature =
            hex"ec044fc60590d7f7f2dbda1cec924ee405921e1362410bfd221bd91c6e56dd7c7b928cd9869b836abf516e4787de41cf1d88d20a45d986ea61d86462a569025f1b";
        vm.assertEq(texts.signerOf(text, signature), 0x70997970C51812dc3A010C7d01b50e0d17dc79C8);
        signature[64] = bytes1(uint8(signature[64]) - 27);
        vm.assertEq(texts.signerOf(text, signature), 0x70997970C51812dc3A010C7d01b50e0d17dc79C8);
    }

    function testFuzz_everyFlippedBitIsSomebodyElse(uint256 key, uint16 bit) public view {
        key = 1 + key % (1 << 250);
        string memory text = texts.veto(key % 100, 5);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, _digest(text));
        bytes memory signature = abi.encodePacked(r, s, v);
        vm.assertEq(texts.signerOf(text, signature), vm.addr(key));
        uint256 place = bit % (65 * 8);
        signature[place / 8] ^= bytes1(uint8(1 << (place % 8)));
        vm.assertTrue(texts.signerOf(text, signature) != vm.addr(key));
    }

    function testFuzz_otherLengthsAreNobodys(bytes calldata signature) public view {
        vm.assume(signature.length != 65);
        vm.assertEq(texts.signerOf("text", signature), address(0));
    }

    function _subject(string memory json, string memory name) private pure returns (uint256) {
        return vm.parseJsonUint(json, string.concat(".texts", name, ".subject"));
    }

    function _until(string memory json, string memory name) private pure returns (uint64) {
        return uint64(vm.parseJsonUint(json, string.concat(".texts", name, ".valid_until_block")));
    }

    function _assertVector(string memory json, string memory name, string memory text) private pure {
        vm.assertEq(text, vm.parseJsonString(json, string.concat(".texts", name, ".text")), name);
    }

    function _digest(string memory text) private pure returns (bytes32) {
        return keccak256(abi.encodePacked("\x19Ethereum Signed Message:\n", vm.toString(bytes(text).length), text));
    }
}
