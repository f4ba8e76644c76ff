/**
 * What is mutated, and the tests that must notice: fast ones, none that starts a node or another runtime. What only those would notice
 * counts as not noticed.
 */

export interface Room {
  readonly mutate: readonly string[];
  readonly tests: readonly string[];
}

export const ROOMS = {
  auth: {
    mutate: ['core/auth/*.ts', 'core/wire/httpsig.ts', 'core/wire/pop.ts'],
    tests: ['tests/core/auth/*.test.ts', 'tests/core/wire/*.test.ts', 'tests/functions/sealed.test.ts'],
  },
  vault: { mutate: ['core/crypto/vault.ts'], tests: ['tests/core/crypto/vault.test.ts'] },
  kdf: { mutate: ['core/crypto/kdf.ts'], tests: ['tests/core/crypto/kdf.test.ts', 'tests/properties/derivation.test.ts'] },
  nitro: { mutate: ['core/crypto/nitro/*.ts'], tests: ['tests/core/crypto/nitro/*.test.ts'] },
  'csr-policy': {
    mutate: ['core/ca/csr-policy.ts', 'core/ca/public-key.ts'],
    tests: ['tests/core/ca/csr-policy.test.ts', 'tests/core/ca/public-key.test.ts'],
  },
  readiness: {
    mutate: ['core/cluster/readiness.ts', 'core/cluster/proposer.ts'],
    tests: ['tests/core/cluster/{readiness,proposer}.test.ts', 'tests/properties/readiness.test.ts'],
  },
  merge: {
    mutate: ['core/store/merging.ts', 'core/store/version.ts', 'core/store/clock.ts'],
    tests: ['tests/core/store/*.test.ts', 'tests/properties/merge.test.ts'],
  },
} as const satisfies Record<string, Room>;

export type RoomName = keyof typeof ROOMS;

export const ROOM_NAMES = Object.keys(ROOMS) as RoomName[];

/** In the environment of the runner, which hands no argument on to the configuration of the tests. */
export const ROOM_VARIABLE = 'NOVA_KMS_MUTATED_ROOM';
