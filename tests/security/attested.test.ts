/**
 * Who is handed a secret, on whole nodes: members whose enclaves prove that they run what the chain says, again and again. In each case an
 * honest latecomer is handed it over the same wire; then everything that went over it is searched for the secret.
 */
import { beforeEach, describe, expect, it } from 'vitest';
import { secretHash } from '../../core/crypto/kdf.ts';
import { HANDOVERS_BURST, PEER_BACKOFF_MAX_MS, SESSION_AGE_MAX_MS } from '../../core/limits.ts';
import { encodeWanted, decodeGiven } from '../../core/cluster/messages.ts';
import { hex, parseHex } from '../../core/wire/bytes.ts';
import { pcrsOf, measurementOf } from '../attestation/pcrs.ts';
import { foreignRoot } from '../attestation/roots.ts';
import { createCluster, epochOf, hashOf, reasonOfAsync } from '../core/fakes.ts';
import type { SecurityModule } from '../attestation/module.ts';
import type { Hash } from '../../core/identity.ts';
import type { OperatorAnswer, TestCluster, TestNode } from '../core/fakes.ts';

const e0 = epochOf(0);
const gateOf = ({ kms }: TestNode) => kms.admission.gate().kind;

/** Three that serve, and everything they and others say to each other from now on. */
async function born(): Promise<TestCluster & { readonly wire: Uint8Array[]; readonly hash: Hash; readonly secret: Uint8Array }> {
  const cluster = createCluster('a', 'b', 'c');
  const wire: Uint8Array[] = [];
  cluster.overhear = (body) => void wire.push(body.slice());
  cluster.chain.openNext();
  await cluster.until(() => cluster.nodes.every((node) => gateOf(node) === 'serving'));
  const hash = cluster.chain.epochs[0]?.secretHash as Hash;
  const secret = cluster.nodes.flatMap(({ box }) => box.drawn).find((drawn) => secretHash(drawn) === hash) as Uint8Array;
  return Object.assign(cluster, { wire, hash, secret });
}
type Born = Awaited<ReturnType<typeof born>>;

const given = ({ nodes }: TestCluster, to: TestNode) =>
  nodes.flatMap(({ logs }) => logs.named('handover.given')).filter(({ peer }) => peer === to.wallet);
const change = ({ chain }: TestCluster, node: TestNode, what: Partial<OperatorAnswer>) => {
  chain.operators = chain.operators.map((each) => (each.wallet === node.wallet ? { ...each, ...what } : each));
};
/** Asks `holder` for the secret over whatever session there is, or a new one. */
function ask({ hash }: Born, from: TestNode, holder: TestNode): Promise<Uint8Array | undefined> {
  const peer = { wallet: holder.wallet, origin: holder.origin };
  const read = (answer: Uint8Array) => decodeGiven(answer)[0]?.secret;
  return from.kms.peers.call(peer, 'handover', encodeWanted([{ epoch: e0, hash }]), read);
}
const rounds = async (cluster: TestCluster, count: number) => {
  for (let round = 0; round < count; round += 1) await cluster.round();
};

function expectUnseen({ wire, secret }: Born): void {
  expect(wire.length).toBeGreaterThan(0);
  const all = Buffer.concat(wire);
  for (const form of [Buffer.from(secret), Buffer.from(hex(secret)), Buffer.from(Buffer.from(secret).toString('base64'))])
    expect(all.includes(form)).toBe(false);
}

describe('a newcomer', () => {
  it('S-M2 S-M5 that proves what the chain says of it is handed the secret, in frames alone', async () => {
    const cluster = await born();
    const late = cluster.boot('d');
    await cluster.until(() => gateOf(late) === 'serving');
    expect(given(cluster, late)).toHaveLength(1);
    expectUnseen(cluster);
    // What is searched for would be found: the hellos hold other bytes of the same kind.
    expect(Buffer.concat(cluster.wire).includes(Buffer.from(parseHex(pcrsOf(1).pcr0) as Uint8Array))).toBe(true);
  });

  it.each<[string, string, (module: SecurityModule) => void]>([
    ['runs other code than is registered for it', 'measurement_mismatch', (module) => (module.pcrs = pcrsOf(66))],
    ['runs in debug mode', 'debug', (module) => (module.isDebug = true)],
    ['is attested under another root', 'root_unknown', (module) => (module.root = foreignRoot())],
    ['shows a document of an hour ago', 'too_old', (module) => (module.shiftMs = -3_600_000)],
  ])('S-M2 S-M5 that %s is handed nothing, until it is well: %s', async (_what, fault, bend) => {
    const cluster = await born();
    const late = cluster.boot('d');
    const good = { ...late.attester.module };
    bend(late.attester.module);
    await rounds(cluster, 12);
    expect(gateOf(late)).toBe('waiting');
    expect(given(cluster, late)).toEqual([]);
    const refusals = cluster.nodes.flatMap(({ name, logs }) => (name === 'd' ? [] : logs.named('attestation.refused')));
    expect(new Set(refusals.map((each) => `${each.peer} ${each.fault}`))).toEqual(new Set([`${late.wallet} ${fault}`]));
    const [a] = cluster.nodes as [TestNode];
    expect(a.kms.peers.contact(late.wallet)).toMatchObject({ reachable: false, failure: 'peer_not_attested' });
    expect(a.logs.named('peer.unreachable').filter(({ peer }) => peer === late.wallet)).toMatchObject([{ reason: 'peer_not_attested' }]);
    expectUnseen(cluster);
    Object.assign(late.attester.module, good);
    await cluster.until(() => gateOf(late) === 'serving', 120);
    expect(given(cluster, late)).toHaveLength(1);
    expectUnseen(cluster);
  });
});

describe('a member with a session', () => {
  let cluster: Born;
  let late: TestNode;
  let holder: TestNode;

  beforeEach(async () => {
    cluster = await born();
    late = cluster.boot('d');
    [holder] = cluster.nodes as [TestNode];
    await cluster.until(() => gateOf(late) === 'serving');
  });

  it('S-M2 is handed what it names by epoch and hash, and nothing of another epoch', async () => {
    expect(await ask(cluster, late, holder)).toEqual(cluster.secret);
    const peer = { wallet: holder.wallet, origin: holder.origin };
    const none = (epoch: number, hash: Hash) =>
      late.kms.peers.call(peer, 'handover', encodeWanted([{ epoch: epochOf(epoch), hash }]), (answer) => decodeGiven(answer).length);
    expect([await none(1, cluster.hash), await none(0, hashOf(1))]).toEqual([0, 0]);
  });

  it.each<[string, Partial<OperatorAnswer>]>([
    ['on a version that was DEPRECATED', { versionStatus: 1, eligible: false }],
    ['on a version that was REVOKED', { versionStatus: 2, live: false, eligible: false }],
    ['whose measurement is not approved any more', { measurementApproved: false, live: false, eligible: false }],
    ['that was stopped', { instanceStatus: 1, live: false, eligible: false }],
  ])('S-M2 R-5 is handed nothing %s, a block ago', async (_what, what) => {
    expect(await ask(cluster, late, holder)).toEqual(cluster.secret);
    change(cluster, late, what);
    // The block is there; nobody has had a tick to read it.
    cluster.chain.mine();
    expect(await reasonOfAsync(ask(cluster, late, holder))).toBe('peer_unreachable');
    const refused = () => holder.logs.named('handover.refused');
    expect(refused()).toEqual([{ peer: late.wallet, reason: 'handover_not_eligible' }]);
    // Read by now: a member that is not eligible is heard and refused again, who is no member is not even heard.
    expect(await reasonOfAsync(ask(cluster, late, holder))).toBe('peer_unreachable');
    expect(refused()).toHaveLength(what.live === false ? 1 : 2);
    expect(given(cluster, late)).toHaveLength(2);
  });

  it('S-M2 S-M5 is handed nothing, and its session ends, once the chain names other code for it', async () => {
    expect(await ask(cluster, late, holder)).toEqual(cluster.secret);
    change(cluster, late, { codeMeasurement: measurementOf(pcrsOf(66)) });
    cluster.chain.mine();
    const logged = holder.logs.lines.length;
    const since = (event: string) => holder.logs.lines.slice(logged).filter((line) => line.event === event);
    expect(await reasonOfAsync(ask(cluster, late, holder))).toBe('peer_unreachable');
    expect(since('handover.refused')).toMatchObject([{ fields: { peer: late.wallet, reason: 'peer_not_attested' } }]);
    await holder.kms.view.refresh();
    cluster.clock.advance(PEER_BACKOFF_MAX_MS);
    // As initiator and as responder: sessions that stood are over, and new ones take a document of that code.
    expect(
      await reasonOfAsync(holder.kms.peers.call({ wallet: late.wallet, origin: late.origin }, 'endorsement', new Uint8Array(0), () => 0)),
    ).toBe('peer_not_attested');
    expect(since('attestation.refused')).toMatchObject([{ fields: { peer: late.wallet, fault: 'measurement_changed' } }]);
    expectUnseen(cluster);
  });

  it('S-M2 is handed a burst, and then no more than its rate', async () => {
    await rounds(cluster, 4);
    const outcomes: string[] = [];
    for (let asked = 0; asked <= HANDOVERS_BURST; asked += 1) outcomes.push(await reasonOfAsync(ask(cluster, late, holder)));
    expect(outcomes.slice(0, -1).every((outcome) => outcome === 'none')).toBe(true);
    expect(outcomes.at(-1)).toBe('peer_unreachable');
    expect(holder.logs.named('handover.refused').at(-1)).toEqual({ peer: late.wallet, reason: 'handover_rate_limited' });
    expectUnseen(cluster);
  });
});

describe('X-14 a member', () => {
  it('proves itself again each time a session is old, and is no peer once it cannot', async () => {
    const cluster = await born();
    const [a, b, c] = cluster.nodes as [TestNode, TestNode, TestNode];
    const opened = () => a.logs.named('session.opened').filter(({ peer }) => peer === c.wallet).length;
    const before = opened();
    await rounds(cluster, Math.ceil(SESSION_AGE_MAX_MS / 2_000) + 12);
    // Both ways, without anybody asking for it.
    expect(opened()).toBeGreaterThanOrEqual(before + 2);
    expect(a.kms.peers.contact(c.wallet)).toMatchObject({ reachable: true, failure: null });

    c.attester.module.pcrs = pcrsOf(66);
    // Nothing is noticed while sessions last.
    await rounds(cluster, 2);
    expect(a.kms.peers.contact(c.wallet)).toMatchObject({ reachable: true });
    await rounds(cluster, Math.ceil(SESSION_AGE_MAX_MS / 2_000) + 12);
    for (const node of [a, b]) {
      expect(node.kms.peers.contact(c.wallet)).toMatchObject({ reachable: false, failure: 'peer_not_attested' });
      expect(
        node.logs
          .named('peer.unreachable')
          .filter(({ peer }) => peer === c.wallet)
          .at(-1),
      ).toMatchObject({ reason: 'peer_not_attested' });
      expect(node.logs.named('attestation.refused').every(({ peer, fault }) => peer === c.wallet && fault === 'measurement_mismatch')).toBe(
        true,
      );
      expect(await reasonOfAsync(ask(cluster, c, node))).not.toBe('none');
    }
    expect(a.kms.peers.contact(b.wallet)).toMatchObject({ reachable: true });
    expectUnseen(cluster);

    c.attester.module.pcrs = pcrsOf(1);
    await cluster.until(() => [a, b].every((node) => node.kms.peers.contact(c.wallet).reachable === true), 120);
    expect(await ask(cluster, c, a)).toEqual(cluster.secret);
  });
});
