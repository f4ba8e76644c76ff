/**
 * The wallet of one enclave: EIP-191 signatures and transactions by one secp256k1 key.
 * The last byte of a signature is 0 or 1 here, not 27 or 28 as wallets of people write it.
 */
import { secp256k1 } from '@noble/curves/secp256k1.js';
import { bytesToHex, hashMessage, hexToBytes, type Hash } from 'viem';
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts';
import type { Hex } from './box.ts';

export interface Wallet {
  readonly walletKey: Hex;
  /** Lower-case, never checksummed. */
  readonly address: Hex;
  /** Uncompressed point, 65 bytes. */
  readonly publicKey: Hex;
  signText(text: string): Hex;
  signHash(hash: Hash): Hex;
}

export function createWallet(walletKey: Hex = generatePrivateKey()): Wallet {
  const account = privateKeyToAccount(walletKey);
  const keyBytes = hexToBytes(walletKey);

  function signHash(hash: Hash): Hex {
    const recovered = secp256k1.sign(hexToBytes(hash), keyBytes, { prehash: false, format: 'recovered' });
    return bytesToHex(new Uint8Array([...recovered.subarray(1), ...recovered.subarray(0, 1)]));
  }

  return {
    walletKey,
    address: account.address.toLowerCase() as Hex,
    publicKey: account.publicKey,
    signText: (text) => signHash(hashMessage(text)),
    signHash,
  };
}
