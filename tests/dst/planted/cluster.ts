/** Planted bugs of the cluster and of what apps are told: secrets, readiness, revocation, keys, what a node holds on to. */
import { patch } from './bug.ts';
import type { PlantedBug } from './bug.ts';

const VAULT = 'core/crypto/vault.ts';
const CALLER = 'core/auth/caller.ts';
const HAND_OVER = 'const secret = exactly(epoch, hash) ?? candidates.get(epoch)?.get(hash);';
const ANY_SECRET = 'const secret = (exactly(epoch, hash) && [...secrets.values()][0]?.secret) ?? candidates.get(epoch)?.get(hash);';
const INSTALL_JUDGED = 'if (secret.length !== SECRET_BYTES || secretHash(secret) !== hash) return false;';
const INSTALL_UNJUDGED = 'if (secret.length !== SECRET_BYTES) return false;';

const SECRETS: readonly PlantedBug[] = [
  {
    name: 'another_secret_installed',
    rule: 'A secret is installed only if it has the hash on chain; here what a peer gives is taken for it.',
    expects: ['I23'],
    patches: [
      patch(VAULT, HAND_OVER, ANY_SECRET),
      patch(VAULT, INSTALL_JUDGED, INSTALL_UNJUDGED),
      patch('core/cluster/handover.ts', ' && secretHash(given.secret) === hash;', ' && secretHash(given.secret) !== undefined;'),
    ],
    profiles: ['rotation', 'swarm'],
  },
  {
    name: 'any_candidate_installed',
    rule: 'The candidate whose hash became active is installed; here the first that is held.',
    expects: ['I23'],
    patches: [
      patch(
        VAULT,
        'candidates.get(epoch)?.get(hash);\n    return secret !== undefined',
        '[...(candidates.get(epoch)?.values() ?? [])][0];\n    return secret !== undefined',
      ),
      patch(VAULT, INSTALL_JUDGED, INSTALL_UNJUDGED),
    ],
    profiles: ['birth', 'swarm', 'rotation'],
  },
  {
    name: 'serves_before_it_has_the_secret',
    rule: 'A node serves with the secrets of all usable epochs; here it serves without.',
    expects: ['I13'],
    patches: [
      patch(
        'core/cluster/readiness.ts',
        'find((epoch) => !facts.held.has(epoch.epoch));',
        'find((epoch) => epoch.hash === undefined && !facts.held.has(epoch.epoch));',
      ),
    ],
    profiles: ['crash', 'rotation'],
  },
  {
    name: 'gate_shut_after_the_tick',
    rule: 'The gate is shut with the secret; here it stays open until the tick that took the secret has talked to its peers.',
    expects: ['I13'],
    patches: [
      patch(
        'core/cluster/admission.ts',
        "if (gate.kind === 'serving') record(now);",
        "if (gate === STARTING && now.kind === 'serving') record(now);",
      ),
    ],
    profiles: ['chain', 'rotation'],
  },
  {
    name: 'serves_a_candidate',
    rule: 'A candidate is never served; here a node serves an epoch that is still open.',
    expects: ['I13'],
    patches: [
      patch(
        'core/cluster/readiness.ts',
        'if (open) return birthGate(facts, blocks, open);',
        "if (open) return birthGate(facts, blocks, open) && { kind: 'serving', epoch: open.epoch };",
      ),
    ],
    profiles: ['birth', 'calm'],
  },
  {
    name: 'secret_in_a_log',
    rule: 'No log line has a secret; here one has.',
    expects: ['I16'],
    patches: [
      patch(
        'core/cluster/steps.ts',
        "log('candidate.generated', { epoch, hash });",
        "log('candidate.generated', { epoch, hash: Buffer.from(secret).toString('hex') });",
      ),
    ],
    profiles: ['calm'],
  },
  {
    name: 'answers_in_the_clear',
    rule: 'What an app is told is sealed for it; here it goes out as it is.',
    expects: ['I16'],
    patches: [patch('functions/sealed.ts', 'return encodeEnvelope(envelope);', 'return canonicalJson(result);')],
    profiles: ['calm', 'loss'],
  },
  {
    name: 'frames_in_the_clear',
    rule: 'Frames between peers are sealed; here they are authentic to nobody and read by everybody.',
    expects: ['I16'],
    patches: [
      patch(
        'core/cluster/frames.ts',
        'return concat(outside, sealBytes(session.keys[direction], nonceOf(counter), payload, associatedOf(session, direction, type, counter)));',
        'return concat(outside, payload, new Uint8Array(AEAD_TAG_BYTES));',
      ),
      patch(
        'core/cluster/frames.ts',
        'const payload = openBytes(session.keys[direction], nonceOf(frame.counter), frame.sealed, associated);',
        'const payload = associated && frame.sealed.slice(0, frame.sealed.length - AEAD_TAG_BYTES);',
      ),
    ],
    profiles: ['calm'],
  },
];

const KEYS: readonly PlantedBug[] = [
  {
    name: 'derives_without_the_app',
    rule: 'A key is its app’s own; here every app gets the same.',
    expects: ['I18'],
    patches: [
      patch(
        'core/crypto/kdf.ts',
        'const salt = `nova-kms:app:${derivation.appId}:epoch:${derivation.epoch}`;',
        'const salt = `nova-kms:app:epoch:${derivation.epoch}`;',
      ),
    ],
    profiles: ['calm'],
  },
  {
    name: 'derives_from_the_newest_secret',
    rule: 'A key of an epoch stays as it is after a rotation; here it comes from the newest secret.',
    expects: ['I18', 'I15'],
    patches: [
      patch(
        VAULT,
        'const held = secrets.get(derivation.epoch);',
        'const held = secrets.get(derivation.epoch) && [...secrets].toSorted(([a], [b]) => b - a)[0]?.[1];',
      ),
    ],
    profiles: ['rotation', 'swarm'],
  },
  {
    name: 'derives_in_the_current_epoch',
    rule: 'An app keeps the epoch in which it was born; here a rotation moves it.',
    expects: ['I15'],
    patches: [
      patch(
        'functions/derive.ts',
        "return named === undefined ? { kind: 'ofApp', appCreatedAtMs }",
        "return named === undefined && appCreatedAtMs > 0 ? { kind: 'current' }",
      ),
    ],
    profiles: ['rotation', 'swarm'],
  },
  {
    name: 'certificate_of_the_node',
    rule: 'All nodes serve the same CA certificate; here the node’s wallet is in it.',
    expects: ['I19'],
    patches: [
      patch('core/kms.ts', 'trustDomain: profile.trustDomain,', 'trustDomain: `${identity.wallet.slice(2, 6)}.${profile.trustDomain}`,'),
    ],
    profiles: ['calm', 'rotation', 'swarm'],
  },
];

const REVOCATION: readonly PlantedBug[] = [
  {
    name: 'grant_kept_for_ever',
    rule: 'A caller is judged anew after a moment; here a judgement stands as long as it is remembered.',
    expects: ['I17'],
    patches: [patch(CALLER, 'if (known && nowMs - known.judgedAtMs < CALLER_CACHE_MS) return known;', 'if (known) return known;')],
    profiles: ['chain', 'swarm'],
  },
  {
    name: 'caller_judged_when_confirmed',
    rule: 'A revocation counts at the head; here only once it is confirmed.',
    expects: ['I17'],
    patches: [
      patch(
        CALLER,
        'const doubt = [caller, judgeCaller(wallet, atConfirmed)].find((verdict) => verdict instanceof Refusal);\n    return { verdict: doubt ?? caller,',
        'const verdict = judgeCaller(wallet, atConfirmed);\n    return { verdict: caller instanceof Refusal && verdict instanceof Refusal ? caller : verdict,',
      ),
    ],
    profiles: ['chain', 'swarm'],
  },
  {
    name: 'member_not_asked_per_frame',
    rule: 'Membership is asked at every frame; here a session is good until its end.',
    expects: ['I17'],
    patches: [
      patch(
        'core/cluster/sessions.ts',
        'const peer = requireMember(session.peer);',
        'const peer = { wallet: session.peer, measurement: session.attested };',
      ),
      patch('core/cluster/sessions.ts', 'requireMember(accepted.require(id).peer).wallet', 'accepted.require(id).peer'),
    ],
    profiles: ['chain', 'forget'],
  },
  {
    name: 'member_judged_when_confirmed',
    rule: 'A member that was removed is refused at the head; here only once it is confirmed.',
    expects: ['I17'],
    patches: [
      patch(
        'core/chain/view.ts',
        'return head?.live && operatorOf(blocks.confirmed, wallet)?.live ? head : undefined;',
        'return head && operatorOf(blocks.confirmed, wallet)?.live ? head : undefined;',
      ),
    ],
    profiles: ['chain', 'forget'],
  },
];

const HOLDING: readonly PlantedBug[] = [
  {
    name: 'bodies_never_given_back',
    rule: 'Room for a body is given back when its request ends; here it is kept.',
    expects: ['I22'],
    patches: [patch('core/auth/budget.ts', 'return work().finally(() => change(owner, -amount));', 'return work();')],
    profiles: ['calm'],
  },
  {
    name: 'sleeps_left_behind',
    rule: 'What a call waited for ends with it; here every call leaves a sleep of a minute.',
    expects: ['I22'],
    patches: [patch('core/deadline.ts', "done.abort('done');", 'void clock.sleep(60_000);')],
    profiles: ['calm'],
  },
  {
    name: 'used_up_twice',
    rule: 'What is used up is remembered once; here each nonce and each envelope takes two places.',
    expects: ['I22'],
    patches: [
      patch(
        'core/auth/replays.ts',
        'perOwner.set(owner, holds);\n      return true;',
        'perOwner.set(owner, holds);\n      expiries.set(`${key}|`, { elapsedMs: now.elapsedMs + bounds.lifetimeMs, clockMs: now.clockMs + bounds.lifetimeMs });\n      return true;',
      ),
    ],
    profiles: ['calm'],
  },
  {
    name: 'nobody_waits_for_a_greeting',
    rule: 'A greeting that fails is taken note of; here nobody waits for it, and nobody catches what it throws.',
    expects: ['I0'],
    patches: [
      patch(
        'core/replication/pushes.ts',
        'await send(peer, undefined, emptyDelta(store.incarnation(), 0), () => false);',
        'void send(peer, undefined, emptyDelta(store.incarnation(), 0), () => false);\n    await Promise.resolve();',
      ),
    ],
    profiles: ['calm', 'loss', 'partition'],
  },
  {
    name: 'failed_peer_given_up',
    rule: 'A peer that failed is tried again; here it is not, until it speaks itself.',
    expects: ['I21', 'I1'],
    patches: [
      patch(
        'core/cluster/peers.ts',
        'standing.nextTryAtMs = clock.elapsedMs() + backoffAfter(standing.failures, BACKOFF, random.bytes(1));',
        'standing.nextTryAtMs = clock.elapsedMs() + 1e9 + backoffAfter(standing.failures, BACKOFF, random.bytes(1));',
      ),
      patch(
        'core/cluster/peers.ts',
        'if (standing) standing.nextTryAtMs = Math.min(standing.nextTryAtMs, standing.failedAtMs + PEER_BACKOFF_MIN_MS);',
        'if (standing && PEER_BACKOFF_MIN_MS < 0) standing.nextTryAtMs = 0;',
      ),
    ],
    profiles: ['loss', 'partition'],
  },
];

export const CLUSTER_BUGS: readonly PlantedBug[] = [...SECRETS, ...KEYS, ...REVOCATION, ...HOLDING];
