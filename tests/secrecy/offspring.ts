/**
 * What a node derives from a master secret for itself, and nobody ever gets (`docs/protocol.md` clauses 6 and 12.1): the keys of records, of
 * comparing stores, of names in audit trails and of the CA. Computed by the host's HKDF, for the epochs and apps that a world of the tests has.
 */
import { hkdfSync } from 'node:crypto';
import type { Secret } from './forms.ts';

const EPOCHS = 3;
const APPS = 8;
const P256_ORDER = 0xffff_ffff_0000_0000_ffff_ffff_ffff_ffff_bce6_faad_a717_9e84_f3b9_cac2_fc63_2551n;
const CA_SEED_BYTES = 48;

export function offspringOf(master: Uint8Array): Secret[] {
  return Array.from({ length: EPOCHS }, (_, epoch) => ofEpoch(master, epoch)).flat();
}

function ofEpoch(master: Uint8Array, epoch: number): Secret[] {
  const derive = (purpose: string, use: string, lengthBytes = 32) =>
    Buffer.from(hkdfSync('sha256', master, `nova-kms:internal:${purpose}:epoch:${epoch}`, use, lengthBytes));
  const seed = derive('ca', '', CA_SEED_BYTES);
  const scalar = (BigInt(`0x${seed.toString('hex')}`) % (P256_ORDER - 1n)) + 1n;
  return [
    { what: 'the key of a CA', bytes: Buffer.from(scalar.toString(16).padStart(64, '0'), 'hex') },
    { what: 'the seed of a CA', bytes: seed },
    { what: 'the key of names in audit trails', bytes: derive('audit', 'name') },
    { what: 'a digest key', bytes: derive('data', 'digest') },
    ...Array.from({ length: APPS }, (_, app) => ({ what: 'a record key', bytes: derive('data', `record:${app + 1}`) })),
  ];
}
