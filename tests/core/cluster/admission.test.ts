/** Births, handovers and ends of whole nodes on a stub chain, with real cryptography and a wire that can lose messages. */
import { describe, expect, it } from 'vitest';
import { createHandover } from '../../../core/cluster/handover.ts';
import { encodeEndorsements } from '../../../core/cluster/messages.ts';
import { createSessions } from '../../../core/cluster/sessions.ts';
import { recoverWallet } from '../../../core/crypto/wallet.ts';
import { secretHash } from '../../../core/crypto/kdf.ts';
import { memberOf } from '../../../core/chain/view.ts';
import { Refusal } from '../../../core/errors.ts';
import { CANDIDATES_PER_EPOCH_MAX, ENDORSEMENT_LIFE_BLOCKS, TICK_MS_MAX } from '../../../core/limits.ts';
import { hex } from '../../../core/wire/bytes.ts';
import { endorsementText } from '../../../core/wire/pop.ts';
import { attestationsOf, createCluster, createRandom, epochOf, noHandlers, profile, STATES } from '../fakes.ts';
import type { EpochAnswer, TestCluster, TestNode } from '../fakes.ts';
import type { AppId, Hash } from '../../../core/identity.ts';

const e0 = epochOf(0);
const gateOf = ({ kms }: TestNode) => {
  const gate = kms.admission.gate();
  return gate.kind === 'serving' ? `serving ${gate.epoch}` : gate.reason;
};
const keyOf = ({ kms }: TestNode, epoch = e0) => {
  const key = kms.vault.appKey({ appId: 43n as AppId, epoch, path: 'disk', context: '', lengthBytes: 32 });
  return key && hex(key);
};
const up = ({ nodes, down }: TestCluster) => nodes.filter((node) => !down.has(node.name));
const allServe =
  (cluster: TestCluster, epoch = 0) =>
  () =>
    up(cluster).every((node) => gateOf(node) === `serving ${epoch}`);

async function born(...names: readonly string[]): Promise<TestCluster> {
  const cluster = createCluster(...names);
  cluster.chain.openNext();
  await cluster.until(allServe(cluster));
  return cluster;
}

/** One secret, held by all under the hash of the chain, and no candidate left anywhere. */
function expectOneSecret(cluster: TestCluster, epoch = e0): void {
  const hash = cluster.chain.epochs[epoch]?.secretHash as Hash;
  const keys = new Set(up(cluster).map((node) => keyOf(node, epoch)));
  expect(keys.size).toBe(1);
  expect([...keys][0]).toBeDefined();
  for (const { kms } of up(cluster)) {
    expect(secretHash(kms.vault.handOver(epoch, hash) as Uint8Array)).toBe(hash);
    expect(kms.vault.candidates(epoch)).toEqual([]);
  }
}

describe('a birth', () => {
  it('S-C1 takes three nodes from nothing to one secret', async () => {
    const cluster = await born('a', 'b', 'c');
    expectOneSecret(cluster);
    expect(cluster.nodes.flatMap((node) => node.box.drawn)).toHaveLength(1);
    expect(cluster.chain.activations.filter((each) => each.accepted)).toHaveLength(1);
  });
  it('S-C1 S-H4 lets no node serve or derive before the activation is confirmed', async () => {
    const cluster = createCluster('a', 'b', 'c');
    const seen = new Set<string>();
    cluster.chain.openNext();
    await cluster.until(() => {
      for (const node of cluster.nodes) {
        seen.add(gateOf(node));
        const active = cluster.chain.activations.find((each) => each.accepted);
        const confirmed = node.kms.view.state();
        const sure = confirmed.kind === 'fresh' && confirmed.blocks.confirmed.epochs[0]?.state === 'active';
        if (!active || !sure) expect([gateOf(node), keyOf(node)]).not.toContain('serving 0');
        if (!sure) expect(keyOf(node)).toBeUndefined();
      }
      return allServe(cluster)();
    });
    expect([...seen]).toEqual(expect.arrayContaining(['starting', 'collecting_endorsements', 'awaiting_activation', 'serving 0']));
  });
  it('S-C1 waits for genesis, however long, and draws nothing', async () => {
    const cluster = createCluster('a', 'b', 'c');
    for (let round = 0; round < 5; round += 1) await cluster.round();
    expect(cluster.nodes.map(gateOf)).toEqual(Array(3).fill('genesis_not_open'));
    expect(cluster.nodes.flatMap((node) => node.box.drawn)).toEqual([]);
  });
  it('S-H5 is not one node’s to make: alone it collects its own endorsement and no more', async () => {
    const cluster = createCluster('a', 'b', 'c');
    cluster.chain.openNext();
    cluster.down.add('b').add('c');
    for (let round = 0; round < 20; round += 1) await cluster.round();
    expect(gateOf(cluster.nodes[0] as TestNode)).toBe('collecting_endorsements');
    expect(cluster.chain.activations).toEqual([]);
    expect(keyOf(cluster.nodes[0] as TestNode)).toBeUndefined();
  });
  it('S-H1 shows the wire no byte of the secret, and the log none (X-15)', async () => {
    const cluster = createCluster('a', 'b', 'c');
    const wire: string[] = [];
    cluster.intercept = (_from, _to, _url, body) => (wire.push(hex(body)), 'pass');
    cluster.chain.openNext();
    await cluster.until(allServe(cluster));
    const secret = hex(cluster.nodes[0]?.box.drawn[0] as Uint8Array);
    expect(wire.join('|')).not.toContain(secret);
    expect(JSON.stringify(cluster.nodes.map((node) => node.logs.lines))).not.toContain(secret);
    expect(cluster.nodes.flatMap((node) => node.logs.named('handover.given'))).not.toEqual([]);
  });
  it('X-16 of two clusters in one process gives two secrets that know nothing of each other', async () => {
    const [one, two] = [await born('a', 'b', 'c'), await born('d', 'e', 'f')];
    expect(keyOf(one.nodes[0] as TestNode)).not.toBe(keyOf(two.nodes[0] as TestNode));
  });
});

describe('a proposer that dies', () => {
  const proposer = (cluster: TestCluster) => cluster.nodes[0] as TestNode;
  const holders = (cluster: TestCluster) => cluster.nodes.slice(1).filter((node) => node.kms.vault.candidates(e0).length > 0).length;
  const moments: readonly (readonly [string, (cluster: TestCluster) => boolean])[] = [
    ['before it drew anything', () => true],
    ['once it drew a candidate that nobody has', (cluster) => proposer(cluster).box.drawn.length > 0],
    ['once one other holds its candidate', (cluster) => holders(cluster) > 0],
    ['once all hold its candidate', (cluster) => holders(cluster) === 2],
    ['once a majority has endorsed', (cluster) => proposer(cluster).kms.admission.activation() !== undefined],
    ['once it sent the activation', (cluster) => proposer(cluster).logs.named('activation.sent').length > 0],
    ['once the activation is in a block', (cluster) => cluster.chain.activations.some((each) => each.accepted)],
  ];
  it.each(moments)('S-C1 U-12 %s leaves a cluster that is born of the others', async (_when, dies) => {
    const cluster = createCluster('a', 'b', 'c');
    cluster.chain.openNext();
    await cluster.until(() => dies(cluster));
    cluster.down.add('a');
    await cluster.until(allServe(cluster), 3 * profile.proposalWindowBlocks);
    expectOneSecret(cluster);
  });
  it('S-C1 comes back empty, under a new wallet, and is handed the secret', async () => {
    const cluster = createCluster('a', 'b', 'c');
    cluster.chain.openNext();
    await cluster.until(() => holders(cluster) > 0);
    cluster.down.add('a');
    cluster.chain.operators = cluster.chain.operators.map((each) =>
      each.wallet === proposer(cluster).wallet ? { ...each, superseded: true, live: false, eligible: false } : each,
    );
    cluster.boot('a2', 'https://a.nova.example');
    await cluster.until(allServe(cluster), 3 * profile.proposalWindowBlocks);
    expectOneSecret(cluster);
  });
});

describe('two candidates in play', () => {
  it('S-C1 end as one, when a proposer that nobody heard comes back after the next one has offered', async () => {
    const cluster = createCluster('a', 'b', 'c');
    cluster.intercept = (from, to) => (from === 'a' || to === 'a' ? 'drop' : 'pass');
    cluster.chain.openNext();
    await cluster.until(() => (cluster.nodes[1] as TestNode).box.drawn.length > 0, 3 * profile.proposalWindowBlocks);
    cluster.intercept = () => 'pass';
    const [first, second] = cluster.nodes.map((node) => node.box.drawn[0]);
    expect(first).not.toEqual(second);
    await cluster.until(allServe(cluster), 3 * profile.proposalWindowBlocks);
    expectOneSecret(cluster);
  });
  it('S-C1 end as one when a partition lets each side have its own', async () => {
    const cluster = createCluster('a', 'b', 'c', 'd', 'e');
    const left = new Set(['a', 'b']);
    cluster.intercept = (from, to) => (left.has(from) === left.has(to) ? 'pass' : 'drop');
    cluster.chain.openNext();
    // The left side holds a candidate and cannot win; after two windows the right side has a proposer of its own.
    await cluster.until(allServe({ ...cluster, down: left }), 5 * profile.proposalWindowBlocks);
    expect(cluster.nodes.filter((node) => left.has(node.name)).map(gateOf)).toEqual(['fetching_secret', 'fetching_secret']);
    cluster.intercept = () => 'pass';
    await cluster.until(allServe(cluster), 60);
    expectOneSecret(cluster);
  }, 30_000);
  it('S-C1 end as one when the proposer offers each peer another', async () => {
    const cluster = createCluster('a', 'b', 'c');
    const rogue = cluster.nodes[0] as TestNode;
    const [x, y] = [createRandom('x').bytes(32), createRandom('y').bytes(32)];
    cluster.chain.openNext();
    cluster.chain.mine(profile.confirmationBlocks + 1);
    cluster.nodes[0] = equivocating(rogue, cluster, x, y);
    const [b, c] = cluster.nodes.slice(1) as [TestNode, TestNode];
    cluster.intercept = (from, to) => (from === 'a' || to === 'a' ? 'pass' : 'drop');
    await cluster.until(() => b.kms.vault.candidates(e0).length > 0 && c.kms.vault.candidates(e0).length > 0);
    expect(b.kms.vault.candidates(e0)).not.toEqual(c.kms.vault.candidates(e0));
    cluster.intercept = () => 'pass';
    await cluster.until(() => [b, c].every((node) => gateOf(node) === 'serving 0'));
    expect(keyOf(b)).toBe(keyOf(c));
    expect([secretHash(x), secretHash(y)]).toContain(cluster.chain.epochs[0]?.secretHash);
  });
});

/** A proposer that signs two candidates and shows each peer one; it never asks, and hands over whatever it is asked for. */
function equivocating(node: TestNode, { clock, chain }: TestCluster, x: Uint8Array, y: Uint8Array): TestNode {
  const { kms, signer, wallet, logs } = node;
  const validUntilBlock = chain.headBlock + ENDORSEMENT_LIFE_BLOCKS;
  const offerOf = (secret: Uint8Array) => {
    kms.vault.keepCandidate(e0, secret, new Set());
    const hash = secretHash(secret);
    const signature = signer.signNow(endorsementText(profile.chainId, profile.kmsRegistry, e0, hash, validUntilBlock));
    return { hash, validUntilBlock, signatures: new Map([[wallet, signature]]) };
  };
  const offers = [offerOf(x), offerOf(y)];
  const { view, vault, nonces, random } = kms;
  const sessions = createSessions({
    heard: () => undefined,
    self: { wallet, incarnation: random.bytes(16) },
    clock,
    random,
    signer,
    recover: recoverWallet,
    nonces,
    attestations: attestationsOf(wallet, clock, logs.log),
    log: logs.log,
    member: (each) => {
      const state = view.state();
      return state.kind === 'fresh' ? memberOf(state.blocks, each) : undefined;
    },
    handlers: {
      ...noHandlers,
      endorsement: (peer) =>
        Promise.resolve(encodeEndorsements({ epoch: e0, offers: offers.slice(...(Number(peer.instanceId) % 2 ? [0, 1] : [1])) })),
      handover: createHandover({ view, vault, clock, log: logs.log }),
    },
  });
  const tick = () => view.refresh();
  return { ...node, kms: { ...kms, sessions, admission: { ...kms.admission, tick } } };
}

describe('a node that comes later', () => {
  it('is handed the secret, and nothing else is drawn', async () => {
    const cluster = await born('a', 'b', 'c');
    const late = cluster.boot('d');
    await cluster.until(() => gateOf(late) === 'serving 0');
    expectOneSecret(cluster);
    expect(late.box.drawn).toEqual([]);
    expect(late.logs.named('secret.installed')).toMatchObject([{ source: 'handover' }]);
  });
  it('U-10 gets nothing on a measurement that is not approved, and asks for nothing', async () => {
    const cluster = await born('a', 'b', 'c');
    const late = cluster.boot('d');
    cluster.chain.operators = cluster.chain.operators.map((each) =>
      each.wallet === late.wallet ? { ...each, measurementApproved: false, eligible: false } : each,
    );
    for (let round = 0; round < 10; round += 1) await cluster.round();
    expect([gateOf(late), keyOf(late)]).toEqual(['not_eligible', undefined]);
    expect(cluster.nodes.flatMap((node) => node.logs.named('handover.given')).filter((each) => each.peer === late.wallet)).toEqual([]);
  });
  it('waits when nobody can be reached, and serves once somebody can', async () => {
    const cluster = await born('a', 'b', 'c');
    const late = cluster.boot('d');
    cluster.intercept = (from, to) => (from === 'd' || to === 'd' ? 'drop' : 'pass');
    for (let round = 0; round < 10; round += 1) await cluster.round();
    expect(gateOf(late)).toBe('fetching_secret');
    expect(late.logs.named('peer.unreachable')).toHaveLength(3);
    cluster.intercept = () => 'pass';
    await cluster.until(() => gateOf(late) === 'serving 0', 60);
  });
});

describe('a node that is removed', () => {
  it('R-5 stops serving at the head, and is handed nothing again', async () => {
    const cluster = await born('a', 'b', 'c');
    const out = cluster.nodes[2] as TestNode;
    cluster.chain.operators = cluster.chain.operators.filter((each) => each.wallet !== out.wallet);
    await cluster.round();
    expect(gateOf(out)).toBe('not_registered');
    expect(cluster.nodes.slice(0, 2).map(gateOf)).toEqual(['serving 0', 'serving 0']);
  });
});

describe('a rotation', () => {
  it('X-12 S-C2 gives a new secret by the same road, while the old one is served', async () => {
    const cluster = await born('a', 'b', 'c');
    const before = keyOf(cluster.nodes[0] as TestNode);
    cluster.chain.openNext();
    const seen = new Set<string>();
    await cluster.until(() => {
      for (const node of cluster.nodes) seen.add(gateOf(node));
      return allServe(cluster, 1)();
    });
    expect([...seen].toSorted()).toEqual(['serving 0', 'serving 1']);
    expectOneSecret(cluster, epochOf(1));
    for (const node of cluster.nodes) {
      expect(keyOf(node)).toBe(before);
      expect(keyOf(node, epochOf(1))).not.toBe(before);
    }
  });
  it('S-C2 a retired epoch is wiped everywhere', async () => {
    const cluster = await born('a', 'b', 'c');
    cluster.chain.openNext();
    await cluster.until(allServe(cluster, 1));
    cluster.chain.epochs = cluster.chain.epochs.map((each) => (each.id === 0n ? { ...each, state: STATES.retired } : each));
    for (let round = 0; round < profile.confirmationBlocks + 1; round += 1) await cluster.round();
    for (const node of cluster.nodes)
      expect([keyOf(node), gateOf(node), node.logs.named('secret.wiped').length]).toEqual([undefined, 'serving 1', 1]);
  });
});

describe('a reorganisation deeper than the confirmation', () => {
  it('S-C1 that takes the activation away ends with the same secret, and nobody serves meanwhile', async () => {
    const cluster = createCluster('a', 'b', 'c');
    const serving = () => cluster.nodes.filter(({ kms }) => kms.admission.gate().kind === 'serving').length;
    cluster.chain.openNext();
    await cluster.until(() => serving() === 3);
    const [active] = cluster.chain.epochs;
    cluster.chain.epochs = [{ ...(active as EpochAnswer), state: STATES.open, secretHash: `0x${'00'.repeat(32)}`, activatedAt: 0n }];
    await cluster.round();
    await cluster.round();
    expect(serving()).toBe(0);
    await cluster.until(() => serving() === 3);
    expect(cluster.chain.epochs.map((epoch) => epoch.secretHash)).toEqual([active?.secretHash]);
  });

  it('S-C1 shuts the gate with the secret, before the tick talks to peers', async () => {
    const cluster = await born('a', 'b', 'c');
    const [node] = cluster.nodes as [TestNode];
    const [active] = cluster.chain.epochs;
    const seen = new Set<string>();
    cluster.intercept = (from) => {
      if (from === node.name) seen.add(`${node.kms.vault.holds(e0) ? 'holds' : 'lacks'} and is ${gateOf(node)}`);
      return 'pass';
    };
    cluster.chain.epochs = [{ ...(active as EpochAnswer), state: STATES.open, secretHash: `0x${'00'.repeat(32)}`, activatedAt: 0n }];
    // All at once, as for a node whose endpoint lagged meanwhile: head and confirmed block are both other ones than before.
    await cluster.round(profile.confirmationBlocks + 1);
    expect([...seen].filter((each) => each.startsWith('lacks'))).not.toEqual([]);
    expect(seen).not.toContain('lacks and is serving 0');
  });

  it('S-C1 goes back to the epoch before with the secret, before the tick talks to peers', async () => {
    const cluster = await born('a', 'b', 'c');
    const [node] = cluster.nodes as [TestNode];
    const before = cluster.chain.epochs;
    cluster.chain.openNext();
    await cluster.until(allServe(cluster, 1));
    const seen = new Set<string>();
    cluster.intercept = (from) => {
      if (from === node.name) seen.add(`${node.kms.vault.holds(epochOf(1)) ? 'holds' : 'lacks'} 1 and is ${gateOf(node)}`);
      return 'pass';
    };
    const [, rotated] = cluster.chain.epochs;
    cluster.chain.epochs = [
      ...before,
      { ...(rotated as EpochAnswer), state: STATES.open, secretHash: `0x${'00'.repeat(32)}`, activatedAt: 0n },
    ];
    await cluster.round(profile.confirmationBlocks + 1);
    expect(seen).toContain('lacks 1 and is serving 0');
    expect(seen).not.toContain('lacks 1 and is serving 1');
  });
});

describe('a reset', () => {
  it('S-C2 X-13 stops all at the head, wipes what is lost once it is confirmed, and the next birth gives another secret', async () => {
    const cluster = await born('a', 'b', 'c');
    const before = keyOf(cluster.nodes[0] as TestNode);
    cluster.chain.epochs = cluster.chain.epochs.map((each) => ({ ...each, state: STATES.lost }));
    await cluster.round();
    expect(cluster.nodes.map(gateOf)).toEqual(Array(3).fill('cluster_reset'));
    for (let round = 0; round < profile.confirmationBlocks; round += 1) await cluster.round();
    expect(cluster.nodes.map((node) => keyOf(node))).toEqual(Array(3).fill(undefined));
    cluster.chain.openNext();
    await cluster.until(allServe(cluster, 1));
    expectOneSecret(cluster, epochOf(1));
    expect(keyOf(cluster.nodes[0] as TestNode, epochOf(1))).not.toBe(before);
  });
});

describe('a chain that cannot be read', () => {
  it('X-9 is survived until the head is too old, and not longer; then it is said once, and once that it is back', async () => {
    const cluster = await born('a', 'b', 'c');
    const node = cluster.nodes[0] as TestNode;
    cluster.chain.outage = true;
    cluster.clock.advance(profile.headAgeMaxMs);
    for (let tick = 0; tick < 3; tick += 1) await node.kms.admission.tick();
    expect(gateOf(node)).toBe('serving 0');
    cluster.clock.advance(1);
    expect(gateOf(node)).toBe('chain_stale');
    for (let tick = 0; tick < 3; tick += 1) await node.kms.admission.tick();
    expect(keyOf(node)).toBeDefined();
    cluster.chain.outage = false;
    await cluster.round();
    expect(gateOf(node)).toBe('serving 0');
    expect([node.logs.named('chain.unreadable').length, node.logs.named('chain.readable').length]).toEqual([1, 1]);
  });
  it('S-C1 at every step of a birth delays it and splits nothing', async () => {
    const cluster = createCluster('a', 'b', 'c');
    cluster.chain.openNext();
    await cluster.until(() => {
      cluster.chain.outage = !cluster.chain.outage;
      return allServe(cluster)();
    }, 120);
    cluster.chain.outage = false;
    await cluster.round();
    expectOneSecret(cluster);
  });
  it('that is back with an old head is said to be readable, and still not served from', async () => {
    const cluster = await born('a', 'b', 'c');
    const node = cluster.nodes[0] as TestNode;
    cluster.chain.outage = true;
    await node.kms.admission.tick();
    cluster.clock.advance(profile.headAgeMaxMs + 1);
    cluster.chain.outage = false;
    await node.kms.admission.tick();
    expect(node.logs.named('chain.readable')).toEqual([{ block: 0 }]);
    expect(gateOf(node)).toBe('chain_stale');
  });
  it('by a mistake of this program fails the tick instead of passing for an outage', async () => {
    const cluster = await born('a', 'b', 'c');
    const node = cluster.nodes[0] as TestNode;
    cluster.chain.headNumber = () => Promise.reject(new TypeError('a mistake'));
    await node.kms.admission.tick();
    expect(node.logs.named('chain.unreadable')).toEqual([]);
    expect(node.logs.named('tick.failed')).toMatchObject([{ reason: 'internal' }]);
  });
  it('is waited for from the start', async () => {
    const cluster = createCluster('a', 'b', 'c');
    cluster.chain.outage = true;
    await cluster.round();
    expect(cluster.nodes.map(gateOf)).toEqual(Array(3).fill('chain_unreadable'));
  });
});

describe('Odyn', () => {
  it('X-1 that does not answer, or answers with another wallet, stops the node until it is itself again', async () => {
    const cluster = await born('a', 'b', 'c');
    const node = cluster.nodes[0] as TestNode;
    const { address } = node.signer;
    for (const [answer, reason] of [
      [() => Promise.reject(new Refusal('odyn_unavailable')), 'odyn_unreachable'],
      [() => Promise.resolve((cluster.nodes[1] as TestNode).wallet), 'wallet_changed'],
      [() => Promise.resolve('no wallet'), 'wallet_changed'],
    ] as const) {
      node.signer.address = answer;
      await cluster.round();
      expect(gateOf(node)).toBe(reason);
      node.signer.address = address;
      await cluster.round();
      expect(gateOf(node)).toBe('serving 0');
    }
  });
  it('that gives no entropy delays the birth and is asked again', async () => {
    const cluster = createCluster('a', 'b', 'c');
    const { box, logs } = cluster.nodes[0] as TestNode;
    const { entropy } = box;
    box.entropy = () => Promise.reject(new Refusal('odyn_unavailable'));
    cluster.chain.openNext();
    for (let round = 0; round < 6; round += 1) await cluster.round();
    expect(logs.named('tick.failed')[0]).toEqual({ reason: 'odyn_unavailable', detail: '' });
    box.entropy = entropy;
    await cluster.until(allServe(cluster));
    expectOneSecret(cluster);
  });
  it.each([
    ['short', 31],
    ['all zero', 32],
  ])('that gives %s entropy gives no secret', async (_what, length) => {
    const cluster = createCluster('a', 'b', 'c');
    const { box, logs, kms } = cluster.nodes[0] as TestNode;
    box.entropy = () => Promise.resolve(new Uint8Array(length));
    cluster.chain.openNext();
    for (let round = 0; round < 6; round += 1) await cluster.round();
    expect(kms.vault.candidates(e0)).toEqual([]);
    expect(logs.named('tick.failed')[0]).toMatchObject({ reason: 'internal' });
  });
});

describe('a proposer whose vault fills up while it draws', () => {
  it('drops what it has not endorsed, and keeps and endorses its own', async () => {
    const cluster = createCluster('a', 'b', 'c');
    const { box, kms, logs } = cluster.nodes[0] as TestNode;
    const random = createRandom('others');
    box.entropy = () => {
      for (let kept = 0; kept < CANDIDATES_PER_EPOCH_MAX; kept += 1) kms.vault.keepCandidate(e0, random.bytes(32), new Set());
      return Promise.resolve(random.bytes(32));
    };
    cluster.chain.openNext();
    await cluster.until(() => kms.vault.candidates(e0).length > 0);
    const [drawn] = logs.named('candidate.generated') as readonly { hash: string }[];
    expect(kms.vault.candidates(e0)).toHaveLength(CANDIDATES_PER_EPOCH_MAX);
    expect(kms.vault.candidates(e0)).toContain(drawn?.hash);
    expect(logs.named('candidate.endorsed')).toMatchObject([{ hash: drawn?.hash }]);
  });
});

describe('a tick', () => {
  it('is one at a time, and one that hangs is given up for the next', async () => {
    const cluster = createCluster('a', 'b', 'c');
    const { kms, signer, logs } = cluster.nodes[0] as TestNode;
    const { address } = signer;
    let asked = 0;
    signer.address = () => {
      asked += 1;
      return new Promise(() => undefined);
    };
    void kms.admission.tick();
    await kms.admission.tick();
    expect(asked).toBe(1);
    // A clock that is set back makes none of them younger.
    cluster.clock.set(-3_600_000);
    cluster.clock.advance(TICK_MS_MAX);
    signer.address = address;
    await kms.admission.tick();
    expect(logs.named('tick.skipped')).toEqual([{ runningMs: TICK_MS_MAX }]);
    expect(kms.admission.gate()).not.toMatchObject({ reason: 'starting' });
  });
  it('that fails by a mistake says so, and the next one starts from the facts again', async () => {
    const cluster = await born('a', 'b', 'c');
    const node = cluster.nodes[0] as TestNode;
    const { address } = node.signer;
    node.signer.address = () => Promise.reject(new TypeError('a mistake'));
    await cluster.round();
    expect(node.logs.named('tick.failed')).toMatchObject([{ reason: 'internal' }]);
    node.signer.address = address;
    await cluster.round();
    expect(gateOf(node)).toBe('serving 0');
  });
  it('says a change of its gate once', async () => {
    const cluster = await born('a', 'b', 'c');
    for (let round = 0; round < 5; round += 1) await cluster.round();
    for (const node of cluster.nodes) expect(node.logs.named('node.serving')).toHaveLength(1);
  });
});

describe('the activation', () => {
  it('is handed out for whoever relays by hand, once a majority has signed and while the epoch is open', async () => {
    const cluster = createCluster('a', 'b', 'c');
    cluster.chain.account = () => Promise.resolve({ balanceWei: 0n, nonce: 0 });
    cluster.chain.openNext();
    const node = cluster.nodes[1] as TestNode;
    expect(node.kms.admission.activation()).toBeUndefined();
    await cluster.until(() => node.kms.admission.activation() !== undefined);
    expect(node.kms.admission.activation()?.epoch).toBe(0);
    for (let round = 0; round < 12; round += 1) await cluster.round();
    expect(cluster.chain.activations).toEqual([]);
    expect(cluster.nodes.flatMap((each) => each.logs.named('activation.failed'))).not.toEqual([]);
    cluster.chain.account = () => Promise.resolve({ balanceWei: 10n ** 18n, nonce: 0 });
    await cluster.until(allServe(cluster));
    await cluster.round();
    expect(node.kms.admission.activation()).toBeUndefined();
  });
  it('is sent by one node, not by each', async () => {
    const cluster = await born('a', 'b', 'c');
    expect(cluster.chain.activations).toHaveLength(1);
  });
});

describe('a wire that loses messages', () => {
  it.each(['one', 'two', 'three'])('X-9 S-C1 delays a birth and splits nothing (seed %s)', async (seed) => {
    const cluster = createCluster('a', 'b', 'c');
    const random = createRandom(`losses ${seed}`);
    cluster.intercept = () => ((random.bytes(1)[0] as number) < 64 ? 'drop' : 'pass');
    cluster.chain.openNext();
    await cluster.until(allServe(cluster), 200);
    expectOneSecret(cluster);
  });
  it('X-10 for an hour costs a bounded number of log lines and calls', async () => {
    const cluster = await born('a', 'b', 'c');
    const node = cluster.nodes[0] as TestNode;
    const linesBefore = node.logs.lines.length;
    let calls = 0;
    cluster.intercept = (from) => {
      if (from === 'a') calls += 1;
      return 'drop';
    };
    for (let round = 0; round < 360; round += 1) await cluster.round(5);
    expect(node.logs.lines.length - linesBefore).toBeLessThan(10);
    // Two peers, one try each in a back-off of half a minute at least.
    expect(calls).toBeLessThan((2 * 3_600) / 20);
    expect(gateOf(node)).toBe('serving 0');
  }, 30_000);
});
