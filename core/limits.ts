/** Every bound of the node, unit last in the name, with the attack or the reason beside it. */

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const KIB = 1_024;
const MIB = 1_024 * KIB;

/** Platform clients sign wall-clock seconds; more skew than this and a captured proof lives too long. */
export const PROOF_AGE_MAX_MS = 120 * SECOND_MS;
/** A nonce is issued, signed and used within one round trip; two minutes is what platform clients expect. */
export const NONCE_LIFETIME_MS = 120 * SECOND_MS;
/** A nonce from further ahead than this was issued before our clock stepped back: it is not taken. */
export const NONCE_AHEAD_MAX_MS = SECOND_MS;
/** A header longer than this is no signature, nonce or wallet: refused before any work. */
export const PROOF_HEADER_CHARS_MAX = 256;

/** A request signature lives no longer than this, whatever its `expires` says: it is remembered for all that time. */
export const SIGNATURE_LIFE_MAX_MS = 120 * SECOND_MS;
/** After `expires` it is taken this much longer, for clients whose clock is behind; it is remembered as long. */
export const SIGNATURE_LATE_MAX_MS = 30 * SECOND_MS;
/**
 * A client's clock may be ahead this much. Signatures from before a boot are refused by their time alone, so a node takes none
 * made in the first moments of its life: keep it short.
 */
export const SIGNATURE_AHEAD_MAX_MS = 5 * SECOND_MS;
/** `Signature-Input` and `Signature`: a longer one is none of ours, and is refused before any work. */
export const SIGNATURE_INPUT_CHARS_MAX = 1_024;
/** Covered components: what must be covered, and some fields of the client's own. */
export const SIGNATURE_COMPONENTS_MAX = 16;
/** Remembered as text, so short: 256 random bits as hex. */
export const SIGNATURE_NONCE_CHARS_MAX = 64;
/** Used request signatures of one wallet: its whole rate for as long as they are remembered. A full set refuses. */
export const USED_SIGNATURES_PER_WALLET_MAX = 80_000;
/** All wallets together: about 45 MB. */
export const USED_SIGNATURES_TOTAL_MAX = 240_000;

/** Consumed nonces one wallet may have in memory: its whole rate for a nonce's lifetime. A full set refuses. */
export const CONSUMED_NONCES_PER_WALLET_MAX = 64_000;
/** All wallets together: about 30 MB. */
export const CONSUMED_NONCES_TOTAL_MAX = 240_000;
/** A captured envelope can be put under a fresh platform proof of the same app only after this time. */
export const ENVELOPE_NONCE_LIFETIME_MS = 10 * MINUTE_MS;
/** 200 requests/s of one app, sustained. */
export const ENVELOPE_NONCES_PER_WALLET_MAX = 120_000;
/** About 60 MB. */
export const ENVELOPE_NONCES_TOTAL_MAX = 480_000;
/** The last quarter of every memory and room that owners share is for those that hold little: a few busy ones lock nobody out. */
export const SHARED_PERCENT = 75;
/** Little, of what must not come again. */
export const REPLAYS_OWNER_RESERVE_MAX = 512;

/**
 * One app's requests per second, sustained and in a burst: one caller cannot take the node from the others. Counted in small
 * requests; what costs the node more counts as several, so that this bounds work.
 */
export const CALLER_REQUESTS_PER_SECOND = 500;
export const CALLER_REQUESTS_BURST = 1_000;
/** So many bytes of a body or an answer count as one request more: parsing, sealing and opening take time by the byte. */
export const BYTES_PER_REQUEST = 32 * KIB;
/** A certificate costs a verification and a signature, a hundred times a derivation, and counts as so many requests: 20 a second. */
export const CERTIFICATE_REQUESTS = 25;
/**
 * Requests of one app, and of all, that are worked on at once. A request takes Odyn some milliseconds, so that more of them would
 * wait there for longer than `ODYN_MS_MAX`; each holds some tens of KB. No wallet has more than a quarter, and the last quarter is for
 * wallets with few: three or four of one app do not keep the others out.
 */
export const REQUESTS_PER_WALLET_MAX = 256;
export const REQUESTS_IN_WORK_MAX = 1_024;
export const REQUESTS_RESERVE_MAX = 4;
/** How long the trust bundle may be kept by caches: a retired epoch's CA leaves it after that at the latest. */
export const BUNDLE_CACHED_SECONDS = 60;
/** Chain look-ups for wallets that no registry knows: floods of fresh keys get this share of the chain, no more. */
export const UNKNOWN_WALLETS_PER_SECOND = 50;
export const UNKNOWN_WALLETS_BURST = 200;
/** Buckets and cached judgements in memory. */
export const CALLERS_CACHED_MAX = 10_000;
/** How long a judgement at the head is reused. Part of the revocation bound. */
export const CALLER_CACHE_MS = 3 * SECOND_MS;
/** How long "nobody" is remembered: short, because a new registration must be seen at once. */
export const UNKNOWN_CACHE_MS = 2 * SECOND_MS;

/**
 * What one client address may ask before it is known who asks, where a proxy tells addresses: nonces and other public answers count
 * as one, a proof or a hello as several (a recovery takes a fifth of a millisecond or more). Who is let in gets them back.
 */
export const ADDRESS_REQUESTS_PER_SECOND = 1_000;
export const ADDRESS_REQUESTS_BURST = 4_000;
export const ADDRESS_PROOF_REQUESTS = 10;
/** Addresses that are remembered: about 3 MB. Whoever has more of them is a crowd, which only the balancer can tell from customers. */
export const ADDRESSES_REMEMBERED_MAX = 20_000;
/** Of an IPv6 address so many bits are one client: networks give each customer that, or more. */
export const ADDRESS_IPV6_BITS = 64;
/** Proxies that a profile may name. A wider block than these would take strangers for proxies. */
export const TRUSTED_PROXIES_MAX = 16;
export const TRUSTED_PROXY_BITS_MIN = 8;
/** Addresses in one `X-Forwarded-For` that are looked at, from its end. */
export const FORWARDED_ADDRESSES_MAX = 16;

/** The path and query of a request. The longest key of 512 bytes, escaped, fits three times. */
export const REQUEST_URL_CHARS_MAX = 4 * KIB;
/** The sealed body of a derivation: path and context of 256 bytes each, every character escaped, as hex. */
export const DERIVE_BODY_BYTES_MAX = 16 * KIB;
/** A CSR of the largest size, as base64 in JSON, as hex. */
export const SIGN_CERT_BODY_BYTES_MAX = 64 * KIB;
/** A vote: the longest number of a change has 78 digits. */
export const VOTE_BODY_BYTES_MAX = KIB;
/**
 * Bodies that are being read or worked on: what one app, or all together, can make a node hold. A node that is killed forgets its secret.
 */
export const BODIES_PER_WALLET_BYTES_MAX = 16 * MIB;
export const BODIES_TOTAL_BYTES_MAX = 64 * MIB;
/** Of wallets that hold no more than this are the last 16 of these MiB: derivations, certificates and small values get through. */
export const BODIES_RESERVE_BYTES_MAX = 256 * KIB;
/** Objects and lists inside each other. What is asked of a node has four levels. */
export const JSON_DEPTH_MAX = 64;
/** A half-sent body hangs for ever on every host: the time a caller has to send it. */
export const REQUEST_BODY_MS_MAX = 10 * SECOND_MS;
/** From the first byte of work to the answer, whatever Odyn and the chain do. */
export const REQUEST_MS_MAX = 15 * SECOND_MS;

/** The end of that, kept for signing the refusal that says so. */
export const SIGNING_MS_MAX = 3 * SECOND_MS;

/** `path` and `context` of a derivation, in UTF-8 bytes. */
export const DERIVE_PATH_BYTES_MAX = 256;
export const DERIVE_CONTEXT_BYTES_MAX = 256;
export const DERIVE_LENGTH_DEFAULT_BYTES = 32;
export const DERIVE_LENGTH_MAX_BYTES = 1_024;

/** Signed bytes of a stranger's choosing: a request with the largest RSA key and its signature has 2 KiB, as PEM 3. */
export const CSR_BYTES_MAX = 16 * KIB;
/** Elements inside elements: a request with extensions has 7 levels. */
export const CSR_DEPTH_MAX = 16;
/** A certificate of ours has 7 levels. */
export const CERTIFICATE_DEPTH_MAX = 12;
/** Less can be factored, more costs every verifier too much. */
export const RSA_BITS_MIN = 2_048;
export const RSA_BITS_MAX = 8_192;
/** 1 signs nothing and 3 forgives too little; verifiers written in Go take none above the second. */
export const RSA_EXPONENT_MIN = 65_537;
export const RSA_EXPONENT_MAX = 2 ** 31 - 1;
/** A certificate of an app counts from a little before it was made, for verifiers whose clock is behind. */
export const LEAF_BACKDATE_MS = 5 * MINUTE_MS;
/** A shorter life would be lost in the differences between clocks. */
export const LEAF_LIFE_MIN_MS = 5 * MINUTE_MS;
/** Apps can ask anew at any time, and nothing revokes what was issued. */
export const LEAF_LIFE_DEFAULT_MS = 24 * HOUR_MS;
export const LEAF_LIFE_MAX_MS = 90 * DAY_MS;
/** Ten years from its activation: an epoch has one CA certificate for all its life, and should be rotated long before. */
export const CA_LIFE_MS = 3_650 * DAY_MS;

/** Keys and values of the store, in UTF-8 bytes and bytes. */
export const KEY_BYTES_MAX = 512;
export const VALUE_BYTES_MAX = MIB;
/** A value of the largest size, as base64 in JSON, as hex. */
export const DATA_BODY_BYTES_MAX = 3 * MIB;
/** A delete: a key, every character escaped, and versions, as hex. */
export const DELETE_BODY_BYTES_MAX = 16 * KIB;
/** Ten years: far enough for anybody, near enough that a clock never overflows. */
export const TTL_MS_MAX = 3_650 * DAY_MS;
/** What one app may hold on a node, as charged: key, value and `RECORD_CHARGE_BYTES` for each record, tombstones too. */
export const APP_QUOTA_BYTES = 10 * MIB;
/** What an app is charged for each record besides its key and value. */
export const RECORD_CHARGE_BYTES = 256;
/** What each record costs in memory besides its key and value, with room to spare: the bench measures it. */
export const RECORD_MEMORY_BYTES = 1_200;
/** Names of writers and of their boots that records share. */
export const NAMES_SHARED_MAX = 4_096;
/**
 * All apps together, in memory, by this node's own admission: many small quotas must not end the process, which would forget its
 * secret. With what peers admitted it may be half as much again.
 */
export const STORE_MEMORY_BYTES_MAX = 768 * MIB;
export const STORE_MERGED_PERCENT = 150;
/** Merges are taken up to the quota times the members, but never fewer than these: members that left may have filled theirs. */
export const MERGED_QUOTAS_MIN = 3;
/** Of one app, deleted or expired and not collected yet; at this many, new keys are refused until members have caught up. */
export const TOMBSTONES_PER_APP_MAX = 20_000;
/** How many least recently used records are looked at for room before the write is refused; a batch has many writes. */
export const EVICTION_LOOKS_MAX = 256;
/** Clocks of members may differ by this; records from further ahead wait at their sender. */
export const CLOCK_SKEW_MAX_MS = 60 * SECOND_MS;
/** How much further ahead than that a node's own writes may be after it has seen a record at the edge. */
export const CLOCK_SKEW_SLACK_MS = SECOND_MS;
/** 32 bits on the wire; beyond it the hybrid clock moves to the next millisecond. */
export const HLC_LOGICAL_MAX = 2 ** 32 - 1;
/** Longer than a frame can be under way (its session's life). A tombstone is collected this long after its last acknowledgement. */
export const MESSAGE_LIFETIME_MS = 15 * MINUTE_MS;
/** Records in one frame: half of what a frame holds, or one record of any size. */
export const DATA_FRAME_BYTES_MAX = MIB;
/** Records, offers, prints: what a peer can make a node look at with one frame. */
export const DATA_FRAME_ITEMS_MAX = 4_096;
/** A header of a record: its fields and the longest key. */
export const RECORD_HEADER_BYTES_MAX = 130 + KEY_BYTES_MAX;
/** Writes that come within this time of the first travel in one frame. */
export const REPLICATE_BATCH_MS = 3;
/** Records that one peer lacks or refused, remembered by number; beyond it anti-entropy has to find them. */
export const OWED_PER_PEER_MAX = 10_000;
/** A refused record is sent again after the first, doubling up to the second, with jitter. */
export const REFUSED_RETRY_MIN_MS = SECOND_MS;
export const REFUSED_RETRY_MAX_MS = MINUTE_MS;
/** How often it is noted what a peer has acknowledged, for collection `MESSAGE_LIFETIME_MS` later. */
export const CURSOR_SAMPLE_MS = 10 * SECOND_MS;
/** Unacknowledged changes are counted up to here for reports. */
export const LAG_COUNTED_MAX = 1_000;
/** Anti-entropy begins anew after a random time between these. */
export const ANTI_ENTROPY_MIN_MS = 10 * SECOND_MS;
export const ANTI_ENTROPY_MAX_MS = 30 * SECOND_MS;
/** A range of the digest that differs is cut into so many; one with no more than so many records is listed. */
export const DIGEST_FAN_OUT = 16;
export const DIGEST_LISTED_MAX = 32;
/** What one writer's every millisecond may put into one range that cannot be cut: a record of each member. */
export const DIGEST_PART_OFFERS_MAX = 1_024;
/** Parts of one digest frame, and how many may wait for the next: a peer that always answers "differs" ends the round. */
export const DIGEST_PARTS_MAX = 256;
export const DIGEST_QUEUE_MAX = 8_192;
export const DIGEST_TRIPS_MAX = 64;
/** A tick of the replication waits for its own work this long; the rest goes on and the next tick finds it. */
export const DATA_TICK_MS_MAX = 2 * SECOND_MS;
/**
 * Talking with peers that lasts longer is taken for dead, and the next tick talks again: twice what a peer that hangs may cost, and what
 * a tick waits. A host that ends work with its request does not say so, and until then nothing is compared and nobody catches up.
 */
export const TALK_MS_MAX = 10 * SECOND_MS;
/** Where the host ends what nobody waits for, what goes on behind a tick has so long; the next tick reads the chain again. */
export const IDLE_AFTER_TICK_MS = 500;
/** A newcomer whose snapshot has brought nothing for so long begins with another member; where it was is remembered. */
export const CATCH_UP_TURN_MS = 30 * SECOND_MS;
/** A ready member that a newcomer has not got through by then is left to anti-entropy, if it got through another one. */
export const CATCH_UP_MS_MAX = 3 * MINUTE_MS;
/** Incarnations of one peer that are followed: it boots, and boots again, but not all the time. */
export const INCARNATIONS_PER_SECOND = 1 / 60;
export const INCARNATIONS_BURST = 5;
/** Longer without membership, and others may soon collect without this node: it forgets its records. Below `MESSAGE_LIFETIME_MS`. */
export const MEMBERSHIP_GRACE_MS = 10 * MINUTE_MS;
/** Data keys of apps that are kept derived, for each epoch. */
export const DATA_KEYS_CACHED_MAX = 4_096;
/** Ids of collected tombstones, so that a peer that collects later does not bring them back. */
export const COLLECTED_REMEMBERED_MAX = 50_000;
/** Ids of records that lost on arrival: far more than one peer can have under way. */
export const LOSERS_REMEMBERED_MAX = 20_000;
/** Maintenance in one piece, and bodies sealed anew in it: some tens of milliseconds. */
export const STORE_MAINTENANCE_RECORDS = 2_000;
export const STORE_MAINTENANCE_BYTES = 8 * MIB;
/** Keys that a list passes over because they have just expired, before it ends its page early. */
export const LIST_EXPIRED_MAX = 1_000;
/** Keys in one page of a list, and their bytes in all. */
export const LIST_KEYS_MAX = 10_000;
export const LIST_BYTES_MAX = MIB;
/** Operations in one batch, and how many of them count as one request of its caller's rate. */
export const BATCH_OPERATIONS_MAX = 256;
export const BATCH_OPERATIONS_PER_REQUEST = 16;
/** Values and keys in the answer to a batch, as JSON has them; the largest value alone fits. */
export const BATCH_ANSWER_BYTES_MAX = 2 * MIB;
/** How long a write waits for its replicas before it says how many there are. */
export const REPLICAS_MS_MAX = 3 * SECOND_MS;

/** Odyn is on loopback: slower than this is a fault, not a queue. */
export const ODYN_MS_MAX = 5 * SECOND_MS;
/** The largest answer of Odyn: a sealed 1 MiB value as hex. */
export const ODYN_ANSWER_BYTES_MAX = 8 * MIB;
/** Light clients fetch proofs for each read. */
export const RPC_MS_MAX = 5 * SECOND_MS;
export const RPC_ANSWER_BYTES_MAX = 4 * MIB;
/** A read at a block is tried this often before it counts as unreadable; never replaced by a weaker read. */
export const CHAIN_READ_TRIES = 2;
/** Light clients keep 256 blocks; a deeper confirmation could not be read back. */
export const CONFIRMATION_BLOCKS_MAX = 60;
/** How far the head may be in our future before our clock or the chain is wrong. */
export const HEAD_AHEAD_MAX_MS = 30 * SECOND_MS;

/** Connections to one peer and to all that are kept open: a call to a peer is one after the other but for a few. */
export const DIAL_SOCKETS_PER_PEER_MAX = 16;
export const DIAL_SOCKETS_TOTAL_MAX = 1_024;
/** Shorter than any server waits before it closes an idle connection. */
export const DIAL_IDLE_MS_MAX = 4 * SECOND_MS;
/** One call of a peer, its hello included. Who takes longer is skipped until its back-off ends. */
export const PEER_MS_MAX = 4 * SECOND_MS;
/** Asking one holder after the other for a secret. */
export const FETCH_SECRET_MS_MAX = 6 * SECOND_MS;
/** A frame with its outside and its tag. */
export const SYNC_BODY_BYTES_MAX = 2 * MIB + 64;
export const FRAME_PAYLOAD_BYTES_MAX = 2 * MIB;
/** Lists and maps inside each other in what a peer sends: a signature in an endorsement is in the fifth. */
export const CBOR_DEPTH_MAX = 8;
/** Values in it, each name of a member one as well: the fullest answer to a delta has some 70,000. Each costs time and memory, however short. */
export const CBOR_ITEMS_MAX = 100_000;
/** A hello holds keys and one attestation document. */
export const HELLO_BYTES_MAX = 32 * KIB;
/** Frames of one peer, and of all, that are being read or worked on, in bytes: not of one session, of which a peer has two. */
export const FRAMES_PER_PEER_BYTES_MAX = 16 * MIB;
export const FRAMES_TOTAL_BYTES_MAX = 64 * MIB;
/** The last quarter is for peers with no more than one frame of the largest size. */
export const FRAMES_RESERVE_BYTES_MAX = SYNC_BODY_BYTES_MAX;
/** Hellos whose bodies are still coming, 16 MiB: one more, and the one that has waited longest goes. Those of peers come in one piece. */
export const HELLOS_READ_MAX = 512;
/** Forward secrecy and members that are attested again cost one handshake in this time. */
export const SESSION_AGE_MAX_MS = 10 * MINUTE_MS;
/** Far below what AES-GCM allows one key. */
export const SESSION_FRAMES_MAX = 1_000_000;
/** How far frames of one session may overtake each other. */
export const FRAME_WINDOW = 64;
/** Hellos of one member whose nonces are remembered: more than its rate allows in a nonce’s lifetime. */
export const HELLO_NONCES_PER_PEER_MAX = 512;
/** Sessions that one peer may hold with us as responder: its newest boots, not its history. */
export const SESSIONS_PER_PEER_MAX = 2;
export const SESSIONS_TOTAL_MAX = 512;
/** Hellos a member may start: each costs a recovery, an attestation document verified and one asked for, an ECDH and a signature. */
export const HELLOS_PER_SECOND = 2;
export const HELLOS_BURST = 12;
/** Back-off of an unreachable peer: doubles from the first to the second, with jitter. */
export const PEER_BACKOFF_MIN_MS = SECOND_MS;
export const PEER_BACKOFF_MAX_MS = MINUTE_MS;
/** How often a peer is asked for what it knows while nothing is pending. */
export const PEER_PROBE_MS = 10 * SECOND_MS;
/** A registered URL: whoever can register writes it. */
export const PEER_URL_CHARS_MAX = 256;
/** Unix seconds in decimal. */
export const TIMESTAMP_CHARS_MAX = 12;
/** Members a view may hold; beyond it the view is refused rather than half read. */
export const OPERATORS_MAX = 512;

/** An attestation document; the largest that the module writes has 12 KiB. */
export const ATTESTATION_BYTES_MAX = 16 * KIB;
/** The challenge in it makes it fresh, whatever any clock says; this bounds what a challenge that was guessed could be answered with. */
export const ATTESTATION_AGE_MAX_MS = 5 * MINUTE_MS;
/** How far the clock of an enclave's host may be from ours: a leaf is valid from three seconds before it was first asked for. */
export const ATTESTATION_SKEW_MAX_MS = 60 * SECOND_MS;
/** A document that an app sends in a header: real ones have 5 KiB. */
export const CALLER_DOCUMENT_BYTES_MAX = 8 * KIB;
/** Documents of one wallet that may be refused: each costs a verification of some 5 ms. */
export const CALLER_DOCUMENTS_PER_SECOND = 1;
export const CALLER_DOCUMENTS_BURST = 10;
/** What strangers may ask to be attested, all together: each costs the enclave's module a signature. */
export const ATTESTATIONS_PER_SECOND = 5;
export const ATTESTATIONS_BURST = 20;
/** The same for one app, which asks with its signature: its processes look at a node every ten minutes, and after their starts. */
export const CALLER_ATTESTATIONS_PER_SECOND = 0.2;
export const CALLER_ATTESTATIONS_BURST = 10;
/** The challenge of whoever asks: too long to be guessed, and no longer than a hash. */
export const ATTESTATION_NONCE_BYTES_MIN = 16;
export const ATTESTATION_NONCE_BYTES_MAX = 64;

/** Secrets one member may fetch: a birth needs a handful; a thief with a member's key gets no more. */
export const HANDOVERS_PER_SECOND = 0.2;
export const HANDOVERS_BURST = 20;
/** Secrets asked for in one handover frame. */
export const HANDOVER_SECRETS_MAX = 32;
/** Candidates kept per epoch. One is fetched per proposal window; beyond this, one that nobody can activate makes room. */
export const CANDIDATES_PER_EPOCH_MAX = 16;
/** Offers of one epoch that one wallet's signature is kept for: its newest, so nobody's noise displaces another's. */
export const OFFERS_PER_SIGNER_MAX = 4;
/** Each new signature costs a recovery; the rest of a message waits for the next. */
export const NEW_SIGNATURES_PER_MESSAGE_MAX = 64;
/** An endorsement is valid for this many blocks from its proposer's head, and a vote for no more: one that was never relayed dies soon. */
export const ENDORSEMENT_LIFE_BLOCKS = 600;
/** An endorsement that expires sooner than this is not worth relaying. */
export const ENDORSEMENT_MARGIN_BLOCKS = 10;
/** How much longer than that an offer may be valid when it reaches us: nodes see heads a few blocks apart. */
export const ENDORSEMENT_SLACK_BLOCKS = 10;
/** Each further relayer waits this much longer, so that one transaction is sent, not one per node. */
export const RELAY_STEP_BLOCKS = 4;
/** An activation that was sent and not seen is sent again with a higher fee, up to this many times the going one. */
export const RELAY_FEE_STEPS_MAX = 8n;
/** A relayed activation that is not seen after this many blocks is sent again. */
export const RELAY_RETRY_BLOCKS = 10;
/** Gas for an activation over its estimate, in percent. */
export const RELAY_GAS_PERCENT = 130n;

/** Request line and headers of one request; the longest URL and a proof stay below a third of it, and a document below half. */
export const HTTP_HEADERS_BYTES_MAX = 24 * KIB;
/** Header fields of one request; proxies put some twenty to those of a client. */
export const HTTP_HEADERS_MAX = 128;
/** Who sends headers byte by byte, or none at all, holds a connection this long. */
export const HTTP_HEADERS_MS_MAX = 10 * SECOND_MS;
/** The same for a request with its body; handlers ask for less. */
export const HTTP_REQUEST_MS_MAX = 30 * SECOND_MS;
/** From a request to the last byte of its answer, pipelined or not: who reads byte by byte, or not at all, holds it this long. */
export const HTTP_EXCHANGE_MS_MAX = 60 * SECOND_MS;
/**
 * After an answer to a request whose body is still coming, the connection ends. Closed at once it would be reset, and the answer
 * lost to a client that first sends all and then reads; so what comes is thrown away for this long, up to the largest body and more.
 */
export const HTTP_LINGER_MS_MAX = 2 * SECOND_MS;
export const HTTP_LINGER_BYTES_MAX = SYNC_BODY_BYTES_MAX + MIB;
/**
 * A chunk costs the node a microsecond or more and its sender six bytes: so many of a body may be tiny, the others have to be of
 * this size on average. The smallest packets of a network are larger.
 */
export const HTTP_BODY_CHUNKS_FREE = 256;
export const HTTP_BODY_CHUNK_BYTES_MIN = 64;
/** Longer than the minute after which load balancers drop a connection, so that they do it first. */
export const HTTP_IDLE_MS_MAX = 75 * SECOND_MS;
/** How often these times are looked at. */
export const HTTP_CHECK_MS = SECOND_MS;
/** Unanswered requests on one connection; more of them end it. */
export const HTTP_PIPELINED_MAX = 16;
/** What is parsed before it is looked at whether the connection has ended: a few dozen requests of the shortest form. */
export const HTTP_SLICE_BYTES = KIB;
/** Each costs about 17 KB while it is idle. */
export const CONNECTIONS_MAX = 12_000;
/** Of the files that the process may open: the rest is for Odyn, the chain and peers, so that a crowd takes none of theirs. */
export const CONNECTIONS_FILES_PERCENT = 75;
/** Longer than a request may take, shorter than what orchestrators wait before they kill. */
export const STOP_MS_MAX = 20 * SECOND_MS;
export const STOP_CHECK_MS = 20;
/** The enclave's Odyn starts first; a binary that has not met it by then says why and ends. */
export const BOOT_MS_MAX = 30 * SECOND_MS;
/** A release counts a block only this deep: less can be one reorganisation. */
export const RELEASE_CONFIRMATION_BLOCKS_MIN = 5;
/** Part of the revocation bound: a release serves no longer than this without news of the chain. */
export const RELEASE_HEAD_AGE_MS_MAX = 120 * SECOND_MS;

/** A tick that runs longer is taken for dead, and the next may start. */
export const TICK_MS_MAX = 30 * SECOND_MS;
/** A log detail: an attacker's text cannot flood the log. */
export const LOG_FIELD_CHARS_MAX = 300;
/** Refusals of one reason written to the log: a flood of bad requests cannot fill a disk, nor hide those that are refused for another. */
export const LOGGED_REFUSALS_PER_SECOND = 2;
export const LOGGED_REFUSALS_BURST = 20;
/** More than there are reasons, each of which has its own. */
export const LOGGED_REASONS_MAX = 256;
/**
 * The audit trail in memory: minutes of a busy node, seconds of one that an app floods, months of a quiet one. Each record costs about 420
 * bytes; the log keeps the rest.
 */
export const AUDIT_RECORDS_MAX = 40_000;
export const AUDIT_BYTES_MAX = 16 * MIB;
/** What no app can push out of it: handovers, secrets, votes. Years of a cluster, in 4 MB. */
export const AUDIT_MILESTONES_MAX = 8_192;
/** Refusals of one reason are told with the first, and once more after this time: a flood of them takes no room from what matters. */
export const AUDIT_PERIOD_MS = MINUTE_MS;
/** Records in one answer, and their bytes. */
export const AUDIT_PAGE_RECORDS_MAX = 10_000;
export const AUDIT_PAGE_BYTES_MAX = MIB;
/** A person with a program, or a collector: each answer costs up to two signatures. */
export const OPERATOR_REQUESTS_PER_SECOND = 5;
export const OPERATOR_REQUESTS_BURST = 20;
/** How long the owner of the registry is believed to be who it was: a new one waits so long, and the old one counts so long. */
export const OWNER_CACHE_MS = 3 * SECOND_MS;

/** Log lines for what one member sends that does not verify. */
export const LOGGED_LIES_PER_SECOND = 0.1;
export const LOGGED_LIES_BURST = 3;

/** How long a client of the cluster reuses what it read on the chain. */
export const CLIENT_VIEW_MS = 5 * SECOND_MS;
/** A reading of the chain that takes longer is taken for dead, and the next may start. */
export const CLIENT_READING_MS = 10 * SECOND_MS;
/** One try at one node, its enclave's and this one's work included: what a node that hangs may cost. */
export const CLIENT_ATTEMPT_MS = 5 * SECOND_MS;
/** One call of the client, whatever happens. */
export const CLIENT_CALL_MS = 30 * SECOND_MS;
/** What an app may choose for either: a timer holds 31 bits of milliseconds, and fires at once for more. */
export const CLIENT_WAIT_MS_MAX = 2 ** 31 - 1;
/** Objects inside objects in what an app sends: one that holds itself ends here. */
export const CLIENT_BODY_DEPTH_MAX = 64;
/** How often a call goes over all nodes. */
export const CLIENT_ROUNDS_MAX = 3;
/** Between two rounds, up to twice as long: clients that fail together do not come back together. */
export const CLIENT_PAUSE_MS = 200;
/** One check of a node's enclave; one that takes longer is taken for dead, and the next may start. */
export const CLIENT_CHECK_MS = 5 * SECOND_MS;
/** How long a check counts: as long as members believe each other without a new document. */
export const CLIENT_CHECKED_MS = 10 * MINUTE_MS;
/** How long a node that failed is tried last. */
export const CLIENT_FAILED_MS = 30 * SECOND_MS;
/** Enough for one attempt and a clock that is behind. */
export const CLIENT_SIGNATURE_LIFE_MS = 60 * SECOND_MS;
/** The largest answer of a node: that of a full batch, with what stands around its values, as hex. */
export const CLIENT_ANSWER_BYTES_MAX = 6 * MIB;
/** `{"nonce":"…"}`. */
export const CLIENT_NONCE_ANSWER_BYTES_MAX = KIB;
/** A trust bundle: about 1 KiB for each epoch. */
export const CLIENT_BUNDLE_BYTES_MAX = 256 * KIB;
/** How far a node's clock may be from the app's for the times of a certificate, the backdating included. */
export const CLIENT_CLOCK_MS = 10 * MINUTE_MS;
