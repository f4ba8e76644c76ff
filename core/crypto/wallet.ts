/** EIP-191 personal messages: signatures as the platform writes them, and the address that made one. */
import { secp256k1 } from '@noble/curves/secp256k1.js';
import { keccak_256 } from '@noble/hashes/sha3.js';
import { concat, hex, parseHex, utf8 } from '../wire/bytes.ts';
import type { Wallet } from '../identity.ts';

const SIGNATURE_BYTES = 65;

/** r‖s‖v from hex with or without `0x`; v stays as sent. */
export function parseSignature(text: string): Uint8Array | undefined {
  const bytes = parseHex(text);
  return bytes?.length === SIGNATURE_BYTES ? bytes : undefined;
}

/** The signer of `text`. `undefined` for v outside {0, 1, 27, 28}, high s, r or s out of range, or no such point. */
export function recoverWallet(text: string, signature: Uint8Array): Wallet | undefined {
  const recovery = signature.length === SIGNATURE_BYTES ? recoveryBit(signature[64] as number) : undefined;
  if (recovery === undefined) return undefined;
  try {
    const recovered = secp256k1.Signature.fromBytes(concat(Uint8Array.of(recovery), signature.subarray(0, 64)), 'recovered');
    if (recovered.hasHighS()) return undefined;
    return walletOf(recovered.recoverPublicKey(personalDigest(text)).toBytes(false));
  } catch {
    // The library throws for every r, s and point that is none; there is nothing else in this block to fail.
    return undefined;
  }
}

/** keccak256 of the prefixed message (EIP-191, version 0x45). */
export function personalDigest(text: string): Uint8Array {
  const message = utf8(text);
  return keccak_256(concat(utf8(`\u0019Ethereum Signed Message:\n${message.length}`), message));
}

/** The address of an uncompressed public key (65 bytes, 0x04 first). */
export function walletOf(publicKey: Uint8Array): Wallet {
  return `0x${hex(keccak_256(publicKey.subarray(1)).subarray(12))}` as Wallet;
}

function recoveryBit(v: number): number | undefined {
  if (v === 0 || v === 27) return 0;
  return v === 1 || v === 28 ? 1 : undefined;
}
