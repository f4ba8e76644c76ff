/** What is played on the chain of the simulation and on the real registry: each move, and whether it is allowed. */
import { endorsementText } from '../../../core/wire/pop.ts';
import { hashOf, profile, signerNamed } from '../../core/fakes.ts';
import type { Hex } from 'viem';
import type { Epoch, Hash, Wallet } from '../../../core/identity.ts';
import type { CallerAnswer, clusterAnswer } from '../../core/fakes.ts';

export type Name = 'a' | 'b' | 'c' | 'd' | 'e' | 'f' | 'stranger';

export type Move =
  | { readonly does: 'join'; readonly name: Name; readonly at?: Name }
  | { readonly does: 'stop' | 'start'; readonly name: Name }
  | { readonly does: 'open' }
  | { readonly does: 'activate'; readonly epoch: number; readonly by: readonly Name[]; readonly but?: Odd }
  | { readonly does: 'retire'; readonly epoch: number }
  | { readonly does: 'app'; readonly isRevoked: boolean };

/** What is odd about an activation: usual ones have the hash that was signed, for some blocks more, and ascending signers. */
interface Odd {
  readonly hash?: Hash;
  readonly signedHash?: Hash;
  /** From the block that it is mined in. */
  readonly livesBlocks?: number;
  readonly isDescending?: boolean;
}

export interface Side {
  /** Whether it was allowed. */
  play(move: Move): Promise<boolean>;
  head(): Promise<{ readonly number: number; readonly seconds: number }>;
  cluster(): Promise<Pick<ReturnType<typeof clusterAnswer>, 'epochs' | 'operators' | 'majority'>>;
  caller(): Promise<CallerAnswer>;
}

/** An app that is no member. */
export const APP = 9n;
export const app = signerNamed('an app').wallet;
export const walletOf = (name: Name): Wallet => signerNamed(name).wallet;
export const urlOf = (name: Name): string => `https://${name}.nova.example`;
const join = (name: Name, at?: Name): Move => ({ does: 'join', name, ...(at && { at }) });
const activate = (epoch: number, by: string, but?: Odd): Move => ({
  ...{ does: 'activate', epoch, by: by === 'stranger' ? [by] : ([...by] as Name[]) },
  ...(but && { but }),
});

export const MOVES: readonly (readonly [Move, boolean])[] = [
  [join('a'), true],
  [join('b'), true],
  // Genesis takes three.
  [{ does: 'open' }, false],
  [activate(0, 'ab'), false],
  [join('c'), true],
  [{ does: 'open' }, true],
  [{ does: 'open' }, false],
  [activate(0, 'a'), false],
  [activate(0, 'aa'), false],
  [activate(0, 'stranger'), false],
  [{ does: 'activate', epoch: 0, by: ['a', 'b', 'stranger'] }, false],
  [activate(0, 'ab', { isDescending: true }), false],
  [activate(0, 'ab', { hash: hashOf(0) }), false],
  [activate(0, 'ab', { signedHash: hashOf(0x77) }), false],
  [activate(0, 'ab', { livesBlocks: -1 }), false],
  [activate(0, 'ab', { livesBlocks: 7_201 }), false],
  [activate(1, 'ab'), false],
  [activate(0, 'ab', { livesBlocks: 0 }), true],
  [activate(0, 'ab'), false],
  [{ does: 'retire', epoch: 0 }, false],
  // Five are live, and then three.
  [join('d'), true],
  [join('e'), true],
  [{ does: 'open' }, true],
  [activate(1, 'ab'), false],
  [{ does: 'stop', name: 'e' }, true],
  [activate(1, 'abe'), false],
  [activate(1, 'ab'), false],
  [{ does: 'stop', name: 'd' }, true],
  [activate(1, 'ab', { livesBlocks: 7_200 }), true],
  [{ does: 'start', name: 'e' }, true],
  [{ does: 'start', name: 'd' }, true],
  // One takes the place of another, for as long as it is active itself.
  [join('f', 'a'), true],
  [{ does: 'open' }, true],
  [activate(2, 'abc'), false],
  [{ does: 'stop', name: 'f' }, true],
  [activate(2, 'abc'), true],
  [{ does: 'start', name: 'f' }, true],
  [{ does: 'stop', name: 'a' }, true],
  [{ does: 'stop', name: 'f' }, true],
  [{ does: 'start', name: 'a' }, true],
  [{ does: 'start', name: 'f' }, true],
  [{ does: 'retire', epoch: 0 }, true],
  [{ does: 'retire', epoch: 0 }, false],
  [{ does: 'retire', epoch: 2 }, false],
  [{ does: 'retire', epoch: 7 }, false],
  // A rotation needs no three; one alone is never a majority.
  [{ does: 'stop', name: 'b' }, true],
  [{ does: 'stop', name: 'c' }, true],
  [{ does: 'stop', name: 'd' }, true],
  [{ does: 'open' }, true],
  [{ does: 'retire', epoch: 3 }, false],
  [{ does: 'stop', name: 'e' }, true],
  [activate(3, 'f'), false],
  [activate(3, 'ef'), false],
  [{ does: 'start', name: 'e' }, true],
  [activate(3, 'ef', { hash: hashOf(0x33) }), true],
  [{ does: 'retire', epoch: 1 }, true],
  [{ does: 'app', isRevoked: false }, true],
  [{ does: 'app', isRevoked: true }, true],
  [{ does: 'app', isRevoked: false }, true],
];

export type ActivationArguments = readonly [bigint, Hash, bigint, readonly Hex[]];

/** Signed for the registry at that address, and to be mined in the block after `head`. */
export function activationOf(
  { epoch, by, but = {} }: Extract<Move, { does: 'activate' }>,
  registry: Wallet,
  head: number,
): ActivationArguments {
  const { hash = hashOf(0x50 + epoch), signedHash = hash, livesBlocks = 20, isDescending = false } = but;
  const validUntil = head + 1 + livesBlocks;
  const text = endorsementText(profile.chainId, registry, epoch as Epoch, signedHash, validUntil);
  const signers = by.map(signerNamed).toSorted((one, other) => (one.wallet < other.wallet ? -1 : 1));
  const signatures = (isDescending ? signers.toReversed() : signers).map((signer) => signer.signNow(text));
  return [BigInt(epoch), hash, BigInt(validUntil), signatures];
}
