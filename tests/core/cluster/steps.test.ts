/** What a step does when the peers that it needs do not answer. The births themselves are in `admission.test.ts`. */
import { expect, it } from 'vitest';
import { createSteps } from '../../../core/cluster/steps.ts';
import { createVault } from '../../../core/crypto/vault.ts';
import { FETCH_SECRET_MS_MAX } from '../../../core/limits.ts';
import { createClock, createRecordingLog, epochOf, hashOf, signerNamed } from '../fakes.ts';
import type { StepsDependencies } from '../../../core/cluster/steps.ts';

const epoch = epochOf(0);

function setUp(call: () => Promise<never>) {
  const clock = createClock();
  const logs = createRecordingLog();
  const vault = createVault();
  const peers = { due: () => [{ wallet: signerNamed('b').wallet, origin: 'https://b.nova.example' }], call };
  const steps = createSteps({ clock, log: logs.log, vault, peers, blocks: () => undefined } as unknown as StepsDependencies);
  return { clock, logs, vault, perform: () => steps.perform({ kind: 'fetchSecret', epoch, hash: hashOf(1) }) };
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

it('X-9 a mistake of this program is not taken for a slow holder', async () => {
  await expect(setUp(() => Promise.reject(new TypeError('a mistake'))).perform()).rejects.toThrow('a mistake');
});
