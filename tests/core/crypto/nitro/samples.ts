/**
 * Real documents of AWS, where they lie beside the repository: they are nobody's to publish here. Tests that need them say in their names that
 * they are skipped without.
 */
import { existsSync, readFileSync } from 'node:fs';

const FOLDER = new URL('../../../../../shared/samples/attestation/', import.meta.url);

export const SKIPPED_WITHOUT = 'skipped without ../shared/samples/attestation';

export function areSamplesThere(): boolean {
  return existsSync(FOLDER);
}

/** No bytes at all where the samples are not there. */
export function sample(name: string): Uint8Array {
  return areSamplesThere() ? new Uint8Array(readFileSync(new URL(name, FOLDER))) : new Uint8Array(0);
}

export interface Sample {
  readonly file: string;
  /** As the document says. */
  readonly timeMs: number;
  /** Of the leaf, by another reader. */
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  readonly moduleId: string;
  readonly measurement: string;
  readonly isDebug: boolean;
  /** `null` where there is none. */
  readonly publicKeyBytes: number | null;
  readonly userDataBytes: number | null;
  readonly nonceBytes: number | null;
}

export const SAMPLES: readonly Sample[] = [
  {
    file: '2023-09-28-release.cose',
    timeMs: 1_695_899_307_117,
    notBeforeMs: Date.parse('2023-09-28T11:08:24Z'),
    notAfterMs: Date.parse('2023-09-28T14:08:27Z'),
    moduleId: 'i-015531f954c54297c-enc018adb700a324d32',
    measurement: '0x471f107861d604dc5e8f4ed7e52fb0428e91e8b7d465cc91b07bdfadd4a55866',
    isDebug: false,
    publicKeyBytes: null,
    userDataBytes: 290,
    nonceBytes: 32,
  },
  {
    file: '2024-12-13-release.cose',
    timeMs: 1_734_075_478_960,
    notBeforeMs: Date.parse('2024-12-13T05:57:42Z'),
    notAfterMs: Date.parse('2024-12-13T08:57:45Z'),
    moduleId: 'i-0f1cd77d37fd8bcc9-enc018e7aa61e2040ff',
    measurement: '0x97f8342ec6bf1f4c44fecc1d3d53f8c75ca0d6bc87be630ab9bf066b3460f244',
    isDebug: false,
    publicKeyBytes: 64,
    userDataBytes: null,
    nonceBytes: null,
  },
  {
    file: '2025-10-16-debug.cose',
    timeMs: 1_760_583_282_550,
    notBeforeMs: Date.parse('2025-10-16T02:54:39Z'),
    notAfterMs: Date.parse('2025-10-16T05:54:42Z'),
    moduleId: 'i-0d77c5a9ff8a7dbad-enc0199e6cadc8142c2',
    measurement: '0xcd2e66bf0b91eeedc6c648ae9335a78d7c9a4ab0ef33612a824d91cdc68a4f21',
    isDebug: true,
    publicKeyBytes: 120,
    userDataBytes: 20,
    nonceBytes: 0,
  },
];
