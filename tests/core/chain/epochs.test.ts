import { describe, expect, it } from 'vitest';
import { chooseEpoch } from '../../../core/chain/epochs.ts';
import { epochOf, hashOf, reasonOf } from '../fakes.ts';
import type { EpochChoice } from '../../../core/chain/epochs.ts';
import type { EpochRecord, EpochState } from '../../../core/chain/registry.ts';

/** Epoch `n` was activated at `n + 1` seconds. */
const records = (...states: readonly (EpochState | 'lost open')[]): EpochRecord[] =>
  states.map((state, index) => {
    const without = state === 'open' || state === 'lost open';
    return {
      epoch: epochOf(index),
      state: state === 'lost open' ? 'lost' : state,
      hash: without ? undefined : hashOf(index + 1),
      openedAtBlock: index,
      activatedAtMs: without ? 0 : (index + 1) * 1_000,
    };
  });
const named = (epoch: number): EpochChoice => ({ kind: 'number', epoch: epochOf(epoch) });
const current: EpochChoice = { kind: 'current' };
const ofApp = (appCreatedAtMs: number): EpochChoice => ({ kind: 'ofApp', appCreatedAtMs });

const rotated = records('previous', 'previous', 'active');
const retired = records('retired', 'previous', 'active');
const rotating = records('active', 'open');
const reset = records('lost', 'lost', 'lost open', 'active');

describe('the epoch of a request', () => {
  it.each<[string, EpochRecord[], EpochChoice, number]>([
    ['the active one, when the current is asked for', rotated, current, 2],
    ['the active one while the next is only open', rotating, current, 0],
    ['the one that is named', rotated, named(1), 1],
    ['the one that is named and active', rotated, named(2), 2],
    ['epoch 0 for an app older than it', rotated, ofApp(0), 0],
    ['epoch 0 for an app created in the second of its activation', rotated, ofApp(1_000), 0],
    ['epoch 0 for an app created in the last moment before the next', rotated, ofApp(1_999), 0],
    ['epoch 1 for an app created in the moment of its activation', rotated, ofApp(2_000), 1],
    ['the newest for an app created after all', rotated, ofApp(9_000_000), 2],
    ['the app’s own while the next is only open', rotating, ofApp(9_000_000), 0],
    ['the first after a reset, for an app older than the cluster', reset, ofApp(0), 3],
    ['the first after a reset, for an app of a lost epoch', reset, ofApp(2_500), 3],
    ['the first after a reset, for an app created after it', reset, ofApp(9_000), 3],
    ['the first after a reset that was itself rotated since', records('lost', 'previous', 'active'), ofApp(1_500), 1],
    ['the first that is not lost, after two resets', records('lost', 'lost', 'active'), ofApp(0), 2],
  ])('is %s', (_what, epochs, choice, epoch) => expect(chooseEpoch(epochs, choice)).toBe(epoch));

  it.each<[string, EpochRecord[], EpochChoice, string]>([
    ['there is none yet', [], current, 'epoch_unknown'],
    ['there is none yet, for an app', [], ofApp(5_000), 'epoch_unknown'],
    ['genesis is only open', records('open'), current, 'epoch_unknown'],
    ['genesis is only open, for an app', records('open'), ofApp(5_000), 'epoch_unknown'],
    ['it names one that is only open', rotating, named(1), 'epoch_unknown'],
    ['it names one that does not exist', rotated, named(3), 'epoch_unknown'],
    ['it names one that was lost before it was active', reset, named(2), 'epoch_unknown'],
    ['it names a retired one', retired, named(0), 'epoch_retired'],
    ['it names a lost one', reset, named(0), 'epoch_retired'],
    ['the app’s own was retired: never another in its place', retired, ofApp(0), 'epoch_retired'],
    ['all were lost', records('lost', 'lost'), ofApp(0), 'epoch_unknown'],
    ['all were lost and the next is only open', records('lost', 'open'), ofApp(0), 'epoch_unknown'],
    ['all were lost, for the current', records('lost', 'lost'), current, 'epoch_unknown'],
  ])('is refused when %s', (_what, epochs, choice, reason) => expect(reasonOf(() => chooseEpoch(epochs, choice))).toBe(reason));

  it('X-12 of an app never changes by a rotation', () => {
    for (const createdAtMs of [0, 1_000, 1_999]) {
      expect(chooseEpoch(records('active'), ofApp(createdAtMs))).toBe(0);
      expect(chooseEpoch(rotated, ofApp(createdAtMs))).toBe(0);
    }
  });
});
