/** What travels inside frames: requests and answers of the types `endorsement` and `handover` (`docs/protocol.md` clause 8). */
import { Refusal } from '../errors.ts';
import { HANDOVER_SECRETS_MAX, OFFERS_PER_SIGNER_MAX, OPERATORS_MAX } from '../limits.ts';
import { parseEpoch, parseHash } from '../identity.ts';
import { decodeCborMap, encodeCbor, readBytes, readCount, readList, readMap, readText, readWallet } from '../wire/cbor.ts';
import { SECRET_BYTES } from '../crypto/kdf.ts';
import type { Epoch, Hash, Wallet } from '../identity.ts';
import type { CborMap } from '../wire/cbor.ts';

/** A hash that operators may endorse until a block, and the signatures over its text. */
export interface Offer {
  readonly hash: Hash;
  readonly validUntilBlock: number;
  /** `0x` + 65 bytes, by signer. */
  readonly signatures: ReadonlyMap<Wallet, `0x${string}`>;
}

/** Sent both ways: everything the sender knows of one open epoch, or nothing (`epoch` undefined), which is a probe. */
export interface KnownOffers {
  readonly epoch: Epoch | undefined;
  readonly offers: readonly Offer[];
}

export interface Wanted {
  readonly epoch: Epoch;
  readonly hash: Hash;
}

export interface Given extends Wanted {
  readonly secret: Uint8Array;
}

const HASH_CHARS = 66;
const SIGNATURE_CHARS = 132;

export function encodeEndorsements({ epoch, offers }: KnownOffers): Uint8Array {
  return encodeCbor({
    epoch: epoch ?? null,
    offers: offers.map(({ hash, validUntilBlock, signatures }) => ({
      hash,
      valid_until_block: validUntilBlock,
      signatures: [...signatures].map(([wallet, signature]) => ({ wallet, signature })),
    })),
  });
}

export function decodeEndorsements(payload: Uint8Array): KnownOffers {
  const map = decodeCborMap(payload, ['epoch', 'offers']);
  const epoch = map.get('epoch') === null ? undefined : readEpoch(map);
  return { epoch, offers: readList(map, 'offers', OFFERS_PER_SIGNER_MAX * OPERATORS_MAX, decodeOffer) };
}

export function encodeWanted(wanted: readonly Wanted[]): Uint8Array {
  return encodeCbor({ wanted: wanted.map(({ epoch, hash }) => ({ epoch, hash })) });
}

export function decodeWanted(payload: Uint8Array): Wanted[] {
  const wanted = readList(decodeCborMap(payload, ['wanted']), 'wanted', HANDOVER_SECRETS_MAX, (item) => {
    const map = readMap(item, ['epoch', 'hash']);
    return { epoch: readEpoch(map), hash: readHash(map) };
  });
  // Each that is given is a record of the audit trail: one frame must not write the same one many times.
  if (new Set(wanted.map(({ epoch, hash }) => `${epoch} ${hash}`)).size < wanted.length)
    throw new Refusal('frame_malformed', 'a secret is wanted twice');
  return wanted;
}

export function encodeGiven(given: readonly Given[]): Uint8Array {
  return encodeCbor({ given: given.map(({ epoch, hash, secret }) => ({ epoch, hash, secret })) });
}

export function decodeGiven(payload: Uint8Array): Given[] {
  return readList(decodeCborMap(payload, ['given']), 'given', HANDOVER_SECRETS_MAX, (item) => {
    const map = readMap(item, ['epoch', 'hash', 'secret']);
    return { epoch: readEpoch(map), hash: readHash(map), secret: readBytes(map, 'secret', SECRET_BYTES) };
  });
}

function decodeOffer(item: unknown): Offer {
  const map = readMap(item, ['hash', 'valid_until_block', 'signatures']);
  const signatures = readList(map, 'signatures', OPERATORS_MAX, (entry) => {
    const pair = readMap(entry, ['wallet', 'signature']);
    const wallet = readWallet(pair, 'wallet');
    const signature = readText(pair, 'signature', SIGNATURE_CHARS);
    if (!/^0x[0-9a-f]{130}$/.test(signature)) throw new Refusal('frame_malformed', 'no signature of a wallet');
    return [wallet, signature as `0x${string}`] as const;
  });
  return { hash: readHash(map), validUntilBlock: readCount(map, 'valid_until_block'), signatures: new Map(signatures) };
}

function readEpoch(map: CborMap): Epoch {
  const epoch = parseEpoch(map.get('epoch'));
  if (epoch === undefined) throw new Refusal('frame_malformed', 'epoch is no number');
  return epoch;
}

function readHash(map: CborMap): Hash {
  const hash = parseHash(readText(map, 'hash', HASH_CHARS));
  if (!hash) throw new Refusal('frame_malformed', 'hash is not 32 bytes');
  return hash;
}
