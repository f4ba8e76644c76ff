/**
 * The names of things that must not be swapped: wallets, app ids, epochs and hashes.
 * Each brand has one parser; nothing else makes a value of it.
 */

declare const brand: unique symbol;

/** A secp256k1 address, always lower-case `0x` + 40 hex digits. */
export type Wallet = `0x${string}` & { readonly [brand]: 'Wallet' };
/** A NovaAppRegistry app id. uint256 on chain, so it stays a bigint. */
export type AppId = bigint & { readonly [brand]: 'AppId' };
/** The number of one master secret, counted from 0 and never reused. */
export type Epoch = number & { readonly [brand]: 'Epoch' };
/** 32 bytes as lower-case `0x` + 64 hex digits. */
export type Hash = `0x${string}` & { readonly [brand]: 'Hash' };

const WALLET = /^(?:0x)?[0-9a-f]{40}$/i;
const HASH = /^0x[0-9a-f]{64}$/i;

export const ZERO_WALLET = `0x${'0'.repeat(40)}` as Wallet;

/** Reads an address with or without `0x`, in any case, trimmed, as the platform's clients send it. */
export function parseWallet(text: string): Wallet | undefined {
  const trimmed = text.trim();
  if (!WALLET.test(trimmed)) return undefined;
  const digits = trimmed.slice(-40).toLowerCase();
  return `0x${digits}` as Wallet;
}

export function parseHash(text: string): Hash | undefined {
  return HASH.test(text) ? (text.toLowerCase() as Hash) : undefined;
}

export function parseAppId(value: bigint): AppId | undefined {
  return value > 0n && value < 1n << 256n ? (value as AppId) : undefined;
}

export function parseEpoch(value: unknown): Epoch | undefined {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? (value as Epoch) : undefined;
}
