/** The node, weakened in one place at a time. */
import { patch, weakness } from './weakness.ts';
import type { Weakness } from './weakness.ts';

const VAULT = 'core/crypto/vault.ts';
const AEAD = 'core/crypto/aead.ts';
const HANDOVER = 'core/cluster/handover.ts';
const SESSIONS = 'core/cluster/sessions.ts';

const SECRETS: readonly Weakness[] = [
  weakness(
    'S-C1',
    'derives from a candidate while there is no secret',
    'tests/core/crypto/vault.test.ts',
    patch(
      VAULT,
      'const held = secrets.get(derivation.epoch);',
      'const held = secrets.get(derivation.epoch) ?? [...(candidates.get(derivation.epoch)?.values() ?? [])].map((secret) => ({ secret }))[0];',
    ),
  ),
  weakness(
    'S-C2',
    'keeps what was derived from a secret when another takes its place',
    'tests/core/crypto/vault.test.ts',
    patch(VAULT, 'internalKeys: new LRUCache({', 'internalKeys: secrets.get(epoch)?.internalKeys ?? new LRUCache({'),
    patch(VAULT, 'held?.internalKeys.clear();', ''),
  ),
  weakness(
    'S-C3',
    'keeps whatever a peer hands over',
    'tests/core/cluster/handover.test.ts',
    patch(HANDOVER, ' && secretHash(given.secret) === hash;', ';'),
  ),
  weakness(
    'S-H1',
    'sends frames as they are, beside a tag',
    'tests/core/cluster/sessions.test.ts',
    patch(
      AEAD,
      'concat(cipher.update(plaintext), cipher.final(), cipher.getAuthTag())',
      'concat(plaintext, new Uint8Array(AEAD_TAG_BYTES))',
    ),
    patch(AEAD, 'decipher.update(sealed.subarray(0, sealed.length - AEAD_TAG_BYTES));', 'sealed.slice(0, -AEAD_TAG_BYTES);'),
    patch(AEAD, '    decipher.final();\n', ''),
  ),
  weakness(
    'S-M2',
    'hands secrets over as often as it is asked',
    'tests/core/cluster/handover.test.ts',
    patch(HANDOVER, 'if (!rate.take(peer.wallet))', 'if (!rate.take(peer.wallet) && peer.wallet === undefined)'),
  ),
  weakness(
    'S-M2',
    'takes a document whatever it was made for',
    'tests/core/cluster/attestations.test.ts',
    patch('core/crypto/nitro/policy.ts', "if (nonce !== 'any' && !isSame(attestation.nonce, nonce)) return 'nonce_mismatch';", ''),
  ),
  weakness(
    'S-M2',
    'leaves no record of who asks for what is not there',
    'tests/security/handover.test.ts',
    patch(HANDOVER, 'if (given.length < wanted.length)', 'if (wanted.length === 0)'),
  ),
  weakness(
    'S-M2 U-10',
    'hands secrets to every member',
    'tests/core/cluster/handover.test.ts',
    patch(
      HANDOVER,
      "import { eligibleMemberOf } from '../chain/view.ts';",
      "import { memberOf as eligibleMemberOf } from '../chain/view.ts';",
    ),
  ),
  weakness(
    'S-M5',
    'believes an enclave whatever it runs',
    'tests/core/crypto/nitro/policy.test.ts',
    patch(
      'core/crypto/nitro/policy.ts',
      "if (measurement !== 'any' && attestation.measurement !== measurement) return 'measurement_mismatch';",
      '',
    ),
  ),
  weakness(
    'U-1',
    'joins path and context as they are',
    'tests/properties/derivation.test.ts',
    patch('core/crypto/kdf.ts', "path.replaceAll('%', '%25').replaceAll(':', '%3A')", 'path'),
  ),
  weakness(
    'U-17',
    'takes tags of four bytes',
    'tests/core/wire/envelope.test.ts',
    patch('core/wire/envelope.ts', 'encryptedBytes.length < GCM_TAG_BYTES', 'encryptedBytes.length < GCM_TAG_BYTES / 4'),
  ),
];

const CLUSTER: readonly Weakness[] = [
  weakness(
    'S-H4',
    'serves without the secrets of all epochs in use',
    'tests/core/cluster/readiness.test.ts',
    patch(
      'core/cluster/readiness.ts',
      'find((epoch) => !facts.held.has(epoch.epoch));',
      'find((epoch) => epoch.hash === undefined && !facts.held.has(epoch.epoch));',
    ),
  ),
  weakness(
    'S-H5',
    'counts endorsements that nobody signed',
    'tests/core/cluster/endorsements.test.ts',
    patch(
      'core/cluster/endorsements.ts',
      'return bytes && recover(text, bytes) === signer ? undefined',
      'return bytes && text ? undefined',
    ),
  ),
  weakness(
    'S-M4',
    'probes every peer in every round',
    'tests/core/cluster/gossip.test.ts',
    patch('core/cluster/gossip.ts', 'peers.contact(wallet).quietMs >= PEER_PROBE_MS', 'peers.contact(wallet).quietMs >= 0'),
  ),
  weakness(
    'S-L8',
    'asks one peer after the other',
    'tests/core/cluster/gossip.test.ts',
    patch(
      'core/cluster/gossip.ts',
      'await Promise.all(due.map((peer) => exchangeWith(peer, peers, payload)));',
      'for (const peer of due) await exchangeWith(peer, peers, payload);',
    ),
  ),
  weakness(
    'S-L9',
    'keeps secrets where every vault of the process sees them',
    'tests/core/crypto/vault.test.ts',
    patch(
      VAULT,
      'const secrets = new Map<Epoch, Held>();',
      "const secrets = Reflect.get(globalThis, 'shared') ?? new Map();\n  Reflect.set(globalThis, 'shared', secrets);",
    ),
  ),
  weakness(
    'R-4',
    'takes the name in a hello for its signer’s',
    'tests/core/cluster/hello.test.ts',
    patch(
      'core/cluster/hello.ts',
      'recover(helloText(hello, body), signature) !== hello.wallet)',
      'recover(helloText(hello, body), signature) === undefined)',
    ),
  ),
  weakness(
    'R-5',
    'asks for membership at the hello only',
    'tests/core/cluster/sessions.test.ts',
    patch(
      SESSIONS,
      'const peer = requireMember(session.peer);',
      'const peer = { wallet: session.peer, measurement: session.attested } as Operator;',
    ),
  ),
  weakness(
    'X-9',
    'takes a hello as often as it comes',
    'tests/core/cluster/sessions.test.ts',
    patch(SESSIONS, 'if (!usedNonces.use(hello.wallet, hello.nonce))', 'if (!usedNonces.use(hello.wallet, hello.nonce) && !hello)'),
  ),
  weakness(
    'X-10',
    'tries a peer that failed at once again',
    'tests/core/cluster/peers.test.ts',
    patch(
      'core/cluster/peers.ts',
      'standing.nextTryAtMs = clock.elapsedMs() + backoffAfter(standing.failures, BACKOFF, random.bytes(1));',
      'standing.nextTryAtMs = clock.elapsedMs() + 0 * backoffAfter(standing.failures, BACKOFF, random.bytes(1));',
    ),
  ),
  weakness(
    'X-14',
    'never asks a member to prove itself again',
    'tests/security/attested.test.ts',
    patch('core/cluster/session.ts', '> SESSION_AGE_MAX_MS ||', '> 1_000 * SESSION_AGE_MAX_MS ||'),
  ),
  weakness(
    'U-12',
    'ends a message at the signature of a wallet that died',
    'tests/core/cluster/endorsements.test.ts',
    patch(
      'core/cluster/endorsements.ts',
      'if (known?.has(signer) || !eligibility.isEligible(signer)) continue;',
      "if (known?.has(signer)) continue;\n          if (!eligibility.isEligible(signer)) return { refused: 'of a dead wallet' };",
    ),
  ),
];

const CALLERS: readonly Weakness[] = [
  weakness(
    'S-H6',
    'believes the confirmed block alone',
    'tests/core/auth/caller.test.ts',
    patch('core/auth/caller.ts', 'const caller = judgeCaller(wallet, atHead);', 'const caller = judgeCaller(wallet, atConfirmed);'),
  ),
  weakness(
    'S-M1',
    'shows itself to whoever registered any node',
    'tests/core/auth/operators.test.ts',
    patch(
      'core/auth/operators.ts',
      'if (operatorOf(head, self)?.registrant === wallet) return;',
      'if (head.operators.some(({ registrant }) => registrant === wallet)) return;',
    ),
  ),
  weakness(
    'S-M6 X-13',
    'votes for whoever registered any node',
    'tests/core/auth/operators.test.ts',
    patch(
      'core/auth/operators.ts',
      'if (operatorOf(usableHead(), self)?.registrant !== wallet)',
      'if (!usableHead().operators.some(({ registrant }) => registrant === wallet))',
    ),
  ),
  weakness(
    'S-L7',
    'forgets nothing by itself',
    'tests/core/auth/replays.test.ts',
    patch('core/auth/replays.ts', '    forgetExpired(now);\n    return now;', '    return now;'),
  ),
  weakness(
    'X-3',
    'opens private endpoints before it serves',
    'tests/functions/api.test.ts',
    patch('functions/sealed.ts', "if (gate.kind === 'waiting') throw", "if (gate.kind === 'waiting' && !kms) throw"),
  ),
  weakness(
    'U-3',
    'takes any body with a signature',
    'tests/core/auth/httpsig.test.ts',
    patch('core/auth/httpsig.ts', 'bodyDigest ? equalBytes(digestOf(body), bodyDigest) :', 'bodyDigest ? body.length >= 0 :'),
  ),
  weakness(
    'U-4',
    'believes the first address that stands there',
    'tests/functions/visitors.test.ts',
    patch('functions/visitors.ts', 'while (isTrusted(nearest)) {', 'while (told.length > 0) {'),
  ),
  weakness(
    'U-8',
    'judges statuses of a wallet that nobody knows',
    'tests/core/auth/caller.test.ts',
    patch('core/auth/standing.ts', 'const appId = parseAppId(view.appId);', 'const appId = (parseAppId(view.appId) ?? 1n) as AppId;'),
    patch(
      'core/auth/standing.ts',
      'if (view.instanceId === 0n || view.wallet !== wallet || appId === undefined)',
      'if (appId === undefined)',
    ),
  ),
  weakness(
    'U-14',
    'takes a signature for another chain',
    'tests/core/auth/httpsig.test.ts',
    patch('core/auth/httpsig.ts', 'if (params.keyId.chainId !== dependencies.chainId)', 'if (!params.keyId.chainId)'),
  ),
  weakness(
    'U-15',
    'takes a signature of before its boot',
    'tests/core/auth/httpsig.test.ts',
    patch('core/auth/httpsig.ts', 'if (createdMs <= bootedAtMs + SIGNATURE_AHEAD_MAX_MS)', 'if (createdMs <= 0 * bootedAtMs)'),
  ),
  weakness(
    'U-18',
    'opens an envelope as often as it comes',
    'tests/functions/sealed.test.ts',
    patch('functions/sealed.ts', 'if (!kms.usedEnvelopes.use(', 'if (!envelope && !kms.usedEnvelopes.use('),
  ),
  weakness(
    'U-19',
    'leaves errors unsigned',
    'tests/functions/sealed.test.ts',
    patch('functions/sealed.ts', 'await signAnswer(kms, proof, await answer.catch(refuse))', 'await signAnswer(kms, proof, await answer)'),
  ),
];

const EDGES: readonly Weakness[] = [
  weakness(
    'S-H2 R-6',
    'dials whatever a name turns into',
    'tests/core/platform/dial.test.ts',
    patch('core/platform/dial.ts', 'found.find(({ address }) => !isPublic(address))', "found.find(({ address }) => address === '')"),
  ),
  weakness(
    'S-H3',
    'counts each piece of a body by itself',
    'tests/core/wire/stream.test.ts',
    patch('core/wire/stream.ts', 'if (length + value.length > bytesMax) {', 'if (value.length > bytesMax) {'),
  ),
  weakness(
    'S-M7 R-7',
    'lets every page in every browser ask',
    'tests/functions/api.test.ts',
    patch(
      'functions/answers.ts',
      "'x-content-type-options': 'nosniff' }",
      "'x-content-type-options': 'nosniff', 'access-control-allow-origin': '*' }",
    ),
  ),
  weakness(
    'S-M8',
    'calls any URL',
    'tests/core/platform/fetch.test.ts',
    patch(
      'core/platform/fetch.ts',
      '(!own.has(origin) && peerOrigin(origin, config.profile.peerUrls) !== origin)',
      '(!own && !peerOrigin)',
    ),
  ),
  weakness(
    'S-L1',
    'passes over settings that it does not know',
    'tests/core/networks.test.ts',
    patch(
      'core/networks.ts',
      'if (unknown !== undefined) throw new TypeError(`network profile',
      'if (unknown === value) throw new TypeError(`network profile',
    ),
  ),
  weakness(
    'X-1',
    'starts with the zero wallet',
    'tests/core/platform/odyn.test.ts',
    patch('functions/boot.ts', 'if (!wallet || wallet === ZERO_WALLET)', 'if (!wallet)'),
  ),
  weakness(
    'X-4',
    'takes an Odyn and a chain from anywhere',
    'tests/core/networks.test.ts',
    patch('core/config.ts', "!['127.0.0.1', 'localhost'].includes(url.hostname)", "['192.0.2.1'].includes(url.hostname)"),
  ),
  weakness(
    'R-8',
    'reads a status that it does not know as the first',
    'tests/core/chain/registry.test.ts',
    patch(
      'core/chain/registry.ts',
      'if (name === undefined) throw new RangeError(`unknown enum value ${value}`);',
      'if (name === undefined) return names[0] as T;',
    ),
  ),
  weakness(
    'U-6',
    'rounds numbers that are too large',
    'tests/core/chain/registry.test.ts',
    patch('core/chain/registry.ts', 'if (value < 0n || value > BigInt(Number.MAX_SAFE_INTEGER)) throw', 'if (value < 0n) throw'),
  ),
  weakness(
    'U-7',
    'answers with the text of an exception',
    'tests/functions/api.test.ts',
    patch(
      'functions/api.ts',
      "return refusalReply(new Refusal('internal'), requestId);",
      "return refusalReply(new Refusal('internal', '', error, { detail: String(error) }), requestId);",
    ),
  ),
  weakness(
    'U-9',
    'sends a transaction in another shape',
    'tests/core/platform/odyn.test.ts',
    patch('core/platform/odyn.ts', 'chain_id: quantity(request.chainId)', 'chainId: request.chainId'),
  ),
  weakness(
    'U-16',
    'starts with settings of the runtime in its environment',
    'tests/core/environment.test.ts',
    patch('core/environment.ts', "const REFUSED = ['NODE_', ", 'const REFUSED = ['),
  ),
];

const DATA: readonly Weakness[] = [
  weakness(
    'S-M3',
    'leaves the order of two writers at one time open',
    'tests/core/store/clock.test.ts',
    patch('core/store/clock.ts', '(a.origin < b.origin ? -1 : a.origin > b.origin ? 1 : 0)', '0'),
  ),
  weakness(
    'R-1',
    'reads what it has no key for as empty',
    'tests/core/store/store.test.ts',
    patch(
      'core/store/bodies.ts',
      "if (!body) throw new Refusal('fetching_secret', `the data key of epoch ${record.epoch} is not held`);",
      'if (!body) return new Uint8Array(0);',
    ),
  ),
  weakness(
    'R-2',
    'stores what does not open',
    'tests/core/store/merging.test.ts',
    patch('core/store/merging.ts', "if (verdict !== 'authentic') return refused(verdict);", ''),
  ),
];

const CERTIFICATES: readonly Weakness[] = [
  weakness(
    'X-2',
    'copies the request into the certificate',
    'tests/properties/csr.test.ts',
    patch(
      'core/ca/issuer.ts',
      'const serial = leafSerial(random.bytes(SERIAL_BYTES));',
      'const serial = leafSerial(csr.subarray(20, 20 + SERIAL_BYTES));',
    ),
  ),
  weakness(
    'U-5',
    'lets the CA begin when a node first makes it',
    'tests/core/ca/issuer.test.ts',
    patch(
      'core/ca/issuer.ts',
      'const validity = { notBeforeMs: activatedAtMs, notAfterMs',
      'const validity = { notBeforeMs: clock.nowMs(), notAfterMs',
    ),
  ),
];

export const NODE_WEAKNESSES: readonly Weakness[] = [...SECRETS, ...CLUSTER, ...CALLERS, ...EDGES, ...DATA, ...CERTIFICATES];
