/** The order of the test files: the longest first, so that none of them is left to run alone at the end of a run that kept nothing in mind. */
import { BaseSequencer } from 'vitest/node';
import type { TestSpecification } from 'vitest/node';

/** By how long they take; most of it is waiting for real nodes. Of the others the order does not matter. */
const LONGEST = [
  'tests/cluster/faults.test.ts',
  'tests/cluster/birth.test.ts',
  'tests/dst/dst.test.ts',
  'tests/dst/planted/planted.test.ts',
  'tests/cluster/revocation.test.ts',
  'tests/runtime/enclave.test.ts',
  'tests/cluster/client.test.ts',
  'tests/cluster/life.test.ts',
  'tests/runtime/crowd.test.ts',
  'tests/cluster/attested.test.ts',
  'tests/runtime/derive.test.ts',
  'tests/cluster/data-worker.test.ts',
  'tests/cluster/data-binary.test.ts',
  'tests/cluster/data-host.test.ts',
];

export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const place = ({ moduleId, project }: TestSpecification): number => {
      const index = LONGEST.findIndex((path) => moduleId.endsWith(path));
      if (index >= 0) return index;
      // Those that wait for processes before those that only compute.
      return LONGEST.length + (project.name === 'quick' ? 1 : 0);
    };
    return (await super.sort(files)).toSorted((a, b) => place(a) - place(b));
  }
}
