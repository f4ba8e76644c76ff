/** EIP-191 personal messages: signatures as the platform writes them, and the address that made one. */
import { secp256k1 } from '@noble/curves/secp256k1.js';
import { keccak_256 } from '@noble/hashes/sha3.js';
import { concat, hex, parseHex, utf8 } from '../wire/bytes.ts';
import type { Wallet } from '../identity.ts';

const SIGNATURE_BYTES = 65;
const ORDER = secp256k1.Point.Fn.ORDER;

/** r‖s‖v from hex with or without `0x`; v stays as sent. */
export function parseSignature(text: string): Uint8Array | undefined {
  const bytes = parseHex(text);
  return bytes?.length === SIGNATURE_BYTES ? bytes : undefined;
}

/** The signer of `text`, or `undefined` for what `recoveryBit` refuses and for what recovers to no point. */
export function recoverWallet(text: string, signature: Uint8Array): Wallet | undefined {
  const recovery = recoveryBit(signature);
  if (recovery === undefined) return undefined;
  try {
    const recovered = secp256k1.Signature.fromBytes(concat(Uint8Array.of(recovery), signature.subarray(0, 64)), 'recovered');
    return walletOf(recovered.recoverPublicKey(personalDigest(text)).toBytes(false));
  } catch {
    // The library throws for an r that is no point's and for infinity; there is nothing else in this block to fail.
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

/**
 * Which of the two points with this r a signature means. `undefined` for another length, v outside {0, 1, 27, 28}, r outside
 * 1 … n − 1 and s outside 1 … n/2 (EIP-2: the twin n − s would be a second proof). Whatever recovers asks here first, so that no
 * answer depends on what a library lets pass.
 */
export function recoveryBit(signature: Uint8Array): 0 | 1 | undefined {
  if (signature.length !== SIGNATURE_BYTES) return undefined;
  const [r, s, v] = [scalar(signature.subarray(0, 32)), scalar(signature.subarray(32, 64)), signature[64]];
  if (r === 0n || r >= ORDER || s === 0n || s > ORDER / 2n) return undefined;
  if (v === 0 || v === 27) return 0;
  return v === 1 || v === 28 ? 1 : undefined;
}

function scalar(bytes: Uint8Array): bigint {
  return BigInt(`0x${hex(bytes)}`);
}
