/**
 * Stands in for P-384 in the simulation's bundle only: what two parties agree on is a hash of both public keys, which whoever knows the
 * private keys could compute. Nobody in the simulation breaks curves; handshakes would take a tenth of a run's time.
 */
import { createHash } from 'node:crypto';
import { Refusal } from '../../../core/errors.ts';
import type { Ephemeral } from '../../../core/cluster/keys.ts';
import type { Random } from '../../../core/ports.ts';

const PUBLIC_BYTES = 97;

export function createEphemeral(random: Random): Ephemeral {
  const publicKey = new Uint8Array(PUBLIC_BYTES).fill(4);
  publicKey.set(random.bytes(32), 1);
  return {
    publicKey,
    agree(theirs) {
      if (theirs.length !== PUBLIC_BYTES || theirs[0] !== 4) throw new Refusal('frame_malformed', 'the ephemeral key is no point');
      const [first, second] = [publicKey, theirs].toSorted((a, b) => Buffer.compare(a, b)) as [Uint8Array, Uint8Array];
      return new Uint8Array(createHash('sha384').update(first).update(second).digest());
    },
  };
}
