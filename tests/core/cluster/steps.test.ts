/** What a step does when the peers that it needs do not answer. The births themselves are in `admission.test.ts`. */
import { expect, it } from 'vitest';
import { createSteps } from '../../../core/cluster/steps.ts';
import { encodeGiven } from '../../../core/cluster/messages.ts';
import { secretHash } from '../../../core/crypto/kdf.ts';
import { createVault } from '../../../core/crypto/vault.ts';
import { Refusal } from '../../../core/errors.ts';
import { FETCH_SECRET_MS_MAX } from '../../../core/limits.ts';
import { createClock, createRecordingLog, epochOf, hashOf, signerNamed } from '../fakes.ts';
import type { Peers } from '../../../core/cluster/peers.ts';
import type { StepsDependencies } from '../../../core/cluster/steps.ts';
import type { Wallet } from '../../../core/identity.ts';

const epoch = epochOf(0);

const peerNamed = (name: string) => ({ wallet: signerNamed(name).wallet, origin: `https://${name}.nova.example` });

function setUp(call: Peers['call'], holders = [peerNamed('b')], hash = hashOf(1)) {
  const clock = createClock();
  const logs = createRecordingLog();
  const vault = createVault();
  const peers = { due: () => holders, call };
  const steps = createSteps({ clock, log: logs.log, vault, peers, blocks: () => undefined } as unknown as StepsDependencies);
  return { clock, logs, vault, perform: () => steps.perform({ kind: 'fetchSecret', epoch, hash }) };
}

it('X-9 a holder that never answers fails no tick: the step ends in its time with nothing', async () => {
  const { clock, logs, vault, perform } = setUp(() => new Promise(() => undefined));
  let ended = false;
  const work = perform().then(() => (ended = true));
  clock.advance(FETCH_SECRET_MS_MAX - 1);
  for (let turn = 0; turn < 10; turn += 1) await Promise.resolve();
  expect(ended).toBe(false);
  clock.advance(1);
  await work;
  expect([vault.holds(epoch), logs.named('secret.installed')]).toEqual([false, []]);
});

it('X-9 holders whose hosts let them hang, and are due again each time, keep nobody from the one that gives', async () => {
  const secret = new Uint8Array(32).fill(7);
  const hash = secretHash(secret);
  const asked: Wallet[] = [];
  const call: Peers['call'] = (peer, _type, _payload, read) => {
    asked.push(peer.wallet);
    if (peer.wallet !== signerNamed('e').wallet) return new Promise<never>(() => undefined);
    return Promise.resolve(read(encodeGiven([{ epoch, hash, secret }])));
  };
  const { clock, vault, perform } = setUp(call, ['b', 'c', 'd', 'e'].map(peerNamed), hash);
  for (let tried = 0; tried < 4 && !vault.holds(epoch); tried += 1) {
    const work = perform();
    for (let turn = 0; turn < 10; turn += 1) await Promise.resolve();
    clock.advance(FETCH_SECRET_MS_MAX);
    await work;
  }
  expect(asked).toEqual(['b', 'c', 'd', 'e'].map((name) => signerNamed(name).wallet));
  expect(vault.holds(epoch)).toBe(true);
});

it('S-M2 no holder is asked for a secret that nobody waits for any more', async () => {
  const asked: Wallet[] = [];
  const { promise, reject } = Promise.withResolvers<never>();
  const call: Peers['call'] = (peer) => (asked.push(peer.wallet), promise);
  const { clock, perform } = setUp(call, ['b', 'c'].map(peerNamed));
  const work = perform();
  clock.advance(FETCH_SECRET_MS_MAX);
  await work;
  reject(new Refusal('outbound_timeout'));
  for (let turn = 0; turn < 10; turn += 1) await Promise.resolve();
  expect(asked).toEqual([signerNamed('b').wallet]);
});

it('X-9 a mistake of this program is not taken for a slow holder', async () => {
  await expect(setUp(() => Promise.reject(new TypeError('a mistake'))).perform()).rejects.toThrow('a mistake');
});
